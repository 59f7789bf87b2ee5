/** Which variants of a kernel a device can run, and which one the compiler would take. */
import type { WebgpuCallSpec, WebgpuSpec, WebgpuStepSpec, WebgpuVariantSpec } from "../manifest.ts";
import { moduleRejected } from "../problems.ts";
import type { Capabilities } from "./capabilities.ts";

/** Whether a device has what a variant asks for. */
export function isSupported(requires: WebgpuVariantSpec["requires"], { features, limits }: Capabilities): boolean {
  const { features: wanted = [], workgroupStorage = 0, invocations = 0 } = requires ?? {};
  if (!wanted.every((feature) => features.has(feature))) return false;
  return workgroupStorage <= limits.maxComputeWorkgroupStorageSize && invocations <= limits.maxComputeInvocationsPerWorkgroup;
}

/** In the compiler's order. */
export function supportedVariants({ variants }: WebgpuCallSpec, device: Capabilities): readonly WebgpuVariantSpec[] {
  return variants.filter(({ requires }) => isSupported(requires, device));
}

/**
 * The first variant that the device and the batch allow; `serves` is for the message. Software compiles a kernel with
 * barriers for seconds, and runs it slower: there it is the first one without. Throws RN603.
 */
export function defaultVariant(call: WebgpuCallSpec, batch: number, device: Capabilities, serves = "?"): WebgpuVariantSpec {
  const allowed = supportedVariants(call, device);
  const plain = device.isSoftware === true ? allowed.find((each) => each.plain === true) : undefined;
  const found = plain ?? allowed.find(({ upTo }) => upTo === undefined || batch <= upTo) ?? allowed.at(-1);
  if (found === undefined) throw moduleRejected(`the device can run no variant of the step that serves ${serves}`);
  return found;
}

/** What a step runs. */
export function callOf({ calls }: Pick<WebgpuSpec, "calls">, { call }: WebgpuStepSpec): WebgpuCallSpec {
  const found = calls[call];
  if (found === undefined) throw new Error(`internal error: there is no call ${call}`);
  return found;
}
