/**
 * The elaborated program: one Instance per distinct use of a block, with joins and skips as entities of their own.
 * Invariant: value ids are local to an Instance; entries are in evaluation order; equal uses share one Instance.
 */
import type { Span } from "../../grammar/source.ts";
import type { Attributes, Initializer, OpName } from "./attributes.ts";
import type { Relation } from "./relation.ts";
import type { Dtype, TensorType } from "./type.ts";
import type { Dim } from "./dim.ts";

export type ValueId = number;

export interface Port {
  readonly name: string;
  readonly value: ValueId;
}

export interface Instance {
  /** The block's name as declared. */
  readonly block: string;
  readonly span: Span;
  readonly types: readonly TensorType[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly entries: readonly Entry[];
  /** Labels whose tensors come first in checkpoints, in this order. */
  readonly order: readonly string[];
  /** Whether a parameter or state lies in it or below it. */
  readonly holdsTensors: boolean;
}

export interface OpEntry<K extends OpName = OpName> {
  readonly kind: "op";
  readonly op: K;
  readonly attributes: Attributes[K];
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly span: Span;
}

export interface TensorEntry {
  readonly kind: "parameter" | "state";
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly Dim[];
  readonly initializer: Initializer;
  readonly output: ValueId;
  readonly span: Span;
}

export interface UpdateEntry {
  readonly kind: "update";
  readonly name: string;
  readonly value: ValueId;
  readonly span: Span;
}

export interface CallEntry {
  readonly kind: "call";
  /** Path components it adds: `["layer1", "0"]`; empty for a stage that adds none. */
  readonly path: readonly string[];
  readonly instance: Instance;
  readonly inputs: readonly ValueId[];
  readonly outputs: readonly ValueId[];
  readonly span: Span;
}

/** How a skip reaches its join. */
export type Adaptation = "identity" | "project" | "pad" | "chain";

export interface SkipEdge {
  /** `x -> sum`, or its label. */
  readonly name: string;
  readonly from: ValueId;
  readonly adaptation: Adaptation;
  /** What arrives at the join, after the adaptation. */
  readonly arrives: ValueId;
  readonly span: Span;
}

/** The merge itself is made of `op` entries that precede it; this one records the edges. */
export interface JoinEntry {
  readonly kind: "join";
  readonly path: readonly string[];
  readonly merge: string;
  readonly main: ValueId;
  readonly skips: readonly SkipEdge[];
  readonly output: ValueId;
  readonly span: Span;
}

export type Entry = OpEntry | TensorEntry | UpdateEntry | CallEntry | JoinEntry;

/** A relation that was neither proved nor refuted: checked when sizes are known. */
export interface Guard {
  readonly relation: Relation;
  readonly message: string;
  readonly span: Span;
}

export interface Program {
  readonly model: string;
  readonly root: Instance;
  readonly guards: readonly Guard[];
  readonly scheme: string;
  /** Id of the batch symbol if the batch is free. */
  readonly batch: string | undefined;
  /** Inputs by name: the root's outputs and inputs, and targets; one output, a number. Only of a program that trains. */
  readonly loss?: Instance;
}
