/** What an optimizer is given once for a whole training run; the learning rate comes at each step. */

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

export type OptimizerSpec = SgdSpec | AdamSpec;
