/**
 * The syntax tree of a `.resnet` file: readonly plain data, discriminated by `kind`, every node with its span.
 * Invariant: the builder tolerates holes; a missing expression is a `Hole`, never undefined.
 */
import type { Span } from "./source.ts";

export interface Name {
  readonly kind: "Name";
  /** Empty where the parser found no name; the diagnostic was already given. */
  readonly text: string;
  readonly span: Span;
}

export interface Module {
  readonly kind: "Module";
  readonly edition: Edition | undefined;
  readonly imports: readonly Import[];
  readonly items: readonly Item[];
  /** `///` or leading comment block before the first item, joined by newlines. */
  readonly doc: string | undefined;
  readonly span: Span;
}

export interface Edition {
  readonly kind: "Edition";
  readonly year: number;
  readonly span: Span;
}

/** `import { A, B as C } from "path"`, or `import "path" as alias` (then names are `alias.A`). */
export interface Import {
  readonly kind: "Import";
  readonly names: readonly ImportName[];
  readonly alias: Name | undefined;
  readonly path: string;
  readonly pathSpan: Span;
  readonly span: Span;
}

export interface ImportName {
  readonly kind: "ImportName";
  readonly name: Name;
  readonly local: Name;
  readonly span: Span;
}

export type Item = Block | Variant | Train | Constant;

/** `block B(...) { ... }` and `model M(...) { ... }`; a model is a block that can be built. */
export interface Block {
  readonly kind: "Block";
  readonly model: boolean;
  readonly name: Name;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
  readonly doc: string | undefined;
  readonly span: Span;
}

export interface Parameter {
  readonly kind: "Parameter";
  readonly name: Name;
  readonly type: ParameterType;
  readonly default: Expression | undefined;
  readonly span: Span;
}

export type ParameterType =
  | {
      readonly kind: "ScalarType";
      /** `dims` and `ints`: one for all axes, or a list with one for each. */
      readonly name: "dim" | "dims" | "int" | "ints" | "real" | "prob" | "bool" | "init" | "block" | "string";
      readonly span: Span;
    }
  | { readonly kind: "ListType"; readonly element: ParameterType; readonly span: Span }
  | { readonly kind: "TupleType"; readonly elements: readonly ParameterType[]; readonly span: Span };

/** `const growth = 12`, at the top of a file. */
export interface Constant {
  readonly kind: "Constant";
  readonly name: Name;
  readonly value: Expression;
  readonly doc: string | undefined;
  readonly span: Span;
}

/** `variant NoSkips of ResNet50 { cut skip *.sum; set classes = 10; replace relu with gelu }` (`;` or newline between). */
export interface Variant {
  readonly kind: "Variant";
  readonly name: Name;
  readonly of: Name;
  readonly actions: readonly VariantAction[];
  readonly doc: string | undefined;
  readonly span: Span;
}

export type VariantAction =
  | { readonly kind: "CutSkip"; readonly patterns: readonly EdgePattern[]; readonly span: Span }
  | { readonly kind: "SetParameter"; readonly name: Name; readonly value: Expression; readonly span: Span }
  | { readonly kind: "ReplaceBlock"; readonly from: Name; readonly to: Expression; readonly span: Span };

/** `*.sum`, `layer1.*.sum`, `root`: dot-separated, `*` matches one component, `**` any number. */
export interface EdgePattern {
  readonly kind: "EdgePattern";
  readonly text: string;
  readonly span: Span;
}

/** `train Model as name { loss ...  optimizer ...  schedule a -> b  batch 128  normalize(mean: [...], std: [...])  sweep p in [...] }` */
export interface Train {
  readonly kind: "Train";
  readonly model: Name;
  readonly name: Name | undefined;
  readonly settings: readonly (TrainSetting | Sweep)[];
  readonly doc: string | undefined;
  readonly span: Span;
}

/** A keyword and its values; `schedule` may hold a chain of several. */
export interface TrainSetting {
  readonly kind: "TrainSetting";
  readonly keyword: Name;
  readonly values: readonly Expression[];
  readonly span: Span;
}

/** `sweep drop in [0, 0.1]`: the recipe is trained once for each value. */
export interface Sweep {
  readonly kind: "Sweep";
  readonly name: Name;
  /** Usually a list as written; any expression that gives one. */
  readonly values: Expression;
  readonly span: Span;
}

// ── Statements ───────────────────────────────────────────────────────────────────────────────────────────────

export type Statement =
  | InPort
  | OutPort
  | Where
  | ParamDeclaration
  | StateDeclaration
  | Update
  | Let
  | Assign
  | ChainStatement
  | Skip
  | IfStatement
  | Names;

/** `in x: f32[N, C, H, W] where H >= 32, W >= 32` */
export interface InPort {
  readonly kind: "InPort";
  readonly name: Name;
  readonly type: ShapeType | undefined;
  readonly where: readonly Expression[];
  readonly doc: string | undefined;
  readonly span: Span;
}

/** `out y: [N, C, ceil(H/2)]`; without a type the shape is inferred. */
export interface OutPort {
  readonly kind: "OutPort";
  readonly name: Name;
  readonly type: ShapeType | undefined;
  readonly doc: string | undefined;
  readonly span: Span;
}

export interface Where {
  readonly kind: "Where";
  readonly conditions: readonly Expression[];
  readonly span: Span;
}

/** `param weight: [out, C/groups, kernel, kernel] = kaiming_normal` */
export interface ParamDeclaration {
  readonly kind: "ParamDeclaration";
  readonly name: Name;
  readonly type: ShapeType;
  readonly initializer: Expression | undefined;
  readonly doc: string | undefined;
  readonly span: Span;
}

/** `state running_mean: [C] = zeros`: kept between steps, not trained. */
export interface StateDeclaration {
  readonly kind: "StateDeclaration";
  readonly name: Name;
  readonly type: ShapeType;
  readonly initializer: Expression | undefined;
  readonly doc: string | undefined;
  readonly span: Span;
}

/** `update running_mean = (1 - momentum) * running_mean + momentum * mean`: takes effect after a training step. */
export interface Update {
  readonly kind: "Update";
  readonly name: Name;
  readonly value: Expression;
  readonly span: Span;
}

/** `let hidden = 4 * C`, also for tensors and blocks; `let (a, b) = f(x)` takes several results. */
export interface Let {
  readonly kind: "Let";
  readonly names: readonly Name[];
  readonly value: Expression;
  readonly doc: string | undefined;
  readonly span: Span;
}

/** `y = relu(a + b)`: binds an `out` port or a new tensor name. */
export interface Assign {
  readonly kind: "Assign";
  readonly names: readonly Name[];
  readonly value: Expression;
  readonly span: Span;
}

/** `a -> f -> g -> y`. In a nested body the chain may begin with a stage: it then starts from `it`. */
export interface ChainStatement {
  readonly kind: "ChainStatement";
  readonly chain: Chain;
  readonly span: Span;
}

/** `skip downsample: x -> sum via project?` */
export interface Skip {
  readonly kind: "Skip";
  readonly label: Label | undefined;
  readonly from: Expression;
  readonly join: Name;
  readonly via: Via | undefined;
  readonly span: Span;
}

export type Via =
  | { readonly kind: "ViaIdentity"; readonly span: Span }
  /** `project` or `project?`, with optional arguments `project(norm: false)`. */
  | {
      readonly kind: "ViaProject";
      readonly optional: boolean;
      readonly arguments: readonly Argument[];
      readonly span: Span;
    }
  | { readonly kind: "ViaPad"; readonly arguments: readonly Argument[]; readonly span: Span }
  | { readonly kind: "ViaChain"; readonly chain: Chain; readonly span: Span };

/** Static: the condition is over parameters and dims. */
export interface IfStatement {
  readonly kind: "IfStatement";
  readonly condition: Expression;
  readonly then: readonly Statement[];
  readonly else: readonly Statement[];
  readonly span: Span;
}

/**
 * `names torchvision` chooses how unlabelled things are called; `names order(self_attn, linear1, norm1)` puts the tensors
 * of these labels into checkpoints in this order, before the others.
 */
export interface Names {
  readonly kind: "Names";
  readonly scheme: Name;
  readonly order: readonly Name[];
  readonly span: Span;
}

// ── Chains ───────────────────────────────────────────────────────────────────────────────────────────────────

export interface Chain {
  readonly kind: "Chain";
  readonly stages: readonly Stage[];
  readonly span: Span;
}

export type Stage = CallStage | JoinStage | RepeatStage | StagesStage | IfStage | BodyStage;

/** A label: an identifier, or a string with `{...}` holes over loop indices (`"denselayer{j+1}"`). */
export interface Label {
  readonly kind: "Label";
  readonly text: string;
  /** Text and holes in turn; a plain identifier is one text part. */
  readonly parts: readonly LabelPart[];
  readonly span: Span;
}

export type LabelPart = { readonly kind: "LabelText"; readonly text: string } | { readonly kind: "LabelHole"; readonly value: Expression };

/** A value (`x`), a target (`y`), a block or operator by name (`relu`), or a call (`conv(64, 3)`); perhaps labelled. */
export interface CallStage {
  readonly kind: "CallStage";
  readonly label: Label | undefined;
  readonly value: Expression;
  readonly span: Span;
}

/** `join sum: add(drop: p)`; `merge` is the name, e.g. add, concat, mul, max, gate. */
export interface JoinStage {
  readonly kind: "JoinStage";
  readonly label: Name | undefined;
  readonly merge: Name;
  readonly arguments: readonly Argument[];
  readonly span: Span;
}

/** `blocks: repeat n as j { ... }` */
export interface RepeatStage {
  readonly kind: "RepeatStage";
  readonly label: Label | undefined;
  readonly count: Expression;
  readonly index: Name | undefined;
  readonly body: readonly Statement[];
  readonly span: Span;
}

/** `stages layer of [(64, 3), (128, 4)] as i, (width, depth) { ... }` */
export interface StagesStage {
  readonly kind: "StagesStage";
  readonly label: Label | undefined;
  readonly list: Expression;
  readonly index: Name | undefined;
  readonly pattern: Pattern | undefined;
  readonly body: readonly Statement[];
  readonly span: Span;
}

export type Pattern =
  | { readonly kind: "NamePattern"; readonly name: Name; readonly span: Span }
  | { readonly kind: "TuplePattern"; readonly elements: readonly Pattern[]; readonly span: Span };

export interface IfStage {
  readonly kind: "IfStage";
  readonly condition: Expression;
  readonly then: readonly Statement[];
  readonly else: readonly Statement[];
  readonly span: Span;
}

/** `stem: { ... }`: a group with a scope and, if labelled, a path component of its own. */
export interface BodyStage {
  readonly kind: "BodyStage";
  readonly label: Label | undefined;
  readonly body: readonly Statement[];
  readonly span: Span;
}

// ── Expressions ──────────────────────────────────────────────────────────────────────────────────────────────

export type Expression =
  | NumberLiteral
  | StringLiteral
  | BooleanLiteral
  | Reference
  | Member
  | Call
  | Index
  | Unary
  | Binary
  | Conditional
  | ListExpression
  | TupleExpression
  | ShapeType
  | Spread
  | Hole;

export interface NumberLiteral {
  readonly kind: "NumberLiteral";
  readonly value: number;
  /** True when written without `.` and exponent. */
  readonly integer: boolean;
  readonly span: Span;
}

export interface StringLiteral {
  readonly kind: "StringLiteral";
  readonly value: string;
  readonly span: Span;
}

export interface BooleanLiteral {
  readonly kind: "BooleanLiteral";
  readonly value: boolean;
  readonly span: Span;
}

export interface Reference {
  readonly kind: "Reference";
  readonly name: Name;
  readonly span: Span;
}

/** `alias.Block` of an aliased import. */
export interface Member {
  readonly kind: "Member";
  readonly object: Expression;
  readonly name: Name;
  readonly span: Span;
}

export interface Call {
  readonly kind: "Call";
  readonly callee: Expression;
  readonly arguments: readonly Argument[];
  readonly span: Span;
}

export interface Argument {
  readonly kind: "Argument";
  readonly name: Name | undefined;
  readonly value: Expression;
  readonly span: Span;
}

/** `list[i]` */
export interface Index {
  readonly kind: "Index";
  readonly object: Expression;
  readonly index: Expression;
  readonly span: Span;
}

export interface Unary {
  readonly kind: "Unary";
  readonly operator: "-" | "!";
  readonly operand: Expression;
  readonly span: Span;
}

export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||";

/** `/` on dims is exact division: the checker must prove the remainder zero; `floor(a/b)`, `ceil(a/b)` round. */
export interface Binary {
  readonly kind: "Binary";
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
  readonly span: Span;
}

export interface Conditional {
  readonly kind: "Conditional";
  readonly condition: Expression;
  readonly then: Expression;
  readonly else: Expression;
  readonly span: Span;
}

export interface ListExpression {
  readonly kind: "ListExpression";
  readonly elements: readonly Expression[];
  readonly span: Span;
}

export interface TupleExpression {
  readonly kind: "TupleExpression";
  readonly elements: readonly Expression[];
  readonly span: Span;
}

export type DtypeName = "f32" | "f16" | "i32" | "i64" | "bool";

/** `f32[N, 3, H, W]`; in port, param and state types `[N, C]` alone means f32. In expressions only with a dtype. */
export interface ShapeType {
  readonly kind: "ShapeType";
  readonly dtype: DtypeName;
  /** Where the dtype was written; undefined when left out. */
  readonly dtypeSpan: Span | undefined;
  readonly dims: readonly ShapeDim[];
  readonly span: Span;
}

export type ShapeDim =
  | { readonly kind: "DimExpression"; readonly value: Expression; readonly span: Span }
  /** `..S` (a rank pack) or `..ceil(S/stride)` (mapped over the pack). */
  | { readonly kind: "PackExpression"; readonly value: Expression; readonly span: Span };

/** `..S` as an element of a list; in a shape it is a `PackExpression` instead. */
export interface Spread {
  readonly kind: "Spread";
  readonly value: Expression;
  readonly span: Span;
}

/** A place where the parser found nothing usable; diagnostics were already given. */
export interface Hole {
  readonly kind: "Hole";
  readonly span: Span;
}

export interface Comment {
  readonly kind: "Comment";
  readonly text: string;
  readonly doc: boolean;
  readonly span: Span;
}
