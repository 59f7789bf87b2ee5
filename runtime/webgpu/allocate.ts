/** Makes buffers on a device, and hears whether it had the memory. */
import { outOfDeviceMemory } from "../problems.ts";

/**
 * Gives what `make` makes. Nothing waits between the opening and the closing of the error scope, so that it holds these
 * buffers alone. Throws RN602, with `what` needs the `bytes`, at which batch if it depends on one; all is then given back.
 */
export async function allocate(
  device: GPUDevice,
  what: string,
  bytes: number,
  batch: number | undefined,
  make: () => readonly GPUBuffer[],
): Promise<readonly GPUBuffer[]> {
  device.pushErrorScope("out-of-memory");
  const made = make();
  const error = await device.popErrorScope();
  if (error === null) return made;
  for (const each of made) each.destroy();
  throw outOfDeviceMemory(what, bytes, batch);
}
