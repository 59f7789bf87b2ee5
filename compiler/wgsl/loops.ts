/**
 * Kernels of independent elements, and loops in order: pointwise, sequential and reductions.
 * Invariant: the order of every sum is fixed by the shapes and the batch alone.
 */
import { loadsOf } from "../fuse/expression.ts";
import type { Accumulator, Axis, Kernel, ScalarType, Size } from "../ir/kernel.ts";
import { constant, evaluate, evaluateAs, pointAt, writeStores } from "./expression.ts";
import { nameInvariants } from "./invariant.ts";
import { type Extent, productText, type Shader, sizeText, type Value, WORKGROUP } from "./shader.ts";

type Reduction = Extract<Kernel, { form: "reduction" }>;

/** Invocations of a workgroup that shares a reduction. */
const TREE = 256;
/** Below this many steps one invocation sums alone. */
const SHORT = 48;
/** Elements side by side in memory that a workgroup reduces together, so that its loads meet. */
const SIDE_BY_SIDE = 8;

/** The head of an entry point; binds `group` (the number of the workgroup) and `lane`. `further` are parameters. */
export function entryPoint(shader: Shader, size: number, body: () => void, further: readonly string[] = []): void {
  const own = ["@builtin(workgroup_id) id: vec3<u32>", "@builtin(num_workgroups) grid: vec3<u32>", "@builtin(local_invocation_index) local: u32"];
  const head = [...own, ...further].join(", ");
  shader.line(`@compute @workgroup_size(${size})`);
  shader.block(`fn main(${head})`, () => {
    // Grids of more workgroups than one dimension takes are folded into two.
    shader.line("let group = i32(id.y * grid.x + id.x);");
    shader.line("let lane = i32(local);");
    body();
  });
}

/** An axis as a variable's name. */
export function axisName(axis: Axis, position: number): string {
  return `${axis.name.replaceAll(/[^A-Za-z]+/g, "").toLowerCase() || "axis"}${position}`;
}

/**
 * Writes `let`s for the axes from a row-major position; returns their names, which count from `first` or are new. An axis
 * of one position is `0`, and a single axis of more is the position itself.
 */
export function splitIndex(shader: Shader, linear: string, axes: readonly Axis[], first: number | undefined): string[] {
  const names = axes.map(() => "0");
  const moving = axes.flatMap((axis, k) => (axis.extent === 1 ? [] : [{ axis, k }]));
  const nameOf = ({ axis, k }: { readonly axis: Axis; readonly k: number }): string => {
    const name = first === undefined ? shader.fresh(axis.name) : axisName(axis, first + k);
    names[k] = name;
    return name;
  };
  let rest = linear;
  for (const [place, each] of [...moving.entries()].reverse()) {
    const outer = moving[place - 1];
    if (outer === undefined) {
      if (moving.length === 1) shader.line(`let ${nameOf(each)} = ${rest};`);
      break;
    }
    shader.line(`let ${nameOf(each)} = ${rest} % ${sizeText(each.axis.extent)};`);
    const next = place === 1 ? nameOf(outer) : shader.fresh("rest");
    shader.line(`let ${next} = ${rest} / ${sizeText(each.axis.extent)};`);
    rest = next;
  }
  return names;
}

/** One invocation for each element. */
export function emitPointwise(shader: Shader, kernel: Kernel): readonly Extent[] {
  const sizes = kernel.axes.map((axis) => axis.extent);
  entryPoint(shader, WORKGROUP, () => {
    shader.line(`let element = group * ${WORKGROUP} + lane;`);
    shader.line(`if (element >= ${productText(sizes)}) { return; }`);
    writeStores(pointAt(shader, splitIndex(shader, "element", kernel.axes, 0), []));
  });
  return [{ sizes, per: WORKGROUP }];
}

/** One invocation for the whole kernel. */
export function emitSequential(shader: Shader, kernel: Kernel): readonly Extent[] {
  entryPoint(shader, 1, () => {
    shader.line("if (group > 0) { return; }");
    nest(shader, kernel.axes, 0, [], (axes) => writeStores(pointAt(shader, axes, [])));
  });
  return [];
}

/** Loops over axes, outermost first; `body` gets the names of all. */
function nest(shader: Shader, axes: readonly Axis[], first: number, outer: readonly string[], body: (axes: readonly string[]) => void): void {
  const [axis, ...inner] = axes;
  if (axis === undefined) return body(outer);
  const name = axisName(axis, first);
  shader.block(`for (var ${name} = 0; ${name} < ${sizeText(axis.extent)}; ${name}++)`, () => nest(shader, inner, first + 1, [...outer, name], body));
}

/** An accumulator as WGSL variables: what is compared, and where it was found. */
interface Running {
  readonly accumulator: Accumulator;
  readonly type: ScalarType;
  readonly best: string;
  readonly at: string | undefined;
}

/** Whether workgroups share its sums, so that subgroups can help. */
export function isShared(kernel: Reduction): boolean {
  return !isShort(kernel);
}

/** Who computes an element: one invocation, or shares of a workgroup that meet in its memory, or in registers first. */
export type Sharing = "alone" | "tree" | "subgroups";

export function emitReduction(shader: Shader, kernel: Reduction, sharing: Sharing): readonly Extent[] {
  const types = kernel.accumulators.map((each) => valueType(shader, kernel, each));
  const running = kernel.accumulators.map(
    (accumulator, k): Running => ({
      accumulator,
      type: types[k] ?? "f32",
      best: `sum${k}`,
      at: accumulator.position ? `place${k}` : undefined,
    }),
  );
  return sharing === "alone" ? emitAlone(shader, kernel, running) : emitShared(shader, kernel, running, sharing === "subgroups");
}

function isShort(kernel: Reduction): boolean {
  const guess = (sizes: readonly Axis[]): number =>
    sizes.reduce((product, { extent }) => product * (typeof extent === "number" ? extent : 32 * extent.batch), 1);
  const steps = guess(kernel.reduced);
  return steps <= SHORT || guess(kernel.axes) >= 256 * steps;
}

/** The type that a throw-away shader finds for the value. */
function valueType(shader: Shader, kernel: Reduction, accumulator: Accumulator): ScalarType {
  const axes = [...kernel.axes, ...kernel.reduced].map(() => "0");
  return evaluate(pointAt(shader.probe(), axes, []), accumulator.value).type === "i32" ? "i32" : "f32";
}

function declareRunning(shader: Shader, running: readonly Running[]): void {
  for (const { accumulator, type, best, at } of running) {
    shader.line(`var ${best} = ${startOf(shader, accumulator, type)};`);
    if (at !== undefined) shader.line(`var ${at} = 0;`);
  }
}

function startOf(shader: Shader, { combine }: Accumulator, type: ScalarType): string {
  const start = { sum: 0, prod: 1, max: Number.NEGATIVE_INFINITY, min: Number.POSITIVE_INFINITY }[combine];
  if (type === "f32" || Number.isFinite(start)) return constant(shader, start, type).text;
  return constant(shader, start < 0 ? -(2 ** 31) : 2 ** 31 - 1, type).text;
}

function combined({ combine }: Accumulator, left: string, right: string): string {
  if (combine === "sum") return `${left} + ${right}`;
  return combine === "prod" ? `${left} * ${right}` : `${combine}(${left}, ${right})`;
}

function accumulate(shader: Shader, running: readonly Running[], axes: readonly string[], position: () => string): void {
  const point = pointAt(shader, axes, []);
  for (const { accumulator, type, best, at } of running) {
    const value = shader.named({ text: evaluateAs(point, accumulator.value, type), type }).text;
    if (at === undefined) shader.line(`${best} = ${combined(accumulator, best, value)};`);
    else shader.line(`if (${value} > ${best}) { ${best} = ${value}; ${at} = ${position()}; }`);
  }
}

/** Before the loops: what does not change in them. */
function nameShared(shader: Shader, running: readonly Running[], axes: readonly string[]): void {
  const terms = running.map(({ accumulator }) => accumulator.value);
  nameInvariants(pointAt(shader, axes, []), terms, axes.length);
}

function results(running: readonly Running[]): Value[] {
  return running.map(({ type, best, at }) => (at === undefined ? { text: best, type } : { text: at, type: "i32" }));
}

function emitAlone(shader: Shader, kernel: Reduction, running: readonly Running[]): readonly Extent[] {
  const sizes = kernel.axes.map((axis) => axis.extent);
  entryPoint(shader, WORKGROUP, () => {
    shader.line(`let element = group * ${WORKGROUP} + lane;`);
    shader.line(`if (element >= ${productText(sizes)}) { return; }`);
    const axes = splitIndex(shader, "element", kernel.axes, 0);
    declareRunning(shader, running);
    nameShared(shader, running, axes);
    if (isShared(kernel)) sumNested(shader, kernel, running, axes);
    else
      nest(shader, kernel.reduced, axes.length, axes, (all) => {
        accumulate(shader, running, all, () => positionText(kernel.reduced, all.slice(axes.length)));
      });
    writeStores(pointAt(shader, axes, results(running)));
  });
  return [{ sizes, per: WORKGROUP }];
}

/** Steps of an innermost loop that are summed in one go: of more, the sum of the sums keeps more digits. */
const RUN = 128;

/** Loops over the reduced axes from `axes` on, each with sums of its own that it adds to those around it. */
function sumNested(shader: Shader, kernel: Reduction, running: readonly Running[], axes: readonly string[]): void {
  const { reduced } = kernel;
  const own = reduced[axes.length - kernel.axes.length];
  if (own === undefined) {
    const steps = axes.slice(kernel.axes.length);
    return accumulate(shader, running, axes, () => positionText(reduced, steps));
  }
  const name = axisName(own, axes.length);
  const isLast = axes.length + 1 === kernel.axes.length + reduced.length;
  const isLong = typeof own.extent !== "number" || own.extent > RUN;
  if (isLast && !isLong) {
    shader.block(`for (var ${name} = 0; ${name} < ${sizeText(own.extent)}; ${name}++)`, () => sumNested(shader, kernel, running, [...axes, name]));
    return;
  }
  const step = isLast ? `${name} += ${RUN}` : `${name}++`;
  shader.block(`for (var ${name} = 0; ${name} < ${sizeText(own.extent)}; ${step})`, () => {
    const parts = running.map((each) => (each.at === undefined ? { ...each, best: shader.fresh(each.best) } : each));
    declareRunning(
      shader,
      parts.filter(({ at }) => at === undefined),
    );
    if (isLast) {
      const at = shader.fresh(name);
      shader.block(`for (var ${at} = ${name}; ${at} < min(${name} + ${RUN}, ${sizeText(own.extent)}); ${at}++)`, () =>
        sumNested(shader, kernel, parts, [...axes, at]),
      );
    } else sumNested(shader, kernel, parts, [...axes, name]);
    for (const [k, { accumulator, best, at }] of running.entries())
      if (at === undefined) shader.line(`${best} = ${combined(accumulator, best, parts[k]?.best ?? "")};`);
  });
}

function positionText(axes: readonly Axis[], names: readonly string[]): string {
  return names.reduce((text, name, k) => (k === 0 ? name : `(${text}) * ${sizeText(axes[k]?.extent ?? 1)} + ${name}`), "0");
}

function emitShared(shader: Shader, kernel: Reduction, running: readonly Running[], subgroups: boolean): readonly Extent[] {
  const sizes = kernel.axes.map((axis) => axis.extent);
  const wide = readsSideBySide(kernel) ? SIDE_BY_SIDE : 1;
  const deep = TREE / wide;
  for (const { type, best, at } of running) {
    shader.declarations.push(`var<workgroup> shared_${best}: array<${type}, ${TREE}>;`);
    if (at !== undefined) shader.declarations.push(`var<workgroup> shared_${at}: array<i32, ${TREE}>;`);
  }
  const body = (): void => {
    shader.line(`let element = group * ${wide} + lane % ${wide};`);
    shader.line(`let share = lane / ${wide};`);
    shader.line(`let isElement = element < ${productText(sizes)};`);
    declareRunning(shader, running);
    shader.block("if (isElement)", () => {
      const axes = splitIndex(shader, "element", kernel.axes, 0);
      nameShared(shader, running, axes);
      const steps = productText(kernel.reduced.map((axis) => axis.extent));
      shader.block(`for (var step = share; step < ${steps}; step += ${deep})`, () => {
        const reduced = splitIndex(shader, "step", kernel.reduced, axes.length);
        accumulate(shader, running, [...axes, ...reduced], () => "step");
      });
    });
    if (subgroups) joinBySubgroups(shader, running, wide);
    else joinByTree(shader, running, wide);
    shader.line("if (share > 0 || !isElement) { return; }");
    for (const { best, at } of running) {
      shader.line(`${best} = shared_${best}[lane];`);
      if (at !== undefined) shader.line(`${at} = shared_${at}[lane];`);
    }
    writeStores(pointAt(shader, splitIndex(shader, "element", kernel.axes, 0), results(running)));
  };
  if (subgroups) shader.extensions.add("subgroups");
  entryPoint(shader, TREE, body, subgroups ? ["@builtin(subgroup_size) subgroup: u32"] : []);
  return [{ sizes, per: wide }];
}

/** Halves the shares of an element until one is left, in the first lanes of the shared arrays. */
function joinByTree(shader: Shader, running: readonly Running[], wide: number): void {
  keepShared(shader, running, "lane");
  shader.block(`for (var reach = ${TREE / wide / 2}; reach > 0; reach = reach / 2)`, () => {
    shader.line("workgroupBarrier();");
    shader.block("if (share < reach)", () => {
      shader.line(`let other = lane + reach * ${wide};`);
      for (const each of running) combineShares(shader, each, "lane", "other");
    });
  });
}

/**
 * The same by butterflies inside each subgroup, then over the subgroups in order. Subgroups are neighbouring lanes:
 * `runtime/webgpu/capabilities.ts` looks whether a device keeps to that.
 */
function joinBySubgroups(shader: Shader, running: readonly Running[], wide: number): void {
  shader.block(`for (var reach = ${wide}u; reach < subgroup; reach = reach * 2u)`, () => {
    for (const { accumulator, best, at } of running) {
      shader.line(`let other_${best} = subgroupShuffleXor(${best}, reach);`);
      if (at === undefined) shader.line(`${best} = ${combined(accumulator, best, `other_${best}`)};`);
      else {
        shader.line(`let other_${at} = subgroupShuffleXor(${at}, reach);`);
        shader.line(firstMaximum(best, at, `other_${best}`, `other_${at}`));
      }
    }
  });
  // A subgroup may be smaller than the elements side by side: then nothing has met yet.
  shader.line(`let span = max(i32(subgroup), ${wide});`);
  shader.block(`if (lane % span < ${wide})`, () => keepShared(shader, running, `lane / span * ${wide} + lane % span`));
  shader.line("workgroupBarrier();");
  shader.block("if (share == 0)", () => {
    shader.block(`for (var part = 1; part < ${TREE} / span; part++)`, () => {
      shader.line(`let other = part * ${wide} + lane;`);
      for (const each of running) combineShares(shader, each, "lane", "other");
    });
  });
}

function keepShared(shader: Shader, running: readonly Running[], slot: string): void {
  for (const { best, at } of running) {
    shader.line(`shared_${best}[${slot}] = ${best};`);
    if (at !== undefined) shader.line(`shared_${at}[${slot}] = ${at};`);
  }
}

function combineShares(shader: Shader, { accumulator, best, at }: Running, mine: string, other: string): void {
  const place = `shared_${best}[${mine}]`;
  if (at === undefined) shader.line(`${place} = ${combined(accumulator, place, `shared_${best}[${other}]`)};`);
  else shader.line(firstMaximum(place, `shared_${at}[${mine}]`, `shared_${best}[${other}]`, `shared_${at}[${other}]`));
}

/** The statement that takes another's maximum, and its place. The first maximum wins, as in one pass. */
function firstMaximum(mine: string, myPlace: string, other: string, otherPlace: string): string {
  return `if (${other} > ${mine} || (${other} == ${mine} && ${otherPlace} < ${myPlace})) { ${mine} = ${other}; ${myPlace} = ${otherPlace}; }`;
}

/** Whether what is summed lies side by side for neighbours along the last parallel axis, rather than for steps of the sum. */
function readsSideBySide(kernel: Reduction): boolean {
  const last = kernel.axes.length - 1;
  const inner = last + kernel.reduced.length;
  if (last < 0 || atLeast(kernel.axes[last]?.extent) < SIDE_BY_SIDE) return false;
  let [along, across] = [0, 0];
  for (const { operand, at } of loadsOf([...kernel.lets, ...kernel.accumulators.map((each) => each.value)])) {
    const strides = kernel.operands[operand]?.strides ?? [];
    const strideOf = (axis: number): number =>
      at.reduce((sum, { index, dynamic }, d) => {
        const stride = strides[d] ?? 0;
        const coefficient = index.terms.reduce((total, term) => total + (term.axis === axis ? term.coefficient : 0), 0);
        return dynamic === undefined && typeof stride === "number" ? sum + coefficient * stride : sum;
      }, 0);
    if (strideOf(last) === 1) along++;
    if (strideOf(inner) === 1) across++;
  }
  return along > across;
}

function atLeast(size: Size | undefined): number {
  return size === undefined ? 0 : typeof size === "number" ? size : size.batch;
}
