/** The elaborated program as text, for `--dump=program`: instances along their paths, joins with their skips. */
import { formatDim } from "../ir/dim.ts";
import type { Entry, Instance, Program } from "../ir/program.ts";

export function printProgram(program: Program): string {
  const lines = [`model ${program.model} (names ${program.scheme})`];
  printInstance(lines, program.root, "", 1);
  if (program.loss !== undefined) {
    lines.push("loss");
    printInstance(lines, program.loss, "loss", 1);
  }
  for (const guard of program.guards) lines.push(`guard: ${guard.message}`);
  return `${lines.join("\n")}\n`;
}

function shape(instance: Instance, id: number): string {
  const type = instance.types[id];
  return type === undefined ? "?" : `${type.dtype}[${type.shape.map(formatDim).join(", ")}]`;
}

function printInstance(lines: string[], instance: Instance, path: string, depth: number): void {
  const indent = "  ".repeat(depth);
  for (const port of instance.inputs) lines.push(`${indent}in  ${port.name} = %${port.value}: ${shape(instance, port.value)}`);
  for (const entry of instance.entries) printEntry(lines, instance, entry, path, depth);
  for (const port of instance.outputs) lines.push(`${indent}out ${port.name} = %${port.value}: ${shape(instance, port.value)}`);
}

function printEntry(lines: string[], instance: Instance, entry: Entry, path: string, depth: number): void {
  const indent = "  ".repeat(depth);
  switch (entry.kind) {
    case "op": {
      const inputs = entry.inputs.map((id) => `%${id}`).join(", ");
      lines.push(
        `${indent}${entry.outputs.map((id) => `%${id}`).join(", ")} = ${entry.op}(${inputs}): ${entry.outputs.map((id) => shape(instance, id)).join(", ")}`,
      );
      return;
    }
    case "parameter":
    case "state":
      lines.push(`${indent}%${entry.output} = ${entry.kind} ${[path, entry.name].filter(Boolean).join(".")}: ${shape(instance, entry.output)}`);
      return;
    case "update":
      lines.push(`${indent}update ${[path, entry.name].filter(Boolean).join(".")} = %${entry.value}`);
      return;
    case "call": {
      const at = [path, ...entry.path].filter(Boolean).join(".");
      const outputs = entry.outputs.map((id) => `%${id}`).join(", ");
      lines.push(`${indent}${outputs} = ${entry.instance.block}(${entry.inputs.map((id) => `%${id}`).join(", ")}) at "${at}"`);
      printInstance(lines, entry.instance, at, depth + 1);
      return;
    }
    case "join":
      lines.push(`${indent}join ${[path, ...entry.path].filter(Boolean).join(".")}: ${entry.merge}, main %${entry.main}, result %${entry.output}`);
      for (const skip of entry.skips) lines.push(`${indent}  skip ${skip.name}: %${skip.from} via ${skip.adaptation} = %${skip.arrives}`);
      return;
    default:
      entry satisfies never;
  }
}
