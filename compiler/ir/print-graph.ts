/**
 * A graph as text, one line a node: for goldens and for reading.
 * Invariant: equal graphs print alike; nothing depends on object identity.
 */
import { formatDim } from "./dim.ts";
import type { Graph, GraphNode, Value } from "./graph.ts";
import type { TensorType } from "./type.ts";

/** `%4 = convolution(%0, %3) {groups: 1, ...} : f32[N, 16, 32, 32]  # layer1.0.conv1` */
export function printGraph(graph: Graph): string {
  const lines = graph.nodes.map(printNode);
  for (const { name, value } of graph.outputs) lines.push(`output ${name} = ${printValue(value)}`);
  for (const { target, value } of graph.updates) lines.push(`update %${target} = ${printValue(value)}`);
  return `${lines.join("\n")}\n`;
}

/** One node. */
export function printNode(node: GraphNode): string {
  const inputs = node.inputs.map(printValue).join(", ");
  const attributes = printAttribute(node.attributes);
  const types = node.types.map(printType).join(", ");
  const comment = node.path === "" ? "" : `  # ${node.path}`;
  return `%${node.id} = ${node.op}(${inputs})${attributes === "{}" ? "" : ` ${attributes}`} : ${types}${comment}`;
}

/** `f32[N, 3, 32, 32]` */
export function printType({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape.map(formatDim).join(", ")}]`;
}

/** `%4`, or `%4.1` for a second output. */
export function printValue({ node, output }: Value): string {
  return output === 0 ? `%${node}` : `%${node}.${output}`;
}

/** Attributes as text with sorted names: equal texts mean equal attributes. */
export function printAttribute(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value !== "object" || value === null) return typeof value === "string" ? JSON.stringify(value) : String(value);
  if (Array.isArray(value)) return `[${value.map(printAttribute).join(", ")}]`;
  if ("kind" in value && value.kind === "dim" && "key" in value) return String(value.key);
  let text = "";
  for (const name of Object.keys(value).sort()) {
    text += `${text === "" ? "" : ", "}${name}: ${printAttribute((value as Readonly<Record<string, unknown>>)[name])}`;
  }
  return `{${text}}`;
}
