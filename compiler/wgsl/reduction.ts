/** Reductions: with subgroups where the device has them, else by a workgroup's memory alone. */
import type { Kernel } from "../ir/kernel.ts";
import { emitReduction, isShared } from "./loops.ts";
import type { VariantPlan } from "./variant.ts";

/** The ways to compute a reduction, under names that begin with `name` and with the limits given. */
export function reductionVariants(
  name: string,
  limits: Pick<VariantPlan, "upTo" | "triedUpTo">,
  kernel: Kernel & { readonly form: "reduction" },
): readonly VariantPlan[] {
  const variant = (own: string, subgroups: boolean): VariantPlan => ({
    name: own,
    ...limits,
    ...(subgroups ? { requires: { features: ["subgroups"] } } : {}),
    scratch: [],
    dispatches: [{ part: own, kernel, emit: (shader) => emitReduction(shader, kernel, subgroups) }],
  });
  const plain = variant(name, false);
  return isShared(kernel) ? [variant(name === "" ? "subgroups" : `${name}_subgroups`, true), plain] : [plain];
}
