/**
 * Walking the syntax tree.
 * Invariant: the table names every field that holds nodes; an AST kind or field left out does not compile.
 */
import type * as ast from "./ast.ts";
import type { Span } from "./source.ts";

/** Every kind of node with a place of its own. */
export type Node =
  | ast.Module
  | ast.Name
  | ast.Edition
  | ast.Import
  | ast.ImportName
  | ast.Item
  | ast.Parameter
  | ast.ParameterType
  | ast.VariantAction
  | ast.EdgePattern
  | ast.TrainSetting
  | ast.Sweep
  | ast.Statement
  | ast.Via
  | ast.Chain
  | ast.Stage
  | ast.Label
  | ast.Pattern
  | ast.Expression
  | ast.Argument
  | ast.ShapeDim;

type Placed = { readonly kind: string; readonly span: Span };
type Element<T> = T extends readonly (infer E)[] ? E : T;
type Fields<N> = { [F in keyof N]-?: Extract<Element<N[F]>, Placed> extends never ? never : F }[keyof N];
type Held<N> = N extends Node ? Extract<Element<N[keyof N]>, Placed> : never;
type OfKind<K extends Node["kind"]> = Extract<Node, { kind: K }>;
type Table = { readonly [K in Node["kind"]]: { readonly [F in Fields<OfKind<K>>]: true } };

/** Fails to compile when some node holds a kind that the union above lacks. */
type Complete = Exclude<Held<Node>, Node> extends never ? true : never;
const complete: Complete = true;

/** The fields that hold nodes, in source order. */
const FIELDS: Table = {
  Module: { edition: complete, imports: true, items: true },
  Name: {},
  Edition: {},
  Import: { names: true, alias: true },
  ImportName: { name: true, local: true },
  Block: { name: true, parameters: true, body: true },
  Parameter: { name: true, type: true, default: true },
  ScalarType: {},
  ListType: { element: true },
  TupleType: { elements: true },
  Constant: { name: true, value: true },
  Variant: { name: true, of: true, actions: true },
  CutSkip: { patterns: true },
  SetParameter: { name: true, value: true },
  ReplaceBlock: { from: true, to: true },
  EdgePattern: {},
  Train: { model: true, name: true, settings: true },
  TrainSetting: { keyword: true, values: true },
  Sweep: { name: true, values: true },
  InPort: { name: true, type: true, where: true },
  OutPort: { name: true, type: true },
  Where: { conditions: true },
  ParamDeclaration: { name: true, type: true, initializer: true },
  StateDeclaration: { name: true, type: true, initializer: true },
  Update: { name: true, value: true },
  Let: { names: true, value: true },
  Assign: { names: true, value: true },
  ChainStatement: { chain: true },
  Skip: { label: true, from: true, join: true, via: true },
  ViaIdentity: {},
  ViaProject: { arguments: true },
  ViaPad: { arguments: true },
  ViaChain: { chain: true },
  IfStatement: { condition: true, then: true, else: true },
  Names: { scheme: true, order: true },
  Chain: { stages: true },
  Label: {},
  CallStage: { label: true, value: true },
  JoinStage: { label: true, merge: true, arguments: true },
  RepeatStage: { label: true, count: true, index: true, body: true },
  StagesStage: { label: true, list: true, index: true, pattern: true, body: true },
  NamePattern: { name: true },
  TuplePattern: { elements: true },
  IfStage: { condition: true, then: true, else: true },
  BodyStage: { label: true, body: true },
  NumberLiteral: {},
  StringLiteral: {},
  BooleanLiteral: {},
  Reference: { name: true },
  Member: { object: true, name: true },
  Call: { callee: true, arguments: true },
  Argument: { name: true, value: true },
  Index: { object: true, index: true },
  Unary: { operand: true },
  Binary: { left: true, right: true },
  Conditional: { condition: true, then: true, else: true },
  ListExpression: { elements: true },
  TupleExpression: { elements: true },
  ShapeType: { dims: true },
  DimExpression: { value: true },
  PackExpression: { value: true },
  Spread: { value: true },
  Hole: {},
};

/** Of every kind: the names of those fields. */
const FIELD_NAMES = new Map<string, readonly string[]>(Object.entries(FIELDS).map(([kind, fields]) => [kind, Object.keys(fields)]));

/** Every node kind, for tests of completeness. */
export const nodeKinds: readonly Node["kind"][] = Object.keys(FIELDS) as Node["kind"][];

/** The nodes directly inside a node, in source order; a label's are the expressions in its holes. */
export function children(node: Node): readonly Node[] {
  if (node.kind === "Label") return node.parts.flatMap((part) => (part.kind === "LabelHole" ? [part.value] : []));
  const found: Node[] = [];
  // The table's type guarantees that these fields exist and hold nodes, lists of nodes or nothing.
  const fields = node as unknown as Readonly<Record<string, Node | readonly Node[] | undefined>>;
  for (const field of FIELD_NAMES.get(node.kind) ?? []) {
    const value = fields[field];
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const each of value) found.push(each);
    // `import { A }` has one name for both ends.
    else if (found.at(-1) !== value) found.push(value as Node);
  }
  return found;
}

/** Visits every node in source order, parents first; `visit` returns false to leave a node's inside out. */
export function walk(root: Node, visit: (node: Node, parents: readonly Node[]) => boolean | undefined | void): void {
  const parents: Node[] = [];
  const enter = (node: Node): void => {
    if (visit(node, parents) === false) return;
    parents.push(node);
    for (const child of children(node)) enter(child);
    parents.pop();
  };
  enter(root);
}

/** The innermost node whose text contains the offset or ends at it, with its parents from the root. */
export function nodeAt(module: ast.Module, offset: number): { readonly node: Node; readonly parents: readonly Node[] } {
  const path: Node[] = [module];
  for (;;) {
    const node = path[path.length - 1] ?? module;
    const touching = children(node).filter(({ span }) => span.start <= offset && offset <= span.end);
    const inside = touching.find(({ span }) => offset < span.end) ?? touching.at(-1);
    if (inside === undefined) return { node, parents: path.slice(0, -1) };
    path.push(inside);
  }
}
