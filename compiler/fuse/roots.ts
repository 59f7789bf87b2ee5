/**
 * Which elementwise statements get a value of their own ("roots") and which are evaluated inside their consumers.
 * Not roots, whatever the number of consumers: constants, movement (broadcast, transpose, slice), and what is cheap to
 * recompute (at most `cheap` simple operations and one full-size tensor read): comparing or masking a stored tensor reads
 * as much memory as reading the stored mask would.
 * Invariant: every tensor that is read otherwise than by element (contraction, alias, concat, result) is a root or a view.
 */
import type { BodyFacts, Read } from "./body-facts.ts";
import { readAt } from "./expression.ts";
import type { Target } from "./rules.ts";
import type { Statement, Statements } from "./statements.ts";

/** Recomputing up to this many simple operations costs less than a store and a load (16 bytes of traffic per 4 lanes). */
const cheap = 6;

type FactsOf = (statement: Statement) => BodyFacts;

interface Analysis {
  /** Distinct consuming statements of a tensor, results counted as one more. */
  readonly consumers: Int32Array;
  /** Follows, elementwise and alone, a contraction or reduction whose result nothing else uses. */
  readonly rides: Uint8Array;
  /** Operations and full-size reads to recompute a tensor from what is certainly stored. */
  readonly cost: Float64Array;
  readonly fullReads: Float64Array;
  /** Must lie in memory: used by a contraction, alias, concat or as a result. */
  readonly forced: Uint8Array;
  readonly results: Uint8Array;
  /** The only reader, if that is an ungrouped contraction over a window that can compute the tensor as it reads; else -1. */
  readonly prologueOf: Int32Array;
}

const unused = -1;
const many = -2;

/** Marks roots: 1 at the id of each statement with a value of its own. Non-elementwise statements are roots. */
export function markRoots(program: Statements, factsOf: FactsOf, target: Target): Uint8Array {
  const { statements, tensors } = program;
  const analysis = analyse(program, factsOf);
  const { forced, results } = analysis;
  const root = new Uint8Array(statements.length);
  /** By statement: some consumer cannot or should not evaluate it in place. */
  const refused = new Uint8Array(statements.length);
  /** The root that evaluates a statement; `many` if several do. */
  const owner = new Int32Array(statements.length).fill(unused);
  /** Consumers come before what they read, so their verdicts are complete when a statement's turn comes. */
  for (let id = statements.length - 1; id >= 0; id--) {
    const statement = statements[id];
    if (statement === undefined) continue;
    const facts = factsOf(statement);
    if (statement.body.form !== "pointwise" || !target.rules.inlining) root[id] = 1;
    else {
      const base = statement.inputs[facts.view?.operand ?? -1];
      const needed = statement.outputs.some((output) => forced[output] === 1);
      const reader = target.rules.prologues ? (analysis.prologueOf[statement.outputs[0] ?? -1] ?? unused) : unused;
      if (needed && reader !== unused && !facts.free) owner[id] = reader;
      else if (needed && base !== undefined && !statement.outputs.some((output) => results[output] === 1)) {
        // Whoever reads the view by strides reads its base: that one must lie in memory instead.
        forced[base] = 1;
      } else if (needed) root[id] = 1;
      if (refused[id] === 1) root[id] = 1;
      if (owner[id] === many && !facts.free && !isCheap(statement, analysis)) root[id] = 1;
    }
    const own = root[id] === 1 ? id : (owner[id] ?? unused);
    for (const read of facts.reads) {
      const from = tensors[statement.inputs[read.load.operand] ?? -1];
      const producer = statements[from?.statement ?? -1];
      if (from === undefined || producer?.body.form !== "pointwise") continue;
      const before = owner[producer.id] ?? unused;
      owner[producer.id] = before === unused || before === own ? own : many;
      const elementwise = statement.body.form === "pointwise" && read.permutes;
      const rides = analysis.rides[from.id] === 1 && !elementwise;
      if (!inlines(producer, read, factsOf(producer), rides)) refused[producer.id] = 1;
    }
  }
  return root;
}

function isCheap(statement: Statement, { cost, fullReads }: Analysis): boolean {
  return statement.outputs.every((output) => (cost[output] ?? 0) <= cheap && (fullReads[output] ?? 0) <= 1);
}

/** Whether the reader can and should evaluate the producer in place; `rides`: it is free where it is, and would not be here. */
function inlines({ body }: Statement, read: Read, facts: BodyFacts, rides: boolean): boolean {
  if (body.form !== "pointwise") return false;
  if (!read.plain) {
    const [value] = body.values;
    return body.values.length === 1 && value !== undefined && readAt(value, read.load.at, read.load.fill) !== undefined;
  }
  return facts.free || (!read.repeats && !rides);
}

function analyse(program: Statements, factsOf: FactsOf): Analysis {
  const { statements, tensors } = program;
  const consumers = new Int32Array(tensors.length);
  const forced = new Uint8Array(tensors.length);
  const results = new Uint8Array(tensors.length);
  for (const { body, inputs } of statements) {
    const whole = body.form === "contraction" || body.form === "alias" || body.form === "concat";
    for (const [position, input] of inputs.entries()) {
      if (whole) forced[input] = 1;
      if (inputs.indexOf(input) === position) consumers[input] = (consumers[input] ?? 0) + 1;
    }
  }
  for (const { tensor } of [...program.outputs, ...program.updates]) {
    consumers[tensor] = (consumers[tensor] ?? 0) + 1;
    forced[tensor] = 1;
    results[tensor] = 1;
  }
  const rides = new Uint8Array(tensors.length);
  const cost = new Float64Array(tensors.length);
  const fullReads = new Float64Array(tensors.length);
  const prologueOf = new Int32Array(tensors.length).fill(unused);
  const analysis: Analysis = { consumers, forced, results, rides, cost, fullReads, prologueOf };
  for (const statement of statements) {
    const { body, inputs } = statement;
    measure(statement, program, analysis, factsOf);
    if (body.form !== "contraction" || body.contraction.window.length === 0 || body.contraction.groups !== 1) continue;
    for (const { tensor } of [body.contraction.input, body.contraction.output]) {
      const input = inputs[tensor] ?? -1;
      if (consumers[input] === 1 && inputs.indexOf(input) === inputs.lastIndexOf(input)) prologueOf[input] = statement.id;
    }
  }
  for (const { id } of tensors) {
    if (rides[id] === 1 || results[id] === 1 || (cost[id] ?? 0) > cheap || fullReads[id] !== 1) prologueOf[id] = unused;
    if (forced[id] === 1) cost[id] = fullReads[id] = 0;
  }
  return analysis;
}

function measure(statement: Statement, { statements, tensors }: Statements, analysis: Analysis, factsOf: FactsOf): void {
  const { body, inputs, outputs } = statement;
  const facts = factsOf(statement);
  const { consumers, rides, cost, fullReads, forced } = analysis;
  if (body.form === "reduction" || body.form === "contraction") for (const output of outputs) rides[output] = 1;
  if (body.form !== "pointwise") return;
  let ridden = 0;
  let reads = 0;
  let total = facts.cost;
  for (const read of facts.reads) {
    const input = inputs[read.load.operand] ?? -1;
    if (rides[input] === 1 && consumers[input] === 1 && read.permutes) ridden = 1;
    const producer = statements[tensors[input]?.statement ?? 0];
    // What is read several times and is not free will be refused to be evaluated in place.
    const elementwise = producer?.body.form === "pointwise" && (read.full || factsOf(producer).free);
    const stored = forced[input] === 1 || !elementwise;
    if (!stored) {
      total += cost[input] ?? 0;
      reads += fullReads[input] ?? 0;
    } else if (read.full) reads++;
  }
  for (const output of outputs) {
    rides[output] = ridden;
    cost[output] = total;
    fullReads[output] = reads;
  }
}
