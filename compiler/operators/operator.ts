/**
 * What one must state to add an operator: type rule, gradient, lowering, reference, documentation, in one object.
 * Invariant: rules are pure; they reach the graph only through the contexts given to them.
 */
import type { Attributes, OpName } from "../ir/attributes.ts";
import type { Dim } from "../ir/dim.ts";
import type { NodeFor, Value } from "../ir/graph.ts";
import type { Accumulator, Affine, Axis, Contraction, Coordinate, Expression, Size } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";

/** What a type rule may ask; the checker answers symbolically and reports, the graph builder with certainty. */
export interface TypeContext {
  /** Demands a relation; `what` names it for the message: "input channels", "kernel fits the padded input". */
  require(relation: TypeRelation, what: string): void;
  /** A problem of rank or dtype that no size can mend. The rule then returns `undefined`. */
  fail(problem: TypeProblem): undefined;
}

export type TypeRelation =
  | { readonly op: "==" | "<=" | ">="; readonly left: Dim; readonly right: Dim }
  | { readonly op: "divides"; readonly divisor: Dim; readonly dividend: Dim };

export interface TypeProblem {
  readonly kind: "rank" | "dtype" | "axis" | "arity" | "attribute";
  /** Which input (by position) is at fault, if one is. */
  readonly input?: number;
  readonly message: string;
}

/** Gradients build nodes with this. */
export interface Emitter {
  emit<K extends OpName>(op: K, inputs: readonly Value[], attributes: Attributes[K]): Value;
  /** For operators with several outputs. */
  emitAll<K extends OpName>(op: K, inputs: readonly Value[], attributes: Attributes[K]): readonly Value[];
  typeOf(value: Value): TensorType;
}

/** A dense tensor of the reference interpreter: row-major, f64 whatever the dtype. */
export interface ReferenceTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export interface LowerContext {
  /** Concrete or batch-proportional sizes of inputs and outputs. */
  readonly inputs: readonly (readonly Size[])[];
  readonly outputs: readonly (readonly Size[])[];
  readonly inputTypes: readonly TensorType[];
  /** Loads input `i` at logical coordinates. `fill` is the value outside bounds. */
  load(input: number, at: readonly (Coordinate | Affine)[], fill?: number): Expression;
}

/** An output computed by loops over logical indices; `operand` of loads is the input's position until fusion resolves it. */
export type Computation =
  /** Axes are the output's (all outputs share one shape); `values[k]` is output k. */
  | { readonly form: "pointwise"; readonly axes: readonly Axis[]; readonly values: readonly Expression[] }
  /** Parallel axes are the outputs' axes; loads in accumulators index parallel axes, then reduced ones. */
  | {
      readonly form: "reduction";
      readonly axes: readonly Axis[];
      readonly reduced: readonly Axis[];
      readonly accumulators: readonly Accumulator[];
      readonly values: readonly Expression[];
    }
  | { readonly form: "contraction"; readonly contraction: LogicalContraction }
  /** Same elements in row-major order under another shape. */
  | { readonly form: "alias" }
  /** Along an axis, inputs one after another. */
  | { readonly form: "concat"; readonly axis: number }
  /** output = zeros; then output[index..] += value over `axes`, in order. */
  | {
      readonly form: "scatter";
      readonly axes: readonly Axis[];
      readonly at: readonly Coordinate[];
      readonly value: Expression;
    }
  /** Inputs, parameters, states, scalars: nothing to compute. */
  | { readonly form: "source" };

/** A contraction over logical axes: which tensor axis plays which role. `scale` multiplies the axis' stride. */
export interface LogicalContraction extends Pick<Contraction, "result" | "batch" | "groups" | "window" | "inputChannels" | "outputChannels"> {
  /** Positions among the node's inputs; the result's own role has tensor -1 (the node's output 0). */
  readonly input: LogicalRole;
  readonly kernel: {
    readonly tensor: number;
    readonly group: RoleAxis | undefined;
    readonly taps: readonly RoleAxis[];
    readonly input: RoleAxis;
    readonly output: RoleAxis;
  };
  readonly output: LogicalRole;
}

export interface RoleAxis {
  readonly axis: number;
  readonly scale: number;
}

export interface LogicalRole {
  readonly tensor: number;
  readonly batch: RoleAxis | undefined;
  readonly group: RoleAxis | undefined;
  readonly spatial: readonly RoleAxis[];
  readonly channel: RoleAxis;
}

export interface Operator<K extends OpName> {
  /** One paragraph for LANGUAGE.md and hover: meaning, shapes, source of the formula. */
  readonly documentation: string;
  /** Output types, or undefined after `fail`. */
  type(context: TypeContext, inputs: readonly TensorType[], attributes: Attributes[K]): readonly TensorType[] | undefined;
  /** Gradients of the inputs given those of the outputs (undefined: no gradient flows); "none" if not differentiable. */
  readonly gradient: "none" | ((emitter: Emitter, node: NodeFor<K>, outputs: readonly (Value | undefined)[]) => readonly (Value | undefined)[]);
  lower(context: LowerContext, attributes: Attributes[K]): Computation;
  /**
   * Direct f64 evaluation, independent of `lower`; sources are evaluated by the interpreter itself. Attributes hold
   * numbers only; `shapes` and `types` are the outputs'.
   */
  reference(
    inputs: readonly ReferenceTensor[],
    attributes: Attributes[K],
    shapes: readonly (readonly number[])[],
    types: readonly TensorType[],
  ): readonly ReferenceTensor[];
  /** ONNX operator it maps to, perhaps by attributes, for the exporter; undefined: exported as its decomposition. */
  readonly onnx: string | undefined | ((attributes: Attributes[K]) => string | undefined);
}
