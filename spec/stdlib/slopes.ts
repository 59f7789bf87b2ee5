/**
 * Gradients of a whole model against central differences of its loss in f64.
 * Invariant: along one fixed direction for each tensor and real input, so that a model costs two losses a tensor and a
 * wrong element shows all the same.
 */
import { liveGraph } from "../../compiler/graph/live.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { type Bindings, interpret } from "../../compiler/interpret/interpret.ts";
import type { ReferenceTensor } from "../../compiler/operators/operator.ts";

const STEP = 1e-6;
/** Of more tensors every second, third, … is taken: their blocks repeat. */
const MOST_TENSORS = 16;
/** Below this a slope is compared absolutely. */
const LEAST_SLOPE = 1e-3;

/** By `gradient NAME` and `input NAME`: how far the gradient is off the slope of the loss, in parts of that slope. */
export function slopeDeviations(gradients: Graph, bindings: Bindings): ReadonlyMap<string, number> {
  const loss = liveGraph({ ...gradients, outputs: gradients.outputs.filter(({ name }) => name === "loss"), updates: [] });
  const lossAt = (changed: Partial<Bindings>): number => interpret(loss, { ...bindings, ...changed }).outputs.get("loss")?.data[0] ?? Number.NaN;
  const off = new Map<string, number>();
  const found = [...interpret(gradients, bindings).outputs].filter(([name]) => name.startsWith("gradient.") || name.startsWith("input."));
  const every = Math.ceil(found.length / MOST_TENSORS);
  for (const [name, { data: gradient }] of found.filter((_, i) => i % every === 0)) {
    const [kind, ...rest] = name.split(".");
    const group = kind === "input" ? "inputs" : "tensors";
    const key = rest.join(".");
    const tensor = bindings[group].get(key);
    if (tensor === undefined) continue;
    const direction = Float64Array.from(tensor.data, (_, i) => Math.sin(3 + i * 7.31 + Math.sin(i * 41.7)));
    const moved = (by: number): number => lossAt({ [group]: new Map(bindings[group]).set(key, along(tensor, direction, by)) });
    const slope = (moved(STEP) - moved(-STEP)) / (2 * STEP);
    const claimed = gradient.reduce((sum, value, i) => sum + value * (direction[i] ?? 0), 0);
    off.set(`${kind} ${key}`, Math.abs(claimed - slope) / Math.max(Math.abs(slope), LEAST_SLOPE));
  }
  return off;
}

function along(tensor: ReferenceTensor, direction: Float64Array, by: number): ReferenceTensor {
  return { ...tensor, data: Float64Array.from(tensor.data, (value, i) => value + by * (direction[i] ?? 0)) };
}
