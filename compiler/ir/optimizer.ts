/** What an optimizer is given once for a whole training run; the learning rate comes at each step. */
import type { Span } from "../../grammar/source.ts";

/** Stochastic gradient descent with momentum (PyTorch's SGD). */
export interface SgdSpec {
  readonly kind: "sgd";
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly dampening: number;
}

/** Adam (Kingma and Ba 2015), or AdamW (Loshchilov and Hutter 2019), whose decay does not pass through the moments. */
export interface AdamSpec {
  readonly kind: "adam" | "adamw";
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/**
 * Parameters that weight decay leaves alone: many recipes exempt biases and the weights of normalisation (He et al. 2018,
 * arXiv 1812.01187, section 3.1).
 */
export interface DecayException {
  /** Over the parameter's name, as `matchesPath` reads it. */
  readonly pattern: string;
  readonly span: Span;
}

export type OptimizerSpec = (SgdSpec | AdamSpec) & { readonly except?: readonly DecayException[] };
