/**
 * Which memory of an inference program is stored as f16: what flows between contractions, and the weights that are made
 * for them. Everything else stays f32: ports, the network's own tensors, statistics, whatever a reduction leaves.
 * Invariant: kernels compute in f32 whatever the storage; memory of integers is never taken.
 */
import type { Kernel } from "../ir/kernel.ts";
import type { Plan } from "../ir/plan.ts";

export interface HalfMemory {
  /** Memory of `infer`, by the caller's number. */
  readonly infer: ReadonlySet<number>;
  /** Of these, the weights. */
  readonly weights: ReadonlySet<number>;
}

/** How a kernel touches an operand. */
type Role = "weights" | "factor" | "result" | "other";

/** `memoryOf` numbers the memory of a buffer; `isMade` says of a number whether `prepare` makes it, `isTensor` whether it is the network's. */
export function halfMemory(
  plan: Plan,
  memoryOf: (buffer: number) => number,
  isMade: (memory: number) => boolean,
  isTensor: (memory: number) => boolean,
): HalfMemory {
  const roles = new Map<number, Set<Role>>();
  const refused = new Set([...plan.inputs, ...plan.scalars, ...plan.outputs].map(({ buffer }) => memoryOf(buffer)));
  for (const { kernel } of plan.steps) {
    for (const [position, { buffer, type }] of kernel.operands.entries()) {
      const memory = memoryOf(buffer);
      if (type !== "f32" || kernel.form === "sequential") refused.add(memory);
      const known = roles.get(memory) ?? new Set();
      roles.set(memory, known.add(roleOf(kernel, position)));
    }
  }
  const infer = new Set<number>();
  const weights = new Set<number>();
  for (const [memory, found] of roles) {
    if (refused.has(memory) || isTensor(memory)) continue;
    if (isMade(memory)) {
      if (!found.has("weights")) continue;
      weights.add(memory);
    } else if (!found.has("factor") && !found.has("result")) continue;
    infer.add(memory);
  }
  return { infer, weights };
}

function roleOf(kernel: Kernel, position: number): Role {
  if (kernel.form !== "contraction") return "other";
  const { result, input, kernel: weights, output } = kernel.contraction;
  if (result !== "kernel" && position === weights.operand) return "weights";
  if (position === (result === "input" ? output : input).operand) return "factor";
  return kernel.stores.some((store) => store.operand === position) ? "result" : "other";
}
