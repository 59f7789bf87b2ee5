/**
 * The grammar of files, statements and chains, as a chevrotain parser that yields a concrete syntax tree.
 * Invariant: its input is balanced and separated by `layout.ts`, so a statement's follow set is a separator or a `}`.
 */
import { ExpressionParser } from "./expression-parser.ts";
import * as t from "./tokens.ts";

const k = t.keywords;

/** The whole grammar; LANGUAGE.md gives it in prose. */
export class ResnetParser extends ExpressionParser {
  constructor(skipValidations: boolean) {
    super(skipValidations);
    this.performSelfAnalysis();
  }

  // ── Declarations ───────────────────────────────────────────────────────────────────────────────────────────

  module = this.RULE("module", () => {
    this.MANY(() =>
      this.OR([
        { ALT: () => this.CONSUME(t.Separator) },
        { ALT: () => this.SUBRULE(this.edition) },
        { ALT: () => this.SUBRULE(this.import) },
        { ALT: () => this.SUBRULE(this.constant) },
        { ALT: () => this.SUBRULE(this.block) },
        { ALT: () => this.SUBRULE(this.variant) },
        { ALT: () => this.SUBRULE(this.train) },
      ]),
    );
  });

  private edition = this.RULE("edition", () => {
    this.CONSUME(k.edition);
    this.CONSUME(t.NumberLiteral);
  });

  private import = this.RULE("import", () => {
    this.CONSUME(k.import);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.LeftBrace);
          this.OPTION(() => this.SUBRULE(this.importName));
          this.MANY(() => {
            this.CONSUME(t.Comma);
            this.OPTION2(() => this.SUBRULE2(this.importName));
          });
          this.CONSUME(t.RightBrace);
          this.CONSUME(k.from);
          this.CONSUME(t.StringLiteral);
        },
      },
      {
        ALT: () => {
          this.CONSUME2(t.StringLiteral);
          this.CONSUME(k.as);
          this.CONSUME(t.Identifier);
        },
      },
    ]);
  });

  private importName = this.RULE("importName", () => {
    this.CONSUME(t.Identifier);
    this.OPTION(() => {
      this.CONSUME(k.as);
      this.CONSUME2(t.Identifier);
    });
  });

  private constant = this.RULE("constant", () => {
    this.CONSUME(k.const);
    this.CONSUME(t.Identifier);
    this.CONSUME(t.Equal);
    this.SUBRULE(this.expression);
  });

  private block = this.RULE("block", () => {
    this.OR([{ ALT: () => this.CONSUME(k.block) }, { ALT: () => this.CONSUME(k.model) }]);
    this.CONSUME(t.Identifier);
    this.OPTION(() => this.SUBRULE(this.parameters));
    this.SUBRULE(this.body);
  });

  private parameters = this.RULE("parameters", () => {
    this.CONSUME(t.LeftParen);
    this.OPTION(() => this.SUBRULE(this.parameter));
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.OPTION2(() => this.SUBRULE2(this.parameter));
    });
    this.CONSUME(t.RightParen);
  });

  private parameter = this.RULE("parameter", () => {
    this.CONSUME(t.Identifier);
    this.OPTION(() => this.CONSUME(t.Colon));
    this.OPTION2(() => this.SUBRULE(this.parameterType));
    this.OPTION3(() => {
      this.CONSUME(t.Equal);
      this.SUBRULE(this.expression);
    });
  });

  private parameterType = this.RULE("parameterType", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Identifier) },
      {
        ALT: () => {
          this.CONSUME(t.LeftBracket);
          this.SUBRULE(this.parameterType);
          this.CONSUME(t.RightBracket);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.LeftParen);
          this.SUBRULE2(this.parameterType);
          this.MANY(() => {
            this.CONSUME(t.Comma);
            this.OPTION(() => this.SUBRULE3(this.parameterType));
          });
          this.CONSUME(t.RightParen);
        },
      },
    ]);
  });

  private variant = this.RULE("variant", () => {
    this.CONSUME(k.variant);
    this.CONSUME(t.Identifier);
    this.CONSUME(k.of);
    this.CONSUME2(t.Identifier);
    this.CONSUME(t.LeftBrace);
    this.OPTION(() => this.SUBRULE(this.action));
    this.MANY(() => {
      this.CONSUME(t.Separator);
      this.OPTION2(() => this.SUBRULE2(this.action));
    });
    this.CONSUME(t.RightBrace);
  });

  private action = this.RULE("action", () => {
    this.OR([
      {
        ALT: () => {
          this.CONSUME(k.cut);
          this.CONSUME(k.skip);
          this.SUBRULE(this.edgePattern);
          this.MANY(() => {
            this.CONSUME(t.Comma);
            this.SUBRULE2(this.edgePattern);
          });
        },
      },
      {
        ALT: () => {
          this.CONSUME(k.set);
          this.CONSUME(t.Identifier);
          this.CONSUME(t.Equal);
          this.SUBRULE(this.expression);
        },
      },
      {
        ALT: () => {
          this.CONSUME(k.replace);
          this.CONSUME2(t.Identifier);
          this.CONSUME(k.with);
          this.SUBRULE2(this.expression);
        },
      },
    ]);
  });

  private edgePattern = this.RULE("edgePattern", () => {
    this.AT_LEAST_ONE(() => this.CONSUME(t.PatternPart));
  });

  private train = this.RULE("train", () => {
    this.CONSUME(k.train);
    this.CONSUME(t.Identifier);
    this.OPTION(() => {
      this.CONSUME(k.as);
      this.CONSUME2(t.Identifier);
    });
    this.CONSUME(t.LeftBrace);
    this.OPTION2(() => this.SUBRULE(this.recipeLine));
    this.MANY(() => {
      this.CONSUME(t.Separator);
      this.OPTION3(() => this.SUBRULE2(this.recipeLine));
    });
    this.CONSUME(t.RightBrace);
  });

  private recipeLine = this.RULE("recipeLine", () => {
    this.OR([{ ALT: () => this.SUBRULE(this.sweep) }, { ALT: () => this.SUBRULE(this.setting) }]);
  });

  /** Wider than the language, so that the builder can mend it: another word than `in`, values without brackets. */
  private sweep = this.RULE("sweep", () => {
    this.CONSUME(k.sweep);
    this.CONSUME(t.Identifier);
    this.OPTION(() => this.OR([...[k.in, t.Equal, t.Colon, t.Identifier].map((word) => ({ ALT: () => this.CONSUME2(word) }))]));
    this.SUBRULE(this.expression);
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.OPTION2(() => this.SUBRULE2(this.expression));
    });
    this.OPTION3(() => {
      this.CONSUME(t.DotDot);
      this.SUBRULE3(this.expression);
    });
  });

  /** Also with `=` or `:` before the value, and `,` between values, which the builder mends. */
  private setting = this.RULE("setting", () => {
    this.CONSUME(t.Identifier);
    this.OPTION2(() => this.OR2([{ ALT: () => this.CONSUME(t.Equal) }, { ALT: () => this.CONSUME(t.Colon) }]));
    this.OPTION(() =>
      this.OR({
        // `normalize(mean: ..)` is a setting with arguments rather than one whose value stands in parentheses.
        IGNORE_AMBIGUITIES: true,
        DEF: [
          { ALT: () => this.SUBRULE(this.arguments) },
          {
            ALT: () => {
              this.SUBRULE(this.expression);
              this.MANY(() => {
                this.OR3([{ ALT: () => this.CONSUME(t.Arrow) }, { ALT: () => this.CONSUME(t.Comma) }]);
                this.SUBRULE2(this.expression);
              });
            },
          },
        ],
      }),
    );
  });

  // ── Statements ─────────────────────────────────────────────────────────────────────────────────────────────

  private body = this.RULE("body", () => {
    this.CONSUME(t.LeftBrace);
    this.OPTION(() => this.SUBRULE(this.statement));
    this.MANY(() => {
      this.CONSUME(t.Separator);
      this.OPTION2(() => this.SUBRULE2(this.statement));
    });
    this.CONSUME(t.RightBrace);
  });

  private readonly statements = [
    { ALT: () => this.SUBRULE(this.port) },
    { ALT: () => this.SUBRULE(this.where) },
    { ALT: () => this.SUBRULE(this.tensor) },
    { ALT: () => this.SUBRULE(this.update) },
    { ALT: () => this.SUBRULE(this.let) },
    { ALT: () => this.SUBRULE(this.skip) },
    { ALT: () => this.SUBRULE(this.names) },
    { ALT: () => this.SUBRULE(this.flow) },
  ];
  private statement = this.RULE("statement", () => {
    this.OR(this.statements);
  });

  private port = this.RULE("port", () => {
    this.OR([{ ALT: () => this.CONSUME(k.in) }, { ALT: () => this.CONSUME(k.out) }]);
    this.CONSUME(t.Identifier);
    this.OPTION(() => {
      this.OPTION2(() => this.CONSUME(t.Colon));
      this.SUBRULE(this.shapeType);
    });
    this.OPTION3(() => this.SUBRULE(this.where));
  });

  private where = this.RULE("where", () => {
    this.CONSUME(k.where);
    this.SUBRULE(this.expression);
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.SUBRULE2(this.expression);
    });
  });

  private tensor = this.RULE("tensor", () => {
    this.OR([{ ALT: () => this.CONSUME(k.param) }, { ALT: () => this.CONSUME(k.state) }]);
    this.CONSUME(t.Identifier);
    this.OPTION(() => this.CONSUME(t.Colon));
    this.SUBRULE(this.shapeType);
    this.OPTION2(() => {
      this.CONSUME(t.Equal);
      this.SUBRULE(this.expression);
    });
  });

  private shapeType = this.RULE("shapeType", () => {
    this.OPTION(() => this.CONSUME(t.Identifier));
    this.SUBRULE(this.list);
  });

  private update = this.RULE("update", () => {
    this.CONSUME(k.update);
    this.CONSUME(t.Identifier);
    this.CONSUME(t.Equal);
    this.SUBRULE(this.expression);
  });

  private let = this.RULE("let", () => {
    this.CONSUME(k.let);
    this.OR([
      { ALT: () => this.CONSUME(t.Identifier) },
      {
        ALT: () => {
          this.CONSUME(t.LeftParen);
          this.CONSUME2(t.Identifier);
          this.MANY(() => {
            this.CONSUME(t.Comma);
            this.OPTION(() => this.CONSUME3(t.Identifier));
          });
          this.CONSUME(t.RightParen);
        },
      },
    ]);
    this.CONSUME(t.Equal);
    this.SUBRULE(this.expression);
  });

  private skip = this.RULE("skip", () => {
    this.CONSUME(k.skip);
    this.OPTION(() => {
      this.SUBRULE(this.label);
      this.CONSUME(t.Colon);
    });
    this.SUBRULE(this.expression);
    this.CONSUME(t.Arrow);
    this.CONSUME(t.Identifier);
    this.OPTION2(() => {
      this.CONSUME(k.via);
      this.SUBRULE(this.via);
    });
  });

  private via = this.RULE("via", () => {
    this.OR([
      {
        ALT: () => {
          this.SUBRULE(this.adaptation);
          this.MANY(() => {
            this.CONSUME(t.Arrow);
            this.SUBRULE(this.stage);
          });
        },
      },
      { ALT: () => this.SUBRULE(this.chain) },
    ]);
  });

  private adaptation = this.RULE("adaptation", () => {
    this.OR([{ ALT: () => this.CONSUME(k.identity) }, { ALT: () => this.CONSUME(k.project) }, { ALT: () => this.CONSUME(k.pad) }]);
    this.OPTION(() => this.CONSUME(t.Question));
    this.OPTION2(() => this.SUBRULE(this.arguments));
  });

  private names = this.RULE("names", () => {
    this.CONSUME(k.names);
    this.CONSUME(t.Identifier);
    this.OPTION(() => {
      this.CONSUME(t.LeftParen);
      this.AT_LEAST_ONE_SEP({ SEP: t.Comma, DEF: () => this.CONSUME2(t.Identifier) });
      this.CONSUME(t.RightParen);
    });
  });

  /** A chain, or the left side of an assignment. */
  private flow = this.RULE("flow", () => {
    this.SUBRULE(this.chain);
    this.OPTION(() => {
      this.CONSUME(t.Equal);
      this.SUBRULE(this.expression);
    });
  });

  // ── Chains ─────────────────────────────────────────────────────────────────────────────────────────────────

  private chain = this.RULE("chain", () => {
    this.SUBRULE(this.stage);
    this.MANY(() => {
      this.CONSUME(t.Arrow);
      this.SUBRULE2(this.stage);
    });
  });

  private readonly stageKinds = [
    { ALT: () => this.SUBRULE(this.join) },
    { ALT: () => this.SUBRULE(this.repeat) },
    { ALT: () => this.SUBRULE(this.stages) },
    { ALT: () => this.SUBRULE(this.if) },
    { ALT: () => this.SUBRULE(this.body) },
    { ALT: () => this.SUBRULE(this.expression) },
  ];
  private stage = this.RULE("stage", () => {
    this.OPTION(() => {
      this.SUBRULE(this.label);
      this.CONSUME(t.Colon);
    });
    this.OR(this.stageKinds);
  });

  private readonly labels = [{ ALT: () => this.CONSUME(t.Identifier) }, { ALT: () => this.CONSUME(t.StringLiteral) }];
  private label = this.RULE("label", () => {
    this.OR(this.labels);
  });

  private join = this.RULE("join", () => {
    this.CONSUME(k.join);
    this.OPTION(() => {
      this.CONSUME(t.Identifier);
      this.CONSUME(t.Colon);
    });
    this.CONSUME2(t.Identifier);
    this.OPTION2(() => this.SUBRULE(this.arguments));
  });

  private repeat = this.RULE("repeat", () => {
    this.CONSUME(k.repeat);
    this.SUBRULE(this.expression);
    this.OPTION(() => {
      this.CONSUME(k.as);
      this.CONSUME(t.Identifier);
    });
    this.SUBRULE(this.body);
  });

  private stages = this.RULE("stages", () => {
    this.CONSUME(k.stages);
    this.OPTION(() => this.SUBRULE(this.label));
    this.CONSUME(k.of);
    this.SUBRULE(this.expression);
    this.OPTION2(() => {
      this.CONSUME(k.as);
      this.SUBRULE(this.pattern);
      this.OPTION3(() => {
        this.CONSUME(t.Comma);
        this.SUBRULE2(this.pattern);
      });
    });
    this.SUBRULE(this.body);
  });

  private pattern = this.RULE("pattern", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Identifier) },
      {
        ALT: () => {
          this.CONSUME(t.LeftParen);
          this.SUBRULE(this.pattern);
          this.MANY(() => {
            this.CONSUME(t.Comma);
            this.OPTION(() => this.SUBRULE2(this.pattern));
          });
          this.CONSUME(t.RightParen);
        },
      },
    ]);
  });

  private if = this.RULE("if", () => {
    this.CONSUME(k.if);
    this.SUBRULE(this.expression);
    this.SUBRULE(this.body);
    this.OPTION(() => {
      this.CONSUME(k.else);
      this.OR([{ ALT: () => this.SUBRULE2(this.body) }, { ALT: () => this.SUBRULE(this.if) }]);
    });
  });
}
