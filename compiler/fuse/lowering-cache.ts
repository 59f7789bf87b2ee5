/**
 * Equal nodes are lowered once: bodies by operator, attributes and types; types as sizes by their text.
 * Invariant: a key is equal exactly for nodes whose bodies are equal.
 */
import { type Dim, dimKey } from "../ir/dim.ts";
import type { GraphNode } from "../ir/graph.ts";
import type { ScalarType, Size } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import type { LoweredBody } from "./hoist.ts";
import { sizeOfDim } from "./size.ts";

export interface LoweringCache {
  readonly bodies: Map<string, LoweredBody>;
  typeOf(type: TensorType): { readonly shape: readonly Size[]; readonly type: ScalarType };
  keyOf(node: GraphNode, inputs: readonly TensorType[]): string;
}

/** An empty cache for a graph with this batch symbol. */
export function createLoweringCache(batch: string | undefined): LoweringCache {
  const types = new Map<string, LoweredType>();
  /** Most attributes and types are objects that many nodes share: their text is made once. */
  const byType = new Map<TensorType, LoweredType>();
  const attributes = new Map<object, string>();
  const lowered = (type: TensorType): LoweredType => {
    let known = byType.get(type);
    if (known !== undefined) return known;
    const key = typeKey(type);
    known = types.get(key);
    if (known === undefined) {
      const scalar = type.dtype === "f32" || type.dtype === "f16" ? "f32" : "i32";
      known = { shape: type.shape.map((dim) => sizeOfDim(dim, batch)), type: scalar, key };
      types.set(key, known);
    }
    byType.set(type, known);
    return known;
  };
  return {
    bodies: new Map(),
    typeOf: lowered,
    keyOf(node, inputs) {
      let text = attributes.get(node.attributes);
      if (text === undefined) attributes.set(node.attributes, (text = attributeKey(node.attributes)));
      let key = `${node.op}|${text}`;
      for (const type of node.types) key += `>${lowered(type).key}`;
      for (const type of inputs) key += `<${lowered(type).key}`;
      return key;
    },
  };
}

/** A type by sizes, with its text. */
interface LoweredType {
  readonly shape: readonly Size[];
  readonly type: ScalarType;
  readonly key: string;
}

function typeKey({ dtype, shape }: TensorType): string {
  let key: string = dtype;
  for (const dim of shape) key += `,${typeof dim === "number" ? dim : dim.key}`;
  return key;
}

function attributeKey(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${typeof value === "string" ? "'" : ""}${String(value)}`;
  if (Array.isArray(value)) return `[${value.map(attributeKey).join()}]`;
  if (isDim(value)) return dimKey(value);
  let key = "{";
  for (const [name, part] of Object.entries(value)) key += `${name}:${attributeKey(part)};`;
  return `${key}}`;
}

function isDim(value: object): value is Exclude<Dim, number> {
  return "kind" in value && value.kind === "dim";
}
