/**
 * Every operator by name. Invariant: complete; an operator of `Attributes` without an entry fails to compile.
 */
import type { OpName } from "../ir/attributes.ts";
import * as contract from "./contract.ts";
import * as elementwise from "./elementwise.ts";
import { gather, scatter_add } from "./gather.ts";
import * as movement from "./movement.ts";
import * as normalize from "./normalize.ts";
import type { Operator } from "./operator.ts";
import * as optimizer from "./optimizer.ts";
import * as pool from "./pool.ts";
import { random } from "./random.ts";
import { argmax, reduce } from "./reduce.ts";
import * as softmax from "./softmax.ts";
import * as source from "./source.ts";

/** The closed table of operators. */
export const operators: { readonly [K in OpName]: Operator<K> } = {
  input: source.input,
  parameter: source.parameter,
  state: source.state,
  scalar: source.scalar,
  constant: source.constant,
  size: source.size,
  iota: source.iota,
  random,
  unary: elementwise.unary,
  binary: elementwise.binary,
  select: elementwise.select,
  cast: elementwise.cast,
  stop_gradient: elementwise.stop_gradient,
  broadcast: movement.broadcast,
  reshape: movement.reshape,
  transpose: movement.transpose,
  slice: movement.slice,
  pad: movement.pad,
  concat: movement.concat,
  gather,
  scatter_add,
  reduce,
  argmax,
  convolution: contract.convolution,
  convolution_input_gradient: contract.convolution_input_gradient,
  convolution_kernel_gradient: contract.convolution_kernel_gradient,
  matmul: contract.matmul,
  max_pool: pool.max_pool,
  max_pool_gradient: pool.max_pool_gradient,
  avg_pool: pool.avg_pool,
  avg_pool_gradient: pool.avg_pool_gradient,
  batch_norm: normalize.batch_norm,
  batch_moments: normalize.batch_moments,
  batch_norm_gradient_sums: normalize.batch_norm_gradient_sums,
  batch_norm_gradient_input: normalize.batch_norm_gradient_input,
  softmax: softmax.softmax,
  log_softmax: softmax.log_softmax,
  softmax_cross_entropy: softmax.softmax_cross_entropy,
  softmax_cross_entropy_gradient: softmax.softmax_cross_entropy_gradient,
  sgd_step: optimizer.sgd_step,
  adam_moments: optimizer.adam_moments,
  adam_step: optimizer.adam_step,
};

/** The operator of a name, with its own attribute type. */
export function operatorOf<K extends OpName>(op: K): Operator<K> {
  return operators[op];
}
