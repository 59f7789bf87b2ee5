/** Words of other languages, and near spellings, with the keyword that was meant. Data and look-ups only. */
import { closest } from "./closest.ts";

/** Words that begin a declaration. */
export const DECLARATIONS: ReadonlySet<string> = new Set(["edition", "import", "const", "block", "model", "variant", "train"]);

const DECLARATION_WORDS: ReadonlyMap<string, string> = new Map([
  ...["def", "fn", "func", "fun", "function", "class", "struct", "module", "layer", "cell", "component"].map((word) => [word, "block"] as const),
  ...["network", "net", "graph", "architecture"].map((word) => [word, "model"] as const),
  ...["let", "var", "val", "define", "static"].map((word) => [word, "const"] as const),
  ...["recipe", "training", "fit"].map((word) => [word, "train"] as const),
]);

/** The declaration that a word at the beginning of a line stands for. */
export function declarationMeant(word: string): string | undefined {
  return (
    DECLARATION_WORDS.get(word.toLowerCase()) ??
    closest(
      word,
      [...DECLARATIONS].filter((each) => each !== "edition" && each !== "import"),
    )
  );
}

/** Statements by what must follow on their line for a near spelling to be meant. */
const STATEMENTS: ReadonlyMap<string, (signs: readonly string[]) => boolean> = new Map([
  ["in", (signs) => signs.length === 0 || signs[0] === ":" || signs[0] === "["],
  ["out", (signs) => signs.length === 0 || signs[0] === ":" || signs[0] === "["],
  ["param", (signs) => signs[0] === ":" || signs[0] === "["],
  ["state", (signs) => signs[0] === ":" || signs[0] === "["],
  ["skip", (signs) => signs.includes("->")],
  ["let", (signs) => signs[0] === "="],
  ["update", (signs) => signs[0] === "="],
  ["where", (signs) => signs.some((sign) => /^([<>]=?|[=!]=|=)$/.test(sign))],
  ["names", (signs) => signs.length === 0 || signs[0] === "("],
]);

const STATEMENT_WORDS: ReadonlyMap<string, string> = new Map([
  ...["input", "inputs", "inp"].map((word) => [word, "in"] as const),
  ...["output", "outputs", "outp"].map((word) => [word, "out"] as const),
  ...["parameter", "parameters", "weight", "var_param"].map((word) => [word, "param"] as const),
  ...["buffer", "register_buffer"].map((word) => [word, "state"] as const),
  ...["shortcut", "residual", "connect"].map((word) => [word, "skip"] as const),
  ...["var", "val", "const", "auto"].map((word) => [word, "let"] as const),
  ...["require", "requires", "assert", "assume", "ensure"].map((word) => [word, "where"] as const),
]);

/** The statement that its first word stands for; `signs` are the tokens after the second word, names as "". */
export function statementMeant(word: string, signs: readonly string[]): string | undefined {
  const known = STATEMENT_WORDS.get(word);
  // Near spellings of the shortest keywords are too many.
  const near =
    STATEMENTS.has(word) || word.length < 3
      ? undefined
      : closest(
          word,
          [...STATEMENTS.keys()].filter((each) => each.length > 3 || word.length > 3 || each === "let"),
        );
  const meant = known ?? near;
  return meant !== undefined && STATEMENTS.get(meant)?.(signs) === true ? meant : undefined;
}

interface ForeignStatement {
  readonly help: string;
  /** What follows the word is read as a statement of its own. */
  readonly keep: boolean;
}

const NESTED = "declarations stand at the top of the file: move it out of this block, and use it here by its name";
const LOOP = "a loop over rounds is a stage of a chain: `x -> repeat 3 as i { … } -> y`; over a list, `stages name of [16, 32] as i, width { … }`";

const FOREIGN_STATEMENTS: ReadonlyMap<string, ForeignStatement> = new Map<string, ForeignStatement>([
  ["return", { help: "an `out` port is given its value: `y = …`, or a chain that ends in `-> y`", keep: true }],
  ["yield", { help: "an `out` port is given its value: `y = …`, or a chain that ends in `-> y`", keep: true }],
  ...["for", "while", "loop"].map((word) => [word, { help: LOOP, keep: false }] as const),
  ...["def", "class", "fn", "function", "block", "model"].map((word) => [word, { help: NESTED, keep: false }] as const),
  ...["print", "super", "pass"].map((word) => [word, { help: "a block describes data flow and has no other statements", keep: false }] as const),
]);

/** What is said of a statement that the language does not have. */
export function foreignStatement(word: string): ForeignStatement | undefined {
  return FOREIGN_STATEMENTS.get(word);
}
