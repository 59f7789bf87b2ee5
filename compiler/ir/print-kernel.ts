/**
 * Kernels as text for people, `--dump=kernels`: loops, accumulators, lets and stores in a compact notation.
 * Invariant: equal kernels print equally; `%k` is operand k, `tk` let k, `sk` accumulator k.
 */
import type { Affine, Contraction, Coordinate, Expression, Kernel, Operand, Size } from "./kernel.ts";

/** `64`, `N` or `3N`. */
export function printSize(size: Size): string {
  if (typeof size === "number") return `${size}`;
  return size.batch === 1 ? "N" : `${size.batch}N`;
}

/** An affine index over named axes. */
export function printAffine({ constant, terms }: Affine, axes: readonly string[]): string {
  const parts = terms.map(({ axis, coefficient }) => {
    const name = axes[axis] ?? `?${axis}`;
    return coefficient === 1 ? name : coefficient === -1 ? `-${name}` : `${coefficient}${name}`;
  });
  if (constant !== 0 || parts.length === 0) parts.push(`${constant}`);
  return parts.join("+").replaceAll("+-", "-");
}

function printCoordinate({ index, bound, dynamic }: Coordinate, axes: readonly string[]): string {
  const text = dynamic === undefined ? printAffine(index, axes) : `{${printExpression(dynamic, axes)}}`;
  if (bound === undefined) return text;
  const divided = bound.divisor === 1 ? text : `(${text})/${bound.divisor}`;
  return `${divided}?<${printSize(bound.extent)}`;
}

const infix: Readonly<Record<string, string>> = {
  add: "+",
  subtract: "-",
  multiply: "*",
  divide: "/",
  equal: "==",
  not_equal: "!=",
  less: "<",
  less_equal: "<=",
  greater: ">",
  greater_equal: ">=",
  and: "&",
  or: "|",
};

/** An expression over named axes. */
export function printExpression(e: Expression, axes: readonly string[]): string {
  const inner = (part: Expression): string => printExpression(part, axes);
  switch (e.kind) {
    case "load": {
      const bounded = e.at.some((each) => each.bound !== undefined);
      return `%${e.operand}[${e.at.map((each) => printCoordinate(each, axes)).join(", ")}${bounded ? ` else ${e.fill}` : ""}]`;
    }
    case "constant":
      return e.type === "i32" ? `${e.value}i` : `${e.value}`;
    case "size":
      return printSize(e.value);
    case "index":
      return printAffine(e.value, axes);
    case "unary":
      return `${e.op}(${inner(e.x)})`;
    case "binary": {
      const sign = infix[e.op];
      return sign === undefined ? `${e.op}(${inner(e.left)}, ${inner(e.right)})` : `(${inner(e.left)} ${sign} ${inner(e.right)})`;
    }
    case "select":
      return `(${inner(e.condition)} ? ${inner(e.then)} : ${inner(e.else)})`;
    case "cast":
      return `${e.to}(${inner(e.x)})`;
    case "random":
      return `random(${inner(e.seed)}, ${e.stream}, ${inner(e.index)})`;
    case "accumulator":
      return `s${e.index}`;
    case "let":
      return `t${e.index}`;
    default:
      return e satisfies never;
  }
}

/** One operand: buffer, offset and strides in elements. `nameOf` names buffers. */
export function printOperand({ buffer, type, offset, strides }: Operand, nameOf: (buffer: number) => string): string {
  const start = offset === 0 ? "" : ` +${printSize(offset)}`;
  return `${type} ${nameOf(buffer)}${start} (${strides.map(printSize).join(", ")})`;
}

/** A kernel on several lines. */
export function printKernel(kernel: Kernel, nameOf: (buffer: number) => string = (buffer) => `b${buffer}`): string {
  const names = kernel.axes.map((axis) => axis.name);
  const all = kernel.form === "reduction" ? [...names, ...kernel.reduced.map((axis) => axis.name)] : names;
  const lines = [`${kernel.form} ${kernel.name} [${kernel.axes.map(({ name, extent }) => `${name}<${printSize(extent)}`).join(", ")}]`];
  if (kernel.serves.length > 0) lines.push(`  for ${kernel.serves.join(", ")}`);
  for (const [k, operand] of kernel.operands.entries()) lines.push(`  %${k} = ${printOperand(operand, nameOf)}`);
  if (kernel.form === "contraction") lines.push(...printContraction(kernel.contraction));
  if (kernel.form === "reduction") {
    lines.push(`  over [${kernel.reduced.map(({ name, extent }) => `${name}<${printSize(extent)}`).join(", ")}]`);
    for (const [k, { combine, value, position }] of kernel.accumulators.entries()) {
      lines.push(`  s${k} = ${position === true ? "position of " : ""}${combine} ${printExpression(value, all)}`);
    }
  }
  for (const [k, value] of kernel.lets.entries()) lines.push(`  t${k} = ${printExpression(value, names)}`);
  for (const { operand, at, value, accumulate } of kernel.stores) {
    const place = at.map((each) => printCoordinate(each, names)).join(", ");
    lines.push(`  %${operand}[${place}] ${accumulate === true ? "+=" : "="} ${printExpression(value, names)}`);
  }
  return lines.join("\n");
}

function printContraction(c: Contraction): readonly string[] {
  const window = c.window.map(
    (axis) => `${axis.input}->${axis.output} by ${axis.taps} taps stride ${axis.stride} dilation ${axis.dilation} padding ${axis.padding}`,
  );
  const sizes = `batch ${printSize(c.batch)} groups ${printSize(c.groups)} channels ${c.inputChannels}->${c.outputChannels}`;
  const lines = [`  s0 = ${c.result} of input %${c.input.operand}, kernel %${c.kernel.operand}, output %${c.output.operand}; ${sizes}`];
  for (const each of window) lines.push(`    window ${each}`);
  const own = ["b", "g", ...c.window.map((_, k) => `s${k}`), "c"];
  if (c.inputPrologue !== undefined) lines.push(`    input read as ${printExpression(c.inputPrologue, own)}`);
  if (c.outputPrologue !== undefined) lines.push(`    output read as ${printExpression(c.outputPrologue, own)}`);
  return lines;
}
