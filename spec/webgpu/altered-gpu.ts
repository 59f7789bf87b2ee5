/**
 * A GPU whose devices are less than the real one: with smaller limits, or refusing memory on command.
 * Invariant: what is altered is on the outside of the device alone; all that is let through, Dawn checks and runs.
 */

/** `gpu` with every device passed through `alter`, and remembered. */
export function alteredGpu(
  gpu: GPU,
  alter: (device: GPUDevice, position: number) => void,
): { readonly gpu: GPU; readonly devices: readonly GPUDevice[] } {
  const devices: GPUDevice[] = [];
  const requestAdapter: GPU["requestAdapter"] = async (options) => {
    const adapter = await gpu.requestAdapter(options);
    if (adapter === null) return null;
    const { features, limits, info } = adapter;
    const requestDevice: GPUAdapter["requestDevice"] = async (wanted) => {
      const device = await adapter.requestDevice(wanted);
      alter(device, devices.length);
      devices.push(device);
      return device;
    };
    return { features, limits, info, requestDevice } as unknown as GPUAdapter;
  };
  return { gpu: { requestAdapter } as GPU, devices };
}

/** Limits as a poorer device would state them. */
export function lowerLimits(device: GPUDevice, lower: Readonly<Record<string, number>>): void {
  const { limits } = device;
  const value = new Proxy(limits, { get: (of, name) => lower[String(name)] ?? (Reflect.get(of, name, of) as unknown) });
  Object.defineProperty(device, "limits", { value });
}

/** Sizes of the buffers that a device makes from now on, by label. */
export function watchBuffers(device: GPUDevice): ReadonlyMap<string, readonly number[]> {
  const sizes = new Map<string, number[]>();
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const label = descriptor.label ?? "";
    sizes.set(label, [...(sizes.get(label) ?? []), descriptor.size]);
    return create(descriptor);
  };
  return sizes;
}

/** Refuses the memory of the `nth` buffer (from 1) with this label, in the way a device does: by the error scope. */
export function refuseBuffer(device: GPUDevice, label: string, nth: number): void {
  const scopes: { readonly filter: string; isRefused: boolean }[] = [];
  let count = 0;
  const [create, push, pop] = [device.createBuffer.bind(device), device.pushErrorScope.bind(device), device.popErrorScope.bind(device)];
  device.pushErrorScope = (filter) => {
    scopes.push({ filter, isRefused: false });
    return push(filter);
  };
  device.createBuffer = (descriptor) => {
    if (descriptor.label === label && ++count === nth) {
      const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
      if (scope === undefined) throw new Error(`nobody would hear that ${label} have no memory`);
      scope.isRefused = true;
    }
    return create(descriptor);
  };
  device.popErrorScope = async () => {
    const scope = scopes.pop();
    const error = await pop();
    return scope?.isRefused === true ? ({ message: "no memory, for the test" } as GPUError) : error;
  };
}
