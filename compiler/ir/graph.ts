/**
 * The flat, typed graph that is differentiated, rewritten and lowered.
 * Invariant: nodes are in topological order and `nodes[i].id === i`; equal nodes may be shared; shapes are constants or
 * `k * batch` with one batch symbol. Verified by `verifyGraph`.
 */
import type { Attributes, OpName } from "./attributes.ts";
import type { TensorType } from "./type.ts";

/** One output of a node. */
export interface Value {
  readonly node: number;
  readonly output: number;
}

interface NodeOf<K extends OpName> {
  readonly id: number;
  readonly op: K;
  readonly attributes: Attributes[K];
  readonly inputs: readonly Value[];
  readonly types: readonly TensorType[];
  /** The source path it serves, e.g. `layer1.0.conv1`; gradients carry the path of what they differentiate. */
  readonly path: string;
}

export type GraphNode = { readonly [K in OpName]: NodeOf<K> }[OpName];

export type NodeFor<K extends OpName> = NodeOf<K>;

export interface NamedValue {
  readonly name: string;
  readonly value: Value;
}

/** After the run, the tensor of a parameter, state or optimizer slot takes a new value. */
export interface GraphUpdate {
  /** A `parameter` or `state` node. */
  readonly target: number;
  readonly value: Value;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** Named results, e.g. the out ports, `loss`, gradients under `gradient.NAME`, `input.NAME`. */
  readonly outputs: readonly NamedValue[];
  readonly updates: readonly GraphUpdate[];
  /** Id of the free batch symbol, if the batch is free. */
  readonly batch: string | undefined;
}
