/** Which variants of a step a device can run, and which one the compiler would take. */
import type { WebgpuStepSpec, WebgpuVariantSpec } from "../manifest.ts";
import { moduleRejected } from "../problems.ts";
import type { Capabilities } from "./capabilities.ts";

/** Whether a device has what a variant asks for. */
export function isSupported(requires: WebgpuVariantSpec["requires"], { features, limits }: Capabilities): boolean {
  const { features: wanted = [], workgroupStorage = 0, invocations = 0 } = requires ?? {};
  if (!wanted.every((feature) => features.has(feature))) return false;
  return workgroupStorage <= limits.maxComputeWorkgroupStorageSize && invocations <= limits.maxComputeInvocationsPerWorkgroup;
}

/** In the compiler's order. */
export function supportedVariants({ variants }: WebgpuStepSpec, device: Capabilities): readonly WebgpuVariantSpec[] {
  return variants.filter(({ requires }) => isSupported(requires, device));
}

/**
 * The first variant that the device and the batch allow. Software compiles a kernel with barriers for seconds, and runs it
 * slower: there it is the first one without. Throws RN603.
 */
export function defaultVariant(step: WebgpuStepSpec, batch: number, device: Capabilities): WebgpuVariantSpec {
  const allowed = supportedVariants(step, device);
  const plain = device.isSoftware === true ? allowed.find((each) => each.plain === true) : undefined;
  const found = plain ?? allowed.find(({ upTo }) => upTo === undefined || batch <= upTo) ?? allowed.at(-1);
  if (found === undefined) throw moduleRejected(`the device can run no variant of the step that serves ${step.serves ?? "?"}`);
  return found;
}
