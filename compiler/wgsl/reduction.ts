/** Reductions: with subgroups where the device has them, else by a workgroup's memory alone; on software by neither. */
import type { Kernel } from "../ir/kernel.ts";
import { emitReduction, isShared, type Sharing } from "./loops.ts";
import type { VariantPlan } from "./variant.ts";

/** The ways to compute a reduction, under names that begin with `name` and with the limits given. */
export function reductionVariants(
  name: string,
  limits: Pick<VariantPlan, "upTo" | "triedUpTo">,
  kernel: Kernel & { readonly form: "reduction" },
): readonly VariantPlan[] {
  const variant = (own: string, sharing: Sharing, further: Partial<VariantPlan> = {}): VariantPlan => ({
    name: own,
    ...limits,
    ...further,
    scratch: [],
    dispatches: [{ part: own, kernel, emit: (shader) => emitReduction(shader, kernel, sharing) }],
  });
  if (!isShared(kernel)) return [variant(name, "alone")];
  const shared = [
    variant(name === "" ? "subgroups" : `${name}_subgroups`, "subgroups", { requires: { features: ["subgroups"] } }),
    variant(name, "tree"),
  ];
  return name === "" ? [variant("alone", "alone", { upTo: 0, triedUpTo: 0, plain: true }), ...shared] : shared;
}
