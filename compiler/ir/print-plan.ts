/**
 * Plans as text for people, `--dump=plan`: ports, memory, and one line per step with what it reads, writes and frees.
 * Invariant: deterministic; the same plan prints equally.
 */
import { printKernel, printSize } from "./print-kernel.ts";
import type { Buffer, NetworkPlan, Plan, PortBuffer } from "./plan.ts";

function printPlace({ place, size }: Buffer): string {
  return `${place.arena}+${place.offset} x${printSize(size)}`;
}

function bufferName(plan: Plan, id: number): string {
  const { name } = plan.buffers[id] ?? {};
  return name === undefined || name === "" ? `b${id}` : `b${id}:${name}`;
}

/** The steps of one program; `kernels` adds the text of each. */
export function printPlan(plan: Plan, options: { readonly kernels?: boolean } = {}): string {
  const name = (id: number): string => bufferName(plan, id);
  const port =
    (kind: string) =>
    ({ name: own, buffer, dtype, shape }: PortBuffer): string => {
      const at = plan.buffers[buffer];
      return `${kind} ${own}: ${dtype}[${shape.map(printSize).join(", ")}] ${at === undefined ? "?" : printPlace(at)}`;
    };
  const lines = [
    ...plan.inputs.map(port("input")),
    ...plan.scalars.map(port("scalar")),
    ...plan.outputs.map(port("output")),
    `memory: fixed ${plan.fixedBytes} B, batch ${plan.batchBytes} B each`,
  ];
  for (const [step, { kernel, frees }] of plan.steps.entries()) {
    if (options.kernels === true) {
      lines.push(`step ${step}: ${printKernel(kernel, name)}`);
    } else {
      const written = new Set(kernel.stores.map((store) => store.operand));
      const list = (wanted: boolean): string =>
        kernel.operands.flatMap((operand, k) => (written.has(k) === wanted ? [name(operand.buffer)] : [])).join(", ");
      lines.push(`step ${step}: ${kernel.form} ${kernel.name}: ${list(true)} <- ${list(false)}`);
    }
    for (const id of frees) {
      const buffer = plan.buffers[id];
      if (buffer !== undefined) lines.push(`  frees ${name(id)} ${printPlace(buffer)}`);
    }
  }
  return lines.join("\n");
}

/** All programs of a network. */
export function printNetworkPlan(network: NetworkPlan, options: { readonly kernels?: boolean } = {}): string {
  const lines = [`persistent ${network.persistentBytes} B`];
  for (const { name, kind, dtype, shape, buffer } of network.tensors) {
    lines.push(`${kind} ${name}: ${dtype}[${shape.join(", ")}] ${printPlace(buffer)}`);
  }
  const { prepare, infer, gradients, step } = network;
  for (const [name, plan] of Object.entries({ prepare, infer, gradients, step })) {
    if (plan !== undefined) lines.push(`program ${name}`, printPlan(plan, options));
  }
  return lines.join("\n");
}
