/** Functions over sizes and numbers that are evaluated while compiling. */
import type { Span } from "../../grammar/source.ts";
import { constantOf, type Dim, max, min, product, sum } from "../ir/dim.ts";
import { asReal } from "./arguments.ts";
import { emitOp, type Frame } from "./context.ts";
import { dimValue, type GivenArgument, POISON, type Value } from "./values.ts";

const REAL_FUNCTIONS: Readonly<Record<string, (x: number) => number>> = {
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  abs: Math.abs,
  tanh: Math.tanh,
};

const NAMES: readonly string[] = [
  "min",
  "max",
  "product",
  "sum",
  "rank",
  "length",
  "range",
  "fill",
  "real",
  "floor",
  "ceil",
  "round",
  ...Object.keys(REAL_FUNCTIONS),
];

export function isStatic(name: string): boolean {
  return NAMES.includes(name);
}

/** The result, or undefined when the arguments are tensors (then the name means the operator). */
export function applyStatic(frame: Frame, name: string, given: readonly GivenArgument[], span: Span): Value | undefined {
  const values = given.map((argument) => argument.value);
  if (values.some((value) => value.kind === "tensor")) return undefined;
  const [first, second] = values;
  if (first === undefined) return undefined;
  switch (name) {
    case "min":
    case "max":
      return extreme(name, values);
    case "product":
    case "sum":
      return total(name, first);
    case "rank":
    case "length":
      if (first.kind === "pack") return dimValue(first.dims.length);
      return first.kind === "list" || first.kind === "tuple" ? dimValue(first.elements.length) : undefined;
    case "range": {
      const count = first.kind === "dim" ? constantOf(first.dim) : undefined;
      return count === undefined ? undefined : { kind: "list", elements: Array.from({ length: Math.max(0, count) }, (_, i) => dimValue(i)) };
    }
    case "fill":
      return first.kind === "pack" && second?.kind === "dim" ? { kind: "pack", dims: first.dims.map(() => second.dim) } : undefined;
    case "real":
      if (first.kind !== "dim") return asReal(first);
      if (constantOf(first.dim) !== undefined) return asReal(first);
      return emitOp(frame, "size", [], { value: first.dim, dtype: "f32" }, span, "real")?.[0] ?? POISON;
    case "floor":
    case "ceil":
    case "round":
      if (first.kind === "dim") return first;
      if (first.kind !== "real" || Number.isNaN(first.value)) return undefined;
      return dimValue(Math[name](first.value));
    default: {
      const real = asReal(first);
      const apply = REAL_FUNCTIONS[name];
      return real?.kind === "real" && apply !== undefined ? { kind: "real", value: apply(real.value) } : undefined;
    }
  }
}

function extreme(name: "min" | "max", values: readonly Value[]): Value | undefined {
  const dims = values.flatMap((value) => (value.kind === "dim" ? [value.dim] : value.kind === "pack" ? value.dims : []));
  const counted = values.every((value) => value.kind === "dim" || value.kind === "pack");
  if (counted && dims.length > 0) return dimValue(dims.reduce((a: Dim, b: Dim) => (name === "min" ? min(a, b) : max(a, b))));
  const reals = values.map(asReal);
  if (!reals.every((value) => value?.kind === "real")) return undefined;
  return { kind: "real", value: Math[name](...reals.map((value) => (value?.kind === "real" ? value.value : 0))) };
}

function total(name: "product" | "sum", value: Value): Value | undefined {
  if (value.kind === "pack") return dimValue(name === "product" ? product(value.dims) : sum(value.dims));
  if (value.kind !== "list" && value.kind !== "tuple") return undefined;
  const dims = value.elements.flatMap((element) => (element.kind === "dim" ? [element.dim] : []));
  if (dims.length !== value.elements.length) return undefined;
  return dimValue(name === "product" ? product(dims) : sum(dims));
}
