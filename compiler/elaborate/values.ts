/**
 * What an expression can denote while blocks are elaborated.
 * Invariant: `poison` stands for a value whose error was already reported; whatever it touches stays silent.
 */
import type { Block, Call, Expression, InPort } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import type { Initializer } from "../ir/attributes.ts";
import { type Dim, dimKey, formatDim } from "../ir/dim.ts";
import type { ValueId } from "../ir/program.ts";
import type { Relation } from "../ir/relation.ts";
import type { TensorType } from "../ir/type.ts";
import type { Declaration, ModuleScope } from "../resolve/modules.ts";

export type BlockDeclaration = Extract<Declaration, { kind: "block" }>;

/** Where one size of a tensor came from. */
export interface Origin {
  readonly span: Span;
  readonly dim: Dim;
  /** The size it was computed from. */
  readonly previous?: Origin;
  /** What computed it, worded when it is shown: `` `maxpool(2)` ``; absent for a declared size. */
  readonly by?: () => string;
  /** Shape of a larger rank that it was computed from. */
  readonly joined?: readonly Dim[];
  /** The `param` or `state` whose size it is. */
  readonly of?: string;
  /** Declared at an `in` port of the model or block under check. */
  readonly port?: InPort;
}

export interface TensorValue {
  readonly kind: "tensor";
  readonly id: ValueId;
  readonly type: TensorType;
  /** One per axis. */
  readonly origins: readonly (Origin | undefined)[];
}

export interface BlockValue {
  readonly kind: "block";
  readonly declaration: BlockDeclaration;
  /** Arguments given so far: `conv(64, 3)` without inputs is a block still to be applied. */
  readonly given: readonly GivenArgument[];
}

export interface GivenArgument {
  readonly name: string | undefined;
  readonly value: Value;
  readonly span: Span;
  readonly nameSpan: Span | undefined;
  /** Given with a block that was then passed as an argument itself. */
  readonly earlier?: boolean;
}

export interface InitValue {
  readonly kind: "init";
  readonly name: string;
  readonly given: readonly GivenArgument[];
}

export type Value =
  | TensorValue
  | BlockValue
  | InitValue
  | { readonly kind: "dim"; readonly dim: Dim }
  /** NaN: a real parameter whose value is not known while a block is checked generically. */
  | { readonly kind: "real"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean | Relation }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "list" | "tuple"; readonly elements: readonly Value[] }
  /** The dims of a rank pack `..S`. */
  | { readonly kind: "pack"; readonly dims: readonly Dim[] }
  | { readonly kind: "primitive"; readonly name: string; readonly given: readonly GivenArgument[] }
  | { readonly kind: "namespace"; readonly file: ModuleScope }
  /** A type in an expression: `i64[N]` in a recipe's loss. */
  | { readonly kind: "type"; readonly type: TensorType }
  | { readonly kind: "poison" };

export const POISON: Value = { kind: "poison" };

export function dimValue(dim: Dim): Value {
  return { kind: "dim", dim };
}

/** The elements of a list or tuple, the dims of a pack; undefined for what has none. */
export function elementsOf(value: Value): readonly Value[] | undefined {
  if (value.kind === "pack") return value.dims.map(dimValue);
  return value.kind === "list" || value.kind === "tuple" ? value.elements : undefined;
}

/** For messages: "a block", "the size 4*w", ... */
export function describe(value: Value): string {
  switch (value.kind) {
    case "tensor":
      return `a tensor ${formatShape(value.type)}`;
    case "block":
      return `the block \`${value.declaration.block.name.text}\``;
    case "init":
      return `the initialiser \`${value.name}\``;
    case "dim":
      return `the ${typeof value.dim === "number" ? "integer" : "size"} ${formatDim(value.dim)}`;
    case "real":
      return Number.isNaN(value.value) ? "a real number" : `the real number ${value.value}`;
    case "bool":
      return typeof value.value === "boolean" ? `the truth value ${value.value}` : "a condition";
    case "string":
      return `the string "${value.value}"`;
    case "list":
      return `the list ${listText(value.elements) ?? "of other values"}`;
    case "tuple":
      return "a tuple";
    case "pack":
      return `the sizes [${value.dims.map(formatDim).join(", ")}]`;
    case "primitive":
      return `the operator \`${value.name}\``;
    case "namespace":
      return "an imported module";
    case "type":
      return "a tensor type";
    case "poison":
      return "an unknown value";
    default:
      return value satisfies never;
  }
}

/** A short list of numbers, names and lists as it could be written; undefined for others. */
export function listText(elements: readonly Value[]): string | undefined {
  const texts = elements.map((element) => {
    if (element.kind === "dim") return formatDim(element.dim);
    if (element.kind === "real" && !Number.isNaN(element.value)) return String(element.value);
    if (element.kind === "list") return listText(element.elements);
    return element.kind === "block" ? element.declaration.block.name.text : undefined;
  });
  return elements.length <= 8 && texts.every((text) => text !== undefined) ? `[${texts.join(", ")}]` : undefined;
}

export function formatShape(type: TensorType): string {
  const dims = type.shape.map(formatDim).join(", ");
  return type.dtype === "f32" ? `[${dims}]` : `${type.dtype}[${dims}]`;
}

/** Equal keys mean equal values; used to share instances. Tensors are keyed by type only. */
export function valueKey(value: Value): string {
  switch (value.kind) {
    case "tensor":
      return `t${value.type.dtype}[${value.type.shape.map(dimKey).join()}]`;
    case "block":
      return `b${value.declaration.file.path}#${value.declaration.block.name.text}(${value.given.map(givenKey).join()})`;
    case "init":
      return `i${value.name}(${value.given.map(givenKey).join()})`;
    case "primitive":
      return `p${value.name}(${value.given.map(givenKey).join()})`;
    case "dim":
      return `d${dimKey(value.dim)}`;
    case "real":
      return `r${value.value}`;
    case "bool":
      return typeof value.value === "boolean" ? `o${value.value}` : `o${relationKey(value.value)}`;
    case "string":
      return JSON.stringify(value.value);
    case "list":
    case "tuple":
      return `${value.kind}[${value.elements.map(valueKey).join()}]`;
    case "pack":
      return `k[${value.dims.map(dimKey).join()}]`;
    case "namespace":
      return `n${value.file.path}`;
    case "type":
      return `y${value.type.dtype}[${value.type.shape.map(dimKey).join()}]`;
    case "poison":
      return "?";
    default:
      return value satisfies never;
  }
}

function givenKey(given: GivenArgument): string {
  return `${given.name ?? ""}:${valueKey(given.value)}`;
}

export function relationKey(relation: Relation): string {
  switch (relation.op) {
    case "divides":
      return `${dimKey(relation.divisor)}|${dimKey(relation.dividend)}`;
    case "and":
    case "or":
      return `(${relation.parts.map(relationKey).join(relation.op)})`;
    case "not":
      return `!${relationKey(relation.part)}`;
    default:
      return `${dimKey(relation.left)}${relation.op}${dimKey(relation.right)}`;
  }
}

/** An initialiser still to be given its tensor's shape. */
export interface PendingInitializer {
  readonly value: Value;
  resolve(shape: readonly number[]): Initializer;
}

export type { Block, Call, Expression };
