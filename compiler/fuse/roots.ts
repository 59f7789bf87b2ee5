/**
 * Which elementwise statements get a value of their own ("roots") and which are evaluated inside their consumers.
 * Not roots, whatever the number of consumers: constants, movement (broadcast, transpose, slice), and what is cheap to
 * recompute (at most `cheap` simple operations and one full-size tensor read): comparing or masking a stored tensor reads
 * as much memory as reading the stored mask would.
 * Invariant: every tensor that is read otherwise than by element (contraction, alias, concat, result) is a root or a view.
 */
import type { Expression, Size } from "../ir/kernel.ts";
import { isPlain, permutationOf } from "./affine.ts";
import { childrenOf, costOf, type Load, loadsOf, readAt } from "./expression.ts";
import type { Target } from "./rules.ts";
import { compareSizes, elementsOf } from "./size.ts";
import type { Statement, Statements } from "./statements.ts";

/** Recomputing up to this many simple operations costs less than a store and a load (16 bytes of traffic per 4 lanes). */
const cheap = 6;

/** How a statement reads its inputs by element: every load with the domain that it is evaluated over. */
export interface Reads {
  readonly loads: readonly Load[];
  readonly domain: readonly Size[];
}

/** The loads of a statement; none for contractions, aliases and concats. */
export function readsOf(statement: Statement): readonly Reads[] {
  const { body } = statement;
  switch (body.form) {
    case "pointwise":
      return [{ loads: loadsOf(body.values), domain: body.axes.map((axis) => axis.extent) }];
    case "reduction":
      return [
        {
          loads: loadsOf(body.accumulators.map((each) => each.value)),
          domain: [...body.axes, ...body.reduced].map((axis) => axis.extent),
        },
        { loads: loadsOf(body.values), domain: body.axes.map((axis) => axis.extent) },
      ];
    case "scatter": {
      const computed = body.at.flatMap((each) => (each.dynamic === undefined ? [] : [each.dynamic]));
      return [{ loads: loadsOf([body.value, ...computed]), domain: body.axes.map((axis) => axis.extent) }];
    }
    default:
      return [];
  }
}

/** A use of a tensor by element. */
interface Use {
  readonly consumer: Statement;
  readonly load: Load;
  readonly domain: readonly Size[];
}

interface Analysis {
  readonly uses: readonly (readonly Use[])[];
  /** Distinct consuming statements of a tensor, results counted as one more. */
  readonly consumers: Int32Array;
  /** Follows, elementwise and alone, a contraction or reduction whose result nothing else uses. */
  readonly rides: Uint8Array;
  /** Operations and full-size reads to recompute a tensor from what is certainly stored. */
  readonly cost: Float64Array;
  readonly fullReads: Float64Array;
  /** Must lie in memory: used by a contraction, alias, concat or as a result. */
  readonly forced: Uint8Array;
}

/** Marks roots: 1 at the id of each statement with a value of its own. Non-elementwise statements are roots. */
export function markRoots(program: Statements, target: Target): Uint8Array {
  const { statements, tensors } = program;
  const analysis = analyse(program);
  const root = new Uint8Array(statements.length);
  /** The root that evaluates a statement; `many` if several do. */
  const owner = new Int32Array(statements.length).fill(unused);
  for (let id = statements.length - 1; id >= 0; id--) {
    const statement = statements[id];
    if (statement === undefined) continue;
    if (statement.body.form !== "pointwise") {
      root[id] = 1;
      continue;
    }
    const view = isView(statement);
    const base = statement.inputs[view?.operand ?? -1];
    const forced = statement.outputs.some((output) => analysis.forced[output] === 1);
    if (forced && view !== undefined && base !== undefined && !isResult(program, statement)) {
      // Whoever reads the view by strides reads its base: that one must lie in memory instead.
      analysis.forced[base] = 1;
      root[id] = target.rules.inlining ? 0 : 1;
    } else {
      root[id] = forced || !target.rules.inlining ? 1 : 0;
    }
    const owners = new Set<number>();
    for (const output of statement.outputs) {
      for (const use of analysis.uses[output] ?? []) {
        const { id: consumer } = use.consumer;
        owners.add(root[consumer] === 1 ? consumer : (owner[consumer] ?? unused));
        if (root[id] === 0 && !inlines(statement, use, analysis, tensors[output]?.shape ?? [])) root[id] = 1;
      }
    }
    if (root[id] === 1) continue;
    const [only = unused] = owners;
    const several = owners.size > 1 || only === many;
    if (several && !isFree(statement) && !isCheap(statement, analysis)) root[id] = 1;
    owner[id] = several ? many : only;
  }
  return root;
}

const unused = -1;
const many = -2;

/** A plain load and nothing else: its elements lie in the base's memory. */
export function isView(statement: Statement): Load | undefined {
  if (statement.body.form !== "pointwise") return undefined;
  const [value, ...others] = statement.body.values;
  return value?.kind === "load" && others.length === 0 && isPlain(value.at) ? value : undefined;
}

function isResult({ outputs, updates }: Statements, statement: Statement): boolean {
  const tensor = statement.outputs[0];
  return outputs.some((each) => each.tensor === tensor) || updates.some((each) => each.tensor === tensor);
}

function isFree(statement: Statement): boolean {
  return statement.body.form === "pointwise" && statement.body.values.every(isFreeValue);
}

function isFreeValue(e: Expression): boolean {
  switch (e.kind) {
    case "load":
      return e.at.every((each) => each.dynamic === undefined);
    case "constant":
    case "size":
    case "index":
      return true;
    case "cast":
      return isFreeValue(e.x);
    default:
      return isInvariant(e);
  }
}

/** The same for every element and known before the loops: a back end computes it once. */
function isInvariant(e: Expression): boolean {
  return e.kind === "constant" || e.kind === "size" || ((e.kind === "unary" || e.kind === "binary") && childrenOf(e).every(isInvariant));
}

function isCheap(statement: Statement, { cost, fullReads }: Analysis): boolean {
  return statement.outputs.every((output) => (cost[output] ?? 0) <= cheap && (fullReads[output] ?? 0) <= 1);
}

/** Whether the consumer can and should evaluate the statement where it reads it. */
function inlines(statement: Statement, { consumer, load, domain }: Use, analysis: Analysis, shape: readonly Size[]): boolean {
  const { body } = statement;
  if (body.form !== "pointwise") return false;
  const [value] = body.values;
  if (!isPlain(load.at)) return body.values.length === 1 && value !== undefined && readAt(value, load.at, load.fill) !== undefined;
  if (isFree(statement)) return true;
  if (compareSizes(elementsOf(domain), elementsOf(shape)) > 0) return false;
  const rides = statement.outputs.some((output) => analysis.rides[output] === 1);
  return !rides || (consumer.body.form === "pointwise" && permutationOf(load.at, shape, domain) !== undefined);
}

function analyse(program: Statements): Analysis {
  const { statements, tensors } = program;
  const uses: Use[][] = tensors.map(() => []);
  const consumers = new Int32Array(tensors.length);
  const forced = new Uint8Array(tensors.length);
  for (const statement of statements) {
    for (const input of new Set(statement.inputs)) consumers[input] = (consumers[input] ?? 0) + 1;
    const { form } = statement.body;
    if (form === "contraction" || form === "alias" || form === "concat") for (const input of statement.inputs) forced[input] = 1;
    for (const { loads, domain } of readsOf(statement)) {
      for (const load of loads) uses[statement.inputs[load.operand] ?? -1]?.push({ consumer: statement, load, domain });
    }
  }
  for (const { tensor } of [...program.outputs, ...program.updates]) {
    consumers[tensor] = (consumers[tensor] ?? 0) + 1;
    forced[tensor] = 1;
  }
  const rides = new Uint8Array(tensors.length);
  const cost = new Float64Array(tensors.length);
  const fullReads = new Float64Array(tensors.length);
  for (const statement of statements) measure(statement, program, { uses, consumers, rides, cost, fullReads, forced });
  return { uses, consumers, rides, cost, fullReads, forced };
}

function measure({ body, inputs, outputs }: Statement, { statements, tensors }: Statements, analysis: Analysis): void {
  const { consumers, rides, cost, fullReads, forced } = analysis;
  if (body.form === "reduction" || body.form === "contraction") for (const output of outputs) rides[output] = 1;
  if (body.form !== "pointwise") return;
  const domain = body.axes.map((axis) => axis.extent);
  const size = elementsOf(domain);
  let ridden = 0;
  let reads = 0;
  let total = costOf(body.values);
  for (const load of loadsOf(body.values)) {
    const input = inputs[load.operand] ?? -1;
    const shape = tensors[input]?.shape ?? [];
    if (rides[input] === 1 && consumers[input] === 1 && permutationOf(load.at, shape, domain) !== undefined) ridden = 1;
    total += cost[input] ?? 0;
    const stored = forced[input] === 1 || statements[tensors[input]?.statement ?? 0]?.body.form !== "pointwise";
    reads += stored && compareSizes(elementsOf(shape), size) >= 0 ? 1 : (fullReads[input] ?? 0);
  }
  for (const output of outputs) {
    rides[output] = ridden;
    if (forced[output] === 1) continue;
    cost[output] = total;
    fullReads[output] = reads;
  }
}
