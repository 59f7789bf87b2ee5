/**
 * Random shape programs: the source text beside a judge that computes its shapes with PyTorch's formulas on whole numbers.
 * Invariant: the judge knows nothing of the compiler; equal seeds give equal programs.
 */
import { branching, calling, staging } from "./nested.ts";
import { ceilOf, type Draw, type Env, exactly, floorOf, least, minus, named, number, pick, plus, type Size, times } from "./sizes.ts";

export type Shape = readonly number[];

/** Shapes by label, `it` the value that flows. */
export type Flow = Map<string, Shape>;

/** The shape that flows. */
export function inputOf(flow: Flow): Shape {
  return flow.get("it") ?? [];
}

/** Runs one stage on concrete shapes; false where it cannot run. `uniform`: a projection's stride is the written one. */
type Step = (flow: Flow, env: Env, uniform: boolean) => boolean;

export interface Fact {
  readonly text: string;
  readonly holds: (env: Env) => boolean;
}

export interface Program {
  readonly name: string;
  /** Blocks that it uses. */
  readonly inner: readonly Program[];
  /** The declaration without its keyword. */
  readonly text: string;
  /** The file, with `block` or `model` as this declaration's keyword. */
  readonly source: (keyword: "block" | "model") => string;
  /** Values that the brute force gives to parameters and sizes. */
  readonly ranges: ReadonlyMap<string, readonly number[]>;
  readonly parameters: readonly string[];
  /** Whether the `where` clauses hold. */
  readonly allowed: (env: Env) => boolean;
  /** Shape of the output without batch axis, or undefined where the program cannot run. */
  readonly judge: (env: Env, uniform?: boolean) => Shape | undefined;
  /** Shape of the input without batch axis. */
  readonly input: (env: Env) => Shape;
  /** Kinds of stages in it. */
  readonly kinds: ReadonlySet<string>;
}

export interface Writer {
  readonly draw: Draw;
  readonly used: Set<string>;
  readonly parts: string[];
  readonly skips: string[];
  readonly steps: Step[];
  readonly kinds: Set<string>;
  /** Declarations of blocks that it uses. */
  readonly blocks: Program[];
  shape: readonly Size[];
  count: number;
}

const RANGES: Readonly<Record<string, readonly number[]>> = {
  C: [1, 2, 3, 4, 6],
  H: [1, 2, 3, 4, 5, 6, 7, 8, 12],
  W: [1, 2, 3, 4, 5, 8],
  w: [1, 2, 3, 4, 6],
  g: [1, 2, 3],
  s: [1, 2, 3],
  k: [1, 2, 3, 5],
  n: [1, 2, 3],
};

function use(writer: Writer, name: string): Size {
  writer.used.add(name);
  return named(name);
}

/** A constant, or a parameter if there is still room for one. */
function size(writer: Writer, constants: readonly number[], parameter: string): Size {
  const room = writer.used.has(parameter) || writer.used.size < 4;
  return room && writer.draw(3) === 0 ? use(writer, parameter) : number(pick(writer.draw, constants));
}

function at(shape: readonly Size[], axis: number): Size {
  return shape[axis] ?? number(1);
}

export function values(env: Env, sizes: readonly Size[]): number[] | undefined {
  const found = sizes.map((each) => each.value(env));
  return found.some((each) => each === undefined) ? undefined : (found as number[]);
}

export function stage(writer: Writer, text: string, kind: string, shape: readonly Size[], step: Step): void {
  writer.parts.push(text);
  writer.kinds.add(kind);
  writer.steps.push(step);
  writer.shape = shape;
}

/** A stage of one input and one output whose sizes are `change`d, or undefined where it cannot run. */
export function simple(
  writer: Writer,
  text: string,
  kind: string,
  shape: readonly Size[],
  change: (shape: Shape, env: Env) => Shape | undefined,
): void {
  stage(writer, text, kind, shape, (flow, env) => {
    const result = change(flow.get("it") ?? [], env);
    if (result === undefined || result.some((each) => each < 1)) return false;
    flow.set("it", result);
    return true;
  });
}

interface Window {
  readonly kernel: Size;
  readonly stride: Size;
  readonly padding: Size;
  readonly dilation: Size;
}

/** Concrete output size of one axis (Dumoulin and Visin 2016, relationship 15; PyTorch's rule for the last pooling window). */
function slide(input: number, [kernel, stride, padding, dilation]: readonly [number, number, number, number], ceil: boolean): number | undefined {
  const reach = dilation * (kernel - 1) + 1;
  const room = input + 2 * padding - reach;
  if (room < 0) return undefined;
  if (!ceil) return Math.floor(room / stride) + 1;
  const output = Math.ceil(room / stride) + 1;
  return (output - 1) * stride >= input + padding ? output - 1 : output;
}

function slideText(input: Size, { kernel, stride, padding, dilation }: Window, ceil: boolean): Size {
  const room = minus(minus(plus(input, times(number(2), padding)), times(dilation, minus(kernel, number(1)))), number(1));
  if (!ceil) return plus(floorOf(room, stride), number(1));
  return least(plus(ceilOf(room, stride), number(1)), ceilOf(plus(input, padding), stride));
}

function windowOf(env: Env, { kernel, stride, padding, dilation }: Window): readonly [number, number, number, number] | undefined {
  const found = values(env, [kernel, stride, padding, dilation]);
  return found === undefined ? undefined : [found[0] ?? 1, found[1] ?? 1, found[2] ?? 0, found[3] ?? 1];
}

function slideBoth(shape: Shape, window: readonly [number, number, number, number], ceil: boolean): readonly [number, number] | undefined {
  const [height, width] = [slide(shape[1] ?? 0, window, ceil), slide(shape[2] ?? 0, window, ceil)];
  return height === undefined || width === undefined ? undefined : [height, width];
}

export function convolution(writer: Writer, out: Size, plain = false): Window {
  const { draw, shape } = writer;
  const kernel = plain ? number(pick(draw, [1, 3])) : size(writer, [1, 2, 3, 3, 5], "k");
  const stride = plain ? number(1) : size(writer, [1, 1, 2, 3], "s");
  const same = draw(3) > 0;
  const dilation = plain || draw(4) > 0 ? number(1) : number(2);
  // The default of the layer is this, times the dilation.
  const written = number(pick(draw, [0, 1, 2]));
  const padding = plain || same ? times(floorOf(minus(kernel, number(1)), number(2)), dilation) : times(written, dilation);
  const groups = plain || draw(4) > 0 ? number(1) : size(writer, [2, 3], "g");
  const more = [
    plain || same ? "" : `, padding: ${written.text}`,
    dilation.text === "1" ? "" : `, dilation: ${dilation.text}`,
    groups.text === "1" ? "" : `, groups: ${groups.text}`,
  ].join("");
  const window: Window = { kernel, stride, padding, dilation };
  const next = [out, slideText(at(shape, 1), window, false), slideText(at(shape, 2), window, false)];
  simple(writer, `conv(${out.text}, ${kernel.text}, ${stride.text}${more})`, "conv", next, (now, env) => {
    const found = windowOf(env, window);
    const [channels, parts] = [out.value(env), groups.value(env)];
    if (found === undefined || channels === undefined || parts === undefined) return undefined;
    if ((now[0] ?? 0) % parts !== 0 || channels % parts !== 0) return undefined;
    const spatial = slideBoth(now, found, false);
    return spatial === undefined ? undefined : [channels, ...spatial];
  });
  return window;
}

export function pooling(writer: Writer): void {
  const { draw, shape } = writer;
  const name = pick(draw, ["maxpool", "avgpool"]);
  const kernel = size(writer, [2, 2, 3], "k");
  const stride = draw(2) === 0 ? kernel : size(writer, [1, 2, 3], "s");
  const padding = number(draw(3) === 0 ? 1 : 0);
  const ceil = draw(3) === 0;
  const window: Window = { kernel, stride, padding, dilation: number(1) };
  const text = `${name}(${kernel.text}, ${stride.text}, padding: ${padding.text}${ceil ? ", ceil: true" : ""})`;
  const next = [at(shape, 0), slideText(at(shape, 1), window, ceil), slideText(at(shape, 2), window, ceil)];
  simple(writer, text, ceil ? "pool ceil" : "pool floor", next, (now, env) => {
    const found = windowOf(env, window);
    if (found === undefined || found[0] < 2 * found[2]) return undefined;
    const spatial = slideBoth(now, found, ceil);
    return spatial === undefined ? undefined : [now[0] ?? 1, ...spatial];
  });
}

function slicing(writer: Writer): void {
  const { draw, shape } = writer;
  const axis = 1 + draw(3);
  const start = number(draw(3));
  const length = size(writer, [1, 2, 3], "w");
  const next = shape.map((each, i) => (i === axis - 1 ? length : each));
  simple(writer, `slice(axis: ${axis}, start: ${start.text}, size: ${length.text})`, "slice", next, (now, env) => {
    const [first, taken] = [start.value(env), length.value(env)];
    if (first === undefined || taken === undefined || first + taken > (now[axis - 1] ?? 0)) return undefined;
    return now.map((each, i) => (i === axis - 1 ? taken : each));
  });
}

export function padding(writer: Writer): void {
  const { draw, shape } = writer;
  const axis = 1 + draw(3);
  const [before, after] = [size(writer, [0, 1, 2], "s"), number(draw(3))];
  const next = shape.map((each, i) => (i === axis - 1 ? plus(each, plus(before, after)) : each));
  simple(writer, `pad(axis: ${axis}, before: ${before.text}, after: ${after.text})`, "pad", next, (now, env) =>
    now.map((each, i) => (i === axis - 1 ? each + (before.value(env) ?? 0) + (after.value(env) ?? 0) : each)),
  );
}

export function upsampling(writer: Writer): void {
  const factor = size(writer, [2, 3], "s");
  const { shape } = writer;
  const next = [at(shape, 0), times(at(shape, 1), factor), times(at(shape, 2), factor)];
  simple(writer, `upsample(${factor.text})`, "upsample", next, (now, env) =>
    now.map((each, i) => (i === 0 ? each : each * (factor.value(env) ?? 1))),
  );
}

/** (S - 1)*stride - 2*padding + kernel + output_padding (PyTorch's ConvTranspose2d). */
function transposing(writer: Writer): void {
  const { draw, shape } = writer;
  const kernel = size(writer, [2, 3, 4], "k");
  const stride = size(writer, [1, 2, 3], "s");
  const [around, more] = [number(draw(2)), number(draw(3) === 0 ? 1 : 0)];
  const out = size(writer, [2, 3], "w");
  const grown = (each: Size): Size => plus(minus(plus(times(minus(each, number(1)), stride), kernel), times(number(2), around)), more);
  const text = `conv_transposed(${out.text}, ${kernel.text}, ${stride.text}, padding: ${around.text}, output_padding: ${more.text})`;
  simple(writer, text, "conv_transposed", [out, grown(at(shape, 1)), grown(at(shape, 2))], ([, height = 0, width = 0], env) => {
    const [k, s, o] = [kernel.value(env) ?? 1, stride.value(env) ?? 1, out.value(env) ?? 1];
    const [p, q] = [around.value(env) ?? 0, more.value(env) ?? 0];
    return q >= s ? undefined : [o, (height - 1) * s - 2 * p + k + q, (width - 1) * s - 2 * p + k + q];
  });
}

/** Moves a factor between two axes, exactly or not. */
function reshaping(writer: Writer): void {
  const { draw, shape } = writer;
  const factor = size(writer, [2, 3, 4], "g");
  const [from, to] = pick(draw, [
    [0, 1],
    [1, 0],
    [2, 0],
    [1, 2],
  ] as const);
  const wrong = draw(8) === 0;
  const taken = wrong ? floorOf(at(shape, from), factor) : exactly(at(shape, from), factor);
  const next = shape.map((each, i) => (i === from ? taken : i === to ? times(each, factor) : each));
  simple(writer, `reshape([N, ${next.map((each) => each.text).join(", ")}])`, "reshape", next, (now, env) => {
    const by = factor.value(env) ?? 1;
    const wanted = values(env, next);
    if ((now[from] ?? 0) % by !== 0 || wanted === undefined) return undefined;
    // The written sizes may be those of a declaration that is slightly wrong.
    const product = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);
    return product(wanted) === product(now) ? wanted : undefined;
  });
}

/** `a: relu -> layers -> join j: add` with a skip from the label, adapted in one of the language's ways. */
export function residual(writer: Writer): void {
  const { draw } = writer;
  const label = `a${writer.count++}`;
  const before = writer.shape;
  const merge = pick(draw, ["add", "add", "add", "concat(channel)", "mul"]);
  const via = merge === "concat(channel)" ? "identity" : pick(draw, ["identity", "identity", "project", "project?", "project?", "pad"]);
  stage(writer, `${label}: relu`, "relu", writer.shape, (flow) => {
    flow.set(label, flow.get("it") ?? []);
    return true;
  });
  const out = via === "project" || via === "project?" ? size(writer, [2, 4], "w") : draw(3) === 0 ? size(writer, [2, 4], "w") : at(before, 0);
  const window = convolution(writer, out, via === "identity" && draw(3) > 0);
  const join = `j${writer.count++}`;
  writer.skips.push(`  skip ${label} -> ${join}${via === "identity" ? "" : ` via ${via}`}`);
  // A second skip, whose size must be the same as the first's for a sum.
  const twice = merge === "add" && via === "identity" && draw(3) === 0;
  if (twice) writer.skips.push(`  skip second${join}: ${label} -> ${join} via maxpool(1)`);
  const shape = merge === "concat(channel)" ? [plus(at(before, 0), at(writer.shape, 0)), at(writer.shape, 1), at(writer.shape, 2)] : writer.shape;
  stage(writer, `join ${join}: ${merge}`, `join ${merge} ${via}`, shape, (flow, env, uniform) => {
    const [main, skip] = [flow.get("it") ?? [], flow.get(label) ?? []];
    const spatial = skip.slice(1).every((each, i) => each === main[i + 1]);
    if (merge === "concat(channel)") {
      flow.set("it", [(main[0] ?? 0) + (skip[0] ?? 0), ...main.slice(1)]);
      return spatial;
    }
    if (via === "identity") return spatial && main[0] === skip[0];
    const fits = (stride: number): boolean => skip.slice(1).every((each, i) => Math.ceil(each / stride) === main[i + 1]);
    const strides = uniform ? [window.stride.value(env) ?? 1] : Array.from({ length: 32 }, (_, i) => i + 1);
    if (via === "pad" && (skip[0] ?? 0) > (main[0] ?? 0)) return false;
    return strides.some(fits);
  });
}

/** A repeat whose count may be a parameter. */
export function repeating(writer: Writer): void {
  const { draw } = writer;
  const n = size(writer, [2, 3], "n");
  const count = draw(3) === 0 ? minus(n, number(1 + draw(2))) : n;
  const inner: Writer = { ...writer, parts: [], skips: [], steps: [] };
  const before = writer.shape;
  const kind = draw(7);
  const growth = kind === 0 || kind === 6 ? size(writer, [1, 2, 3], "w") : number(0);
  if (kind === 0) {
    inner.parts.push(`conv(${growth.text}, 3) -> join r: concat(channel)`);
    inner.skips.push("    skip it -> r");
  } else if (kind === 1) {
    inner.parts.push(`conv(${at(before, 0).text}, 3) -> join r: add`);
    inner.skips.push("    skip it -> r");
  } else if (kind === 2) inner.parts.push(`conv(${at(before, 0).text}, 3, padding: 0)`);
  else if (kind === 3) inner.parts.push("pad(axis: 2, before: 1, after: 0)");
  else if (kind === 4) inner.parts.push("maxpool(2)");
  else if (kind === 5) inner.parts.push("maxpool(3, 1, padding: 1)");
  else inner.parts.push(`conv(${growth.text}, 1)`);
  const round = (now: Shape, grown: number, written: number): Shape | undefined => {
    const [channels = 0, height = 0, width = 0] = now;
    // The convolution writes the channels that the stage before was meant to give.
    if (kind === 1 && channels !== written) return undefined;
    const moved: readonly Shape[] = [
      [channels + grown, height, width],
      now,
      [written, height - 2, width - 2],
      [channels, height + 1, width],
      [channels, Math.floor(height / 2), Math.floor(width / 2)],
      now,
      [grown, height, width],
    ];
    return moved[kind]?.every((each) => each >= 1) ? moved[kind] : undefined;
  };
  // Right for two rounds only.
  const power = (base: Size): Size => floorOf(base, number(4));
  const [c, h, w] = [at(before, 0), at(before, 1), at(before, 2)];
  const after: readonly (readonly Size[])[] = [
    [plus(c, times(count, growth)), h, w],
    before,
    [c, minus(h, times(number(2), count)), minus(w, times(number(2), count))],
    [c, plus(h, count), w],
    [c, power(h), power(w)],
    before,
    // Wrong where the count is 0.
    [growth, h, w],
  ];
  const index = draw(2) === 0 ? " as i" : "";
  const text = `repeat ${count.text}${index} {\n    ${inner.parts.join(" -> ")}\n${inner.skips.join("\n")}\n  }`;
  simple(writer, text, `repeat ${kind}`, after[kind] ?? before, (now, env) => {
    let shape: Shape | undefined = now;
    const rounds = count.value(env) ?? 0;
    for (let i = 0; i < rounds && shape !== undefined; i++) shape = round(shape, growth.value(env) ?? 0, at(before, 0).value(env) ?? 0);
    return shape;
  });
}

function ending(writer: Writer): void {
  const { draw, shape } = writer;
  const [c, h, w] = [at(shape, 0), at(shape, 1), at(shape, 2)];
  if (draw(2) === 0) simple(writer, "global_avgpool", "global_avgpool", [c], (now) => now.slice(0, 1));
  else simple(writer, "flatten", "flatten", [times(times(c, h), w)], (now) => [now.reduce((a, b) => a * b, 1)]);
  if (draw(2) > 0) return;
  const out = size(writer, [2, 5], "w");
  simple(writer, `linear(${out.text})`, "linear", [out], (_, env) => [out.value(env) ?? 1]);
}

export function facts(writer: Writer): readonly Fact[] {
  const { used, draw } = writer;
  const all: readonly (readonly [readonly string[], string, (env: (name: string) => number) => boolean])[] = [
    [["H"], "H % 2 == 0", (v) => v("H") % 2 === 0],
    [["H"], "H % 4 == 0", (v) => v("H") % 4 === 0],
    [["H"], "H >= 6", (v) => v("H") >= 6],
    [["C"], "C % 2 == 0", (v) => v("C") % 2 === 0],
    [["s"], "s <= 2", (v) => v("s") <= 2],
    [["s"], "s == 1 || s == 2", (v) => v("s") === 1 || v("s") === 2],
    [["k"], "k % 2 == 1", (v) => v("k") % 2 === 1],
    [["k", "H"], "k <= H", (v) => v("k") <= v("H")],
    [["g", "C"], "C % g == 0", (v) => v("C") % v("g") === 0],
    [["g", "w"], "w % g == 0", (v) => v("w") % v("g") === 0],
    [["g", "H"], "H % g == 0", (v) => v("H") % v("g") === 0],
    [["w", "C"], "C == w", (v) => v("C") === v("w")],
    [["w", "C"], "C <= w", (v) => v("C") <= v("w")],
    [["H", "W"], "H == W", (v) => v("H") === v("W")],
    [["H", "W"], "W >= H", (v) => v("W") >= v("H")],
    [["n", "H"], "H > 2*n", (v) => v("H") > 2 * v("n")],
    [["n"], "n >= 2", (v) => v("n") >= 2],
  ];
  const fitting = all.filter(([names]) => names.every((name) => used.has(name)));
  return fitting
    .filter(() => draw(3) === 0)
    .slice(0, 2)
    .map(([, text, holds]) => ({ text, holds: (env) => holds((name) => env.get(name) ?? 1) }));
}

/** The size plus nothing, written as a remainder that is always 0 (Fermat: 2, 3 and 7 divide z^7 - z): true, and hard to prove. */
function disguised(right: Size, z: Size): Size {
  const seventh = Array.from({ length: 6 }, () => z).reduce(times, z);
  const zero: Size = { text: `(${seventh.text} - ${z.text}) % 42`, value: (env) => (z.value(env) === undefined ? undefined : 0) };
  return plus(right, zero);
}

/** A declared size: as it is computed, or slightly wrong. */
function declared(draw: Draw, right: Size, perturb: boolean): Size {
  if (!perturb) return right;
  return pick(draw, [plus(right, number(1)), times(right, number(2)), floorOf(right, number(2)), ceilOf(right, number(2)), named("H"), named("C")]);
}

function inputShape(writer: Writer): readonly Size[] {
  const { draw } = writer;
  const c = draw(4) === 0 ? number(4) : draw(5) === 0 ? times(number(2), use(writer, "w")) : use(writer, "C");
  const h = draw(6) === 0 ? number(8) : use(writer, "H");
  const w = h.text === "H" && draw(2) === 0 ? h : draw(3) === 0 ? number(6) : use(writer, "W");
  return [c, h, w];
}

const STAGES: readonly ((writer: Writer) => void)[] = [
  (writer) => void convolution(writer, size(writer, [2, 4, 6], "w")),
  (writer) => void convolution(writer, size(writer, [2, 4, 6], "w")),
  pooling,
  pooling,
  residual,
  residual,
  residual,
  slicing,
  padding,
  upsampling,
  reshaping,
  repeating,
  repeating,
  transposing,
  branching,
  branching,
  calling,
  calling,
  staging,
  (writer) => simple(writer, "batchnorm", "batchnorm", writer.shape, (now) => now),
];

/** Draws a program of one to four stages. */
export function drawProgram(draw: Draw): Program {
  const writer: Writer = { draw, used: new Set(), parts: [], skips: [], steps: [], kinds: new Set(), blocks: [], shape: [], count: 0 };
  const input = inputShape(writer);
  writer.shape = input;
  const stages = 1 + draw(3);
  for (let i = 0; i < stages; i++) pick(draw, STAGES)(writer);
  if (draw(5) === 0) ending(writer);
  const where = facts(writer);
  const perturbed = draw(3) === 0 ? draw(writer.shape.length) : -1;
  const stated = draw(6) > 0;
  const outputs = writer.shape
    .map((each, axis) => declared(draw, each, axis === perturbed))
    .map((each) => (/\b[HC]\b/.test(each.text) && each.text.length === 1 && !writer.used.has(each.text) ? number(7) : each));
  const [hidden] = [...writer.used].filter((name) => name === "C" || name === "H");
  if (stated && hidden !== undefined && draw(6) === 0) outputs[0] = disguised(at(outputs, 0), named(hidden));
  return assemble({ name: "Drawn", writer, input, outputs: stated ? outputs : undefined, where });
}

interface Draft {
  readonly name: string;
  readonly writer: Writer;
  readonly input: readonly Size[];
  /** What its `out` port declares, if anything. */
  readonly outputs: readonly Size[] | undefined;
  readonly where: readonly Fact[];
}

/** The stages that were drawn, as a declaration with its judge. */
export function assemble({ name, writer, input, outputs, where }: Draft): Program {
  const parameters = [...writer.used].filter((each) => !["C", "H", "W"].includes(each));
  const lines = [
    `  in  x: [N, ${input.map((each) => each.text).join(", ")}]`,
    outputs === undefined ? "  out y" : `  out y: [N, ${outputs.map((each) => each.text).join(", ")}]`,
    ...(where.length === 0 ? [] : [`  where ${where.map((each) => each.text).join(", ")}`]),
    `  x -> ${writer.parts.join(" -> ")} -> y`,
    ...writer.skips,
  ];
  const list = parameters.map((each) => `${each}: ${each === "n" ? "int" : "dim"}`).join(", ");
  const text = `${name}(${list}) {\n${lines.join("\n")}\n}\n`;
  return {
    name,
    inner: writer.blocks,
    source: (keyword) => `edition 2026\n${declarations(writer.blocks)}${keyword} ${text}`,
    text,
    ranges: new Map([...writer.used].map((each) => [each, RANGES[each] ?? [1, 2]])),
    parameters,
    allowed: (env) => where.every((each) => each.holds(env)),
    input: (env) => values(env, input) ?? [],
    judge: (env, uniform = false) => {
      const flow: Flow = new Map([["it", values(env, input) ?? []]]);
      if (!writer.steps.every((step) => step(flow, env, uniform))) return undefined;
      const result = inputOf(flow);
      const wanted = outputs === undefined ? result : values(env, outputs);
      return wanted?.length === result.length && wanted.every((each, axis) => each === result[axis]) ? result : undefined;
    },
    kinds: writer.kinds,
  };
}

function declarations(blocks: readonly Program[]): string {
  return blocks.map((each) => `block ${each.text}`).join("");
}
