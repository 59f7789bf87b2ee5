/**
 * Compiles a model whose free sizes follow from the files it is given.
 * Invariant: sizes that the user sets with --dim win; a size that two inputs contradict fails before compiling.
 */
import { type InputTensor, normalizeTensor, readInput } from "../data/input.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import type { Api, CompileOptions, PortSummary, Program } from "./api.ts";
import { CommandFailure } from "./failure.ts";
import { parseInputs } from "./options.ts";
import type { Terminal } from "./terminal.ts";

export interface PreparedCall {
  readonly program: Program;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

/**
 * Compiles, reads the model's inputs, compiles again where they decide free sizes, then reads the inputs that the loss
 * adds (which only a program with fixed sizes can name).
 */
export async function prepareCall(api: Api, options: CompileOptions, inputTexts: readonly string[], terminal: Terminal): Promise<PreparedCall> {
  const paths = parseInputs(inputTexts);
  const first = await api.compile(options);
  const ports = first.summary().inputs;
  requireGiven(first.model, ports, paths);
  const inputs: Record<string, Tensor> = {};
  for (const port of ports) {
    const tensor = readInput(paths[port.name] ?? "", port);
    inputs[port.name] = normalized(tensor, port.name, first, terminal);
  }
  const dims = freeSizes(ports, inputs);
  const fixed = Object.keys(dims).length === 0;
  const program = fixed ? first : await api.compile({ ...options, dims: { ...dims, ...options.dims } });
  const all = [...ports, ...(options.mode === "training" ? lossInputs(program, ports) : [])];
  requireGiven(program.model, all, paths);
  const unknown = Object.keys(paths).find((name) => !all.some((port) => port.name === name));
  if (unknown !== undefined) throw new CommandFailure(`--input ${unknown}: ${program.model} has no such input; it takes ${listed(all)}`);
  for (const port of all.slice(ports.length)) inputs[port.name] = readInput(paths[port.name] ?? "", port);
  return { program, inputs };
}

function requireGiven(model: string, ports: readonly PortSummary[], paths: Readonly<Record<string, string>>): void {
  const missing = ports.find((port) => !Object.hasOwn(paths, port.name));
  if (missing !== undefined) throw new CommandFailure(`--input ${missing.name}=FILE is missing; ${model} takes ${listed(ports)}`);
}

function listed(ports: readonly PortSummary[]): string {
  return ports.map((port) => `${port.name}: ${port.dtype}[${port.shape.join(", ")}]`).join(", ");
}

/** In training: what the loss takes beside the model's inputs, e.g. `label`. */
function lossInputs(program: Program, ports: readonly PortSummary[]): readonly PortSummary[] {
  return (program.manifest.gradients?.inputs ?? [])
    .filter((port) => !ports.some((known) => known.name === port.name))
    .map((port) => ({
      name: port.name,
      dtype: port.dtype,
      shape: port.shape.map((size) => (typeof size === "number" ? size : "N")),
    }));
}

function normalized(tensor: InputTensor, name: string, program: Program, terminal: Terminal): Tensor {
  const normalize = program.recipe?.normalize;
  if (!tensor.picture || normalize === undefined) return tensor;
  terminal.say(
    `${name}: pixels normalised as recipe ${program.recipe?.name} does (mean ${normalize.mean.join(", ")}; std ${normalize.std.join(", ")})`,
  );
  return normalizeTensor(tensor, normalize);
}

/** Free sizes other than the batch, as the inputs have them. */
function freeSizes(ports: readonly PortSummary[], inputs: Readonly<Record<string, Tensor>>): Record<string, number> {
  const batch = ports[0]?.shape[0];
  const sizes: Record<string, number> = {};
  for (const port of ports) {
    const actual = inputs[port.name]?.shape ?? [];
    port.shape.forEach((size, axis) => {
      const found = actual[axis];
      if (typeof size !== "string" || size === batch || found === undefined || !/^[A-Za-z_]\w*$/.test(size)) return;
      if (sizes[size] !== undefined && sizes[size] !== found) {
        throw new CommandFailure(`--input ${port.name}: ${size} is ${found} here but ${sizes[size]} in another input`);
      }
      sizes[size] = found;
    });
  }
  return sizes;
}
