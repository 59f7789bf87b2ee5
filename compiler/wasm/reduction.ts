/**
 * Reductions: vectors along a parallel axis (channel statistics, pooling) or along a reduced one (rows), else scalar.
 * Invariant: the order of additions depends on sizes only; long sums go through two levels of partial sums, so that the
 * f32 error stays near one rounding per level.
 */
import type { Accumulator, Expression, Kernel, ScalarType, Size } from "../ir/kernel.ts";
import type { Code, Local } from "./encode.ts";
import { evaluateAs, evaluateStores, holdLets } from "./expression.ts";
import { push, sizeTerm, type Frame, type Term } from "./frame.ts";
import { NO_LANES, type Lanes, type Level } from "./level.ts";
import { innerLevel, loopAxis, loopLanes } from "./nest.ts";
import type { Mnemonic } from "./opcodes.ts";
import { loopUnits, storeOrder, vectorVersions } from "./pointwise.ts";
import { ACCUMULATED, mergeAxes, openScope, siteKey, typeOf, type Scope } from "./scope.ts";
import { magnitude } from "./sizes.ts";

/** Terms of one partial sum (per lane), and partial sums of one larger partial sum. */
const CHUNK = 64;

type Reduction = Extract<Kernel, { form: "reduction" }>;

interface Plan {
  readonly scope: Scope;
  readonly accumulators: readonly Accumulator[];
  readonly types: readonly ScalarType[];
  readonly reduced: readonly number[];
  /** The reduced axis that vectors lie along, if any. */
  readonly along: number | undefined;
  readonly extents: ReadonlyMap<number, Term>;
  /** Whether partial sums are needed at all. */
  readonly long: boolean;
  /** Row-major step of each reduced axis, for positions. */
  readonly positionSteps: ReadonlyMap<number, Term>;
}

/** The running values of one level: for each accumulator, `unroll` vectors; for positions, the best value beside. */
interface Running {
  readonly values: readonly (readonly Local[])[];
  readonly best: readonly (readonly Local[])[];
}

/** Emits the kernel into the frame and returns its units. */
export function emitReduction(frame: Frame, kernel: Reduction): Size {
  const scope = openReduction(frame, kernel);
  const hasPosition = kernel.accumulators.some((each) => each.position);
  const rank = kernel.axes.length;
  const parallelOrder = storeOrder(
    scope,
    kernel.axes.map((_, axis) => axis),
  );
  const reducedOrder = kernel.reduced.map((_, axis) => rank + axis);
  const parallel = mergeAxes(scope, parallelOrder, () => true);
  const reduced = mergeAxes(scope, hasPosition ? reducedOrder : loadOrder(scope, reducedOrder), () => true);
  const vector = chooseVector(scope, kernel, parallel, reduced, hasPosition);
  const along = vector !== undefined && vector >= rank ? vector : undefined;
  const lanes = along === undefined ? vector : undefined;
  const total = reduced.reduce((product, axis) => product * magnitude(scope.extents[axis] ?? 1), 1);
  const plan: Plan = {
    scope,
    accumulators: kernel.accumulators,
    types: scope.accumulatorTypes,
    reduced: along === undefined ? reduced : [...reduced.filter((axis) => axis !== along), along],
    along,
    extents: new Map(reduced.map((axis) => [axis, sizeTerm(frame, scope.extents[axis] ?? 1)])),
    long: total > 8 * CHUNK && kernel.accumulators.some((each) => each.combine === "sum"),
    positionSteps: hasPosition ? positionSteps(frame, scope, reduced) : new Map(),
  };
  const outer = parallel.filter((axis) => axis !== lanes);
  const unroll = unrollFor(kernel);
  const versions = (axis: number): Lanes[] => (unroll === 1 ? vectorVersions(axis, 1) : vectorVersions(axis, unroll, 1));
  return loopUnits(scope, outer, lanes, (level) => reduceElement(plan, level, unroll), versions, true);
}

function openReduction(frame: Frame, kernel: Reduction): Scope {
  const extents = [...kernel.axes, ...kernel.reduced].map((axis) => axis.extent);
  const input = { frame, operands: kernel.operands, lets: kernel.lets, stores: kernel.stores, extents };
  const roots = kernel.accumulators.map((each) => each.value);
  const probe = openScope({ ...input, roots, accumulatorTypes: [] });
  const accumulatorTypes = kernel.accumulators.map((each): ScalarType => {
    if (each.position) return "i32";
    return typeOf(probe, each.value) === "i32" ? "i32" : "f32";
  });
  return openScope({ ...input, roots, accumulatorTypes });
}

/** Reduced axes by descending stride of what the accumulators load. */
function loadOrder(scope: Scope, axes: readonly number[]): number[] {
  const weight = (axis: number): number => {
    let most = 0;
    for (const site of scope.sites.values()) most = Math.max(most, magnitude(site.strides[axis] ?? 0));
    return most;
  };
  return axes.toSorted((a, b) => weight(b) - weight(a));
}

/** Few registers are left for many accumulators or long expressions. */
function unrollFor(kernel: Reduction): number {
  const registers = kernel.accumulators.reduce((count, each) => count + (each.position ? 2 : 1), 0);
  const loads = new Set<string>();
  const visit = (expression: Expression): void => {
    if (expression.kind === "load") loads.add(siteKey(expression.operand, expression.at));
    if (expression.kind === "binary") [expression.left, expression.right].forEach(visit);
    if (expression.kind === "unary" || expression.kind === "cast") visit(expression.x);
    if (expression.kind === "select") [expression.condition, expression.then, expression.else].forEach(visit);
    const body = expression.kind === "let" ? kernel.lets[expression.index] : undefined;
    if (body !== undefined) visit(body);
  };
  for (const each of kernel.accumulators) visit(each.value);
  if (registers + loads.size <= 3) return 4;
  return registers <= 3 ? 2 : 1;
}

function chooseVector(
  scope: Scope,
  kernel: Reduction,
  parallel: readonly number[],
  reduced: readonly number[],
  hasPosition: boolean,
): number | undefined {
  const stores = new Set(kernel.stores.map((store) => siteKey(store.operand, store.at)));
  const score = (axis: number): number => {
    let total = 0;
    for (const site of scope.sites.values()) {
      const weight = stores.has(site.key) ? 1 : 4;
      const stride = site.strides[axis] ?? 0;
      if (site.checked.some((each) => (each.axes & (1 << axis)) !== 0)) total -= 2 * weight;
      else if (stride === 1) total += weight;
      else if (stride !== 0) total -= weight;
    }
    if (magnitude(scope.extents[axis] ?? 1) < 4) total -= 20;
    return total;
  };
  const candidates = hasPosition ? parallel : [...reduced, ...parallel];
  return candidates.reduce<number | undefined>((best, axis) => (best === undefined || score(axis) >= score(best) ? axis : best), undefined);
}

function positionSteps(frame: Frame, scope: Scope, reduced: readonly number[]): ReadonlyMap<number, Term> {
  const steps = new Map<number, Term>();
  let step: Size = 1;
  for (const axis of reduced.toReversed()) {
    steps.set(axis, sizeTerm(frame, step));
    const extent: Size = scope.extents[axis] ?? 1;
    const known: Size = step;
    step = typeof known === "number" ? (typeof extent === "number" ? known * extent : { batch: extent.batch * known }) : known;
  }
  return steps;
}

const NEUTRAL = {
  sum: { f32: 0, i32: 0 },
  prod: { f32: 1, i32: 1 },
  max: { f32: -Infinity, i32: -(2 ** 31) },
  min: { f32: Infinity, i32: 2 ** 31 - 1 },
} as const;

const COMBINE = {
  sum: { f32: "f32x4.add", i32: "i32x4.add" },
  prod: { f32: "f32x4.mul", i32: "i32x4.mul" },
  max: { f32: "f32x4.max", i32: "i32x4.max_s" },
  min: { f32: "f32x4.min", i32: "i32x4.min_s" },
} as const satisfies Readonly<Record<Accumulator["combine"], Readonly<Record<ScalarType, Mnemonic>>>>;

function valueType(scope: Scope, accumulator: Accumulator): ScalarType {
  return typeOf(scope, accumulator.value) === "i32" ? "i32" : "f32";
}

function pushNeutral(code: Code, accumulator: Accumulator, type: ScalarType): void {
  const value = NEUTRAL[accumulator.combine][type];
  if (type === "f32") code.splatF32(value);
  else code.splatI32(value);
}

function reset(plan: Plan, unroll: number): Running {
  const { code } = plan.scope.frame;
  const best: Local[][] = [];
  const values = plan.accumulators.map((each, position) => {
    best[position] = [];
    return Array.from({ length: unroll }, () => {
      if (each.position) {
        const champion = code.local("v128");
        pushNeutral(code, each, valueType(plan.scope, each));
        code.set(champion);
        best[position]?.push(champion);
      }
      const local = code.local("v128");
      if (each.position) code.splatI32(0);
      else pushNeutral(code, each, plan.types[position] ?? "f32");
      code.set(local);
      return local;
    });
  });
  return { values, best };
}

/** All accumulators of one parallel element (or of a vector of them), then the epilogue. */
function reduceElement(plan: Plan, level: Level, unroll: number): void {
  const { scope, along } = plan;
  const vectors = along === undefined ? level.lanes.unroll : unroll;
  const running = reset(plan, vectors);
  reduceLoops(plan, level, 0, running, vectors);
  if (along !== undefined) foldVectors(plan, running);
  const complete = innerLevel(level, { axes: ACCUMULATED, lanes: along === undefined ? level.lanes : NO_LANES });
  const values = along === undefined ? running.values : running.values.map((locals) => locals.slice(0, 1));
  evaluateStores(scope, { ...complete, accumulators: values });
}

function reduceLoops(plan: Plan, level: Level, position: number, running: Running, unroll: number): void {
  const { scope } = plan;
  const axis = plan.reduced[position];
  if (axis === undefined) {
    accumulate(plan, level, running, level.lanes);
    return;
  }
  const extent = plan.extents.get(axis) ?? { constant: 1 };
  const innermost = position === plan.reduced.length - 1;
  chunks(plan, extent, axis, running, unroll, (from, to, target) => {
    if (axis === plan.along) {
      const versions = unroll === 1 ? vectorVersions(axis, 1) : vectorVersions(axis, unroll, 1);
      loopLanes(scope, level, axis, { from, to }, versions, false, (inner) => accumulate(plan, inner, target, inner.lanes));
    } else {
      loopAxis(scope, level, axis, { from, to }, !innermost, (inner) => reduceLoops(plan, inner, position + 1, target, unroll));
    }
  });
}

/** Runs `body` over the whole range, or over chunks of chunks of it with partial sums of their own. */
function chunks(
  plan: Plan,
  extent: Term,
  axis: number,
  running: Running,
  unroll: number,
  body: (from: Term, to: Term, target: Running) => void,
): void {
  if (!plan.long || plan.accumulators.some((each) => each.position)) {
    body({ constant: 0 }, extent, running);
    return;
  }
  const size = axis === plan.along ? CHUNK * 4 * unroll : CHUNK;
  chunked(plan, { from: { constant: 0 }, to: extent }, size * CHUNK, running, unroll, (from, to, partial) => {
    chunked(plan, { from, to }, size, partial, unroll, body);
  });
}

function chunked(
  plan: Plan,
  range: { readonly from: Term; readonly to: Term },
  size: number,
  running: Running,
  unroll: number,
  body: (from: Term, to: Term, target: Running) => void,
): void {
  const { code } = plan.scope.frame;
  const [from, to] = [code.local("i32"), code.local("i32")];
  push(code, range.from).set(from);
  code.block((exit) => {
    push(code.get(from), range.to).op("i32.ge_s").branchIf(exit);
    code.loop((repeat) => {
      code.get(from).i32(size).op("i32.add").set(to);
      push(code.get(to), range.to)
        .op("i32.gt_s")
        .if(() => push(code, range.to).set(to));
      const partial = reset(plan, unroll);
      body({ local: from }, { local: to }, partial);
      plan.accumulators.forEach((each, index) => {
        running.values[index]?.forEach((local, vector) => {
          code
            .get(local)
            .get(partial.values[index]?.[vector] ?? 0)
            .op(COMBINE[each.combine][plan.types[index] ?? "f32"])
            .set(local);
        });
      });
      push(code.get(to).tee(from), range.to).op("i32.lt_s").branchIf(repeat);
    });
  });
}

/** One step of all accumulators. Along a reduced axis, single elements count in lane 0 only. */
function accumulate(plan: Plan, level: Level, running: Running, lanes: Lanes): void {
  const { scope, along } = plan;
  const { code } = scope.frame;
  const body = innerLevel(level, {});
  holdLets(scope, body);
  const single = along !== undefined && lanes.width === 1;
  plan.accumulators.forEach((each, index) => {
    const type = valueType(scope, each);
    for (let vector = 0; vector < lanes.unroll; vector++) {
      const target = running.values[index]?.[vector] ?? 0;
      if (each.position) {
        const champion = running.best[index]?.[vector] ?? 0;
        comparePosition(plan, body, each, { vector, target, champion });
        continue;
      }
      code.get(target);
      evaluateAs(scope, body, each.value, type, vector);
      if (single) {
        pushNeutral(code, each, type);
        code.lanesI32([-1, 0, 0, 0]).op("v128.bitselect");
      }
      code.op(COMBINE[each.combine][type]).set(target);
    }
  });
}

function comparePosition(
  plan: Plan,
  level: Level,
  each: Accumulator,
  at: { readonly vector: number; readonly target: Local; readonly champion: Local },
): void {
  const { scope } = plan;
  const { code } = scope.frame;
  const type = valueType(scope, each);
  const [value, better] = [code.local("v128"), code.local("v128")];
  evaluateAs(scope, level, each.value, type, at.vector);
  code.tee(value).get(at.champion);
  if (type === "i32") code.op(each.combine === "min" ? "i32x4.lt_s" : "i32x4.gt_s");
  else {
    code.op(each.combine === "min" ? "f32x4.lt" : "f32x4.gt");
    // The first NaN wins, as in PyTorch.
    code.get(value).get(value).op("f32x4.ne").get(at.champion).get(at.champion).op("f32x4.eq").op("v128.and").op("v128.or");
  }
  code.set(better);
  code.get(value).get(at.champion).get(better).op("v128.bitselect").set(at.champion);
  code.i32(0);
  for (const axis of plan.reduced) {
    const index = level.indices.get(axis);
    if (index === undefined) continue;
    push(push(code, index), plan.positionSteps.get(axis) ?? { constant: 0 })
      .op("i32.mul")
      .op("i32.add");
  }
  code.op("i32x4.splat").get(at.target).get(better).op("v128.bitselect").set(at.target);
}

/** Combines the vectors of each accumulator, then the lanes, in a fixed tree; all lanes get the result. */
function foldVectors(plan: Plan, running: Running): void {
  const { code } = plan.scope.frame;
  plan.accumulators.forEach((each, index) => {
    const operation = COMBINE[each.combine][plan.types[index] ?? "f32"];
    const [first = 0, ...others] = running.values[index] ?? [];
    for (const other of others) code.get(first).get(other).op(operation).set(first);
    for (const shift of [8, 4]) {
      code.get(first).get(first).get(first);
      code.shuffle(Array.from({ length: 16 }, (_, at) => (at + shift) % 16));
      code.op(operation).set(first);
    }
  });
}
