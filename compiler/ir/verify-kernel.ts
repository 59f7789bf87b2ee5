/**
 * Checks that a kernel is well formed; a violation is a compiler bug.
 * Invariant checked: indices name existing operands, axes, lets and accumulators; coordinates match strides; stores of
 * contractions and loops write operands; types of operands agree.
 */
import { invariant } from "./invariant.ts";
import type { Affine, Coordinate, Expression, Kernel } from "./kernel.ts";

/** Throws for a malformed kernel, else returns it. */
export function verifyKernel(kernel: Kernel): Kernel {
  const fail = (what: string): string => `kernel ${kernel.name}: ${what}`;
  const parallel = kernel.axes.length;
  const reduced = kernel.form === "reduction" ? kernel.reduced.length : 0;
  const accumulators = kernel.form === "reduction" ? kernel.accumulators.length : kernel.form === "contraction" ? 1 : 0;
  const checkAffine = (index: Affine, axes: number): void => {
    let before = -1;
    for (const { axis, coefficient } of index.terms) {
      invariant(axis > before && axis < axes, fail(`an index names axis ${axis} of ${axes}, or axes out of order`));
      invariant(Number.isSafeInteger(coefficient) && coefficient !== 0, fail("an index has a coefficient that is no integer"));
      before = axis;
    }
    invariant(Number.isSafeInteger(index.constant), fail("an index has a constant that is no integer"));
  };
  const checkAccess = (operand: number, at: readonly Coordinate[], axes: number, lets: number, sums: number): void => {
    const target = kernel.operands[operand];
    invariant(target !== undefined, fail(`there is no operand ${operand}`));
    invariant(target.strides.length === at.length, fail(`operand ${operand} has ${target.strides.length} axes, not ${at.length}`));
    for (const each of at) {
      checkAffine(each.index, axes);
      if (each.dynamic !== undefined) check(each.dynamic, axes, lets, sums);
    }
  };
  const check = (e: Expression, axes: number, lets: number, sums: number): void => {
    switch (e.kind) {
      case "load":
        return checkAccess(e.operand, e.at, axes, lets, sums);
      case "index":
        return checkAffine(e.value, axes);
      case "unary":
      case "cast":
        return check(e.x, axes, lets, sums);
      case "binary":
        check(e.left, axes, lets, sums);
        return check(e.right, axes, lets, sums);
      case "select":
        check(e.condition, axes, lets, sums);
        check(e.then, axes, lets, sums);
        return check(e.else, axes, lets, sums);
      case "random":
        check(e.seed, axes, lets, sums);
        return check(e.index, axes, lets, sums);
      case "accumulator":
        return invariant(e.index < sums, fail(`there is no accumulator ${e.index}`));
      case "let":
        return invariant(e.index < lets, fail(`let ${e.index} is used before it is computed`));
      case "constant":
      case "size":
        return;
      default:
        return e satisfies never;
    }
  };
  if (kernel.form === "reduction") for (const { value } of kernel.accumulators) check(value, parallel + reduced, 0, 0);
  for (const [k, value] of kernel.lets.entries()) check(value, parallel, k, accumulators);
  invariant(kernel.stores.length > 0, fail("nothing is stored"));
  for (const { operand, at, value } of kernel.stores) {
    checkAccess(operand, at, parallel, kernel.lets.length, accumulators);
    check(value, parallel, kernel.lets.length, accumulators);
  }
  if (kernel.form === "contraction") {
    const { inputPrologue, outputPrologue } = kernel.contraction;
    for (const each of [inputPrologue, outputPrologue]) if (each !== undefined) check(each, parallel, 0, 1);
    verifyRoles(kernel, fail);
  }
  return kernel;
}

function verifyRoles(kernel: Extract<Kernel, { form: "contraction" }>, fail: (what: string) => string): void {
  const { input, kernel: weights, output, result, window } = kernel.contraction;
  const axes = kernel.axes.length;
  invariant(axes === window.length + 3, fail(`a contraction over ${window.length} spatial axes has ${axes} axes`));
  for (const [role, { operand }] of Object.entries({ input, kernel: weights, output })) {
    invariant((role === result) === operand < 0, fail(`the ${role} of the contraction has operand ${operand}`));
    invariant(operand < kernel.operands.length, fail(`there is no operand ${operand}`));
  }
}
