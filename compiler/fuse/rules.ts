/**
 * What a target asks of fusion, and the switches by which tests compare each rule on and off.
 * Invariant: a rule changes the kernels and the memory, never the values.
 */

export interface FusionRules {
  /** Elementwise statements join the kernel of the contraction or reduction that they follow. */
  readonly epilogues: boolean;
  /** Elementwise statements and movement are evaluated inside their consumers. */
  readonly inlining: boolean;
  /** Kernels over equal loops that read a common tensor become one kernel with several results. */
  readonly siblings: boolean;
  /** Tensors of convolutions keep their channels innermost. */
  readonly channelsLast: boolean;
  /** Parts of a concat are written into its buffer. */
  readonly concatInPlace: boolean;
  /** Elementwise functions of an operand are applied as a contraction reads it. */
  readonly prologues: boolean;
  /** Loops that address memory as one loop become one. */
  readonly collapsing: boolean;
  /** A result may take the memory of an operand that it uses up; updates are written in place. */
  readonly inPlace: boolean;
}

export interface Target {
  readonly name: "wasm" | "webgpu" | "plain";
  readonly rules: FusionRules;
  /** Most tensors that one kernel may touch. */
  readonly maximumOperands: number;
  /** Most elementwise operations in one kernel, in units of `costOf`. */
  readonly maximumCost: number;
}

const everything: FusionRules = {
  epilogues: true,
  inlining: true,
  siblings: true,
  channelsLast: true,
  concatInPlace: true,
  prologues: true,
  collapsing: true,
  inPlace: true,
};

/** The CPU back end. */
export const wasmTarget: Target = { name: "wasm", rules: everything, maximumOperands: 48, maximumCost: 400 };

/** WebGPU guarantees 8 storage buffers to a shader stage (WebGPU specification, limits). */
export const webgpuTarget: Target = { name: "webgpu", rules: everything, maximumOperands: 8, maximumCost: 400 };

/** The same target with some rules changed. */
export function withRules(target: Target, rules: Partial<FusionRules>): Target {
  return { ...target, rules: { ...target.rules, ...rules } };
}
