/**
 * What fusion asks about the loops of a statement, once for each distinct body: bodies are shared by equal nodes.
 * Invariant: facts depend on the body and the shapes of its inputs alone, which are equal where bodies are shared.
 */
import type { Expression, Size } from "../ir/kernel.ts";
import { isPlain, permutationOf } from "./affine.ts";
import { childrenOf, costOf, type Load, loadsOf } from "./expression.ts";
import { compareSizes, elementsOf } from "./size.ts";
import type { Body, Statement, Statements } from "./statements.ts";

/** A read of an input by element. */
export interface Read {
  readonly load: Load;
  readonly plain: boolean;
  /** The loops visit each element of the input exactly once. */
  readonly permutes: boolean;
  /** The loops visit elements several times. */
  readonly repeats: boolean;
  /** The input has as many elements as the loops. */
  readonly full: boolean;
}

export interface BodyFacts {
  readonly reads: readonly Read[];
  /** Operations in `costOf` units; 0 but for elementwise bodies. */
  readonly cost: number;
  /** Elementwise and as cheap inside a consumer as a load: constants, movement, conversions of these. */
  readonly free: boolean;
  /** A plain load and nothing else: the elements lie in the base's memory. */
  readonly view: Load | undefined;
}

/** Answers for any statement of the program. */
export function createBodyFacts({ tensors }: Statements): (statement: Statement) => BodyFacts {
  const known = new Map<Body, BodyFacts>();
  return (statement) => {
    let facts = known.get(statement.body);
    if (facts === undefined) {
      facts = measureBody(
        statement.body,
        statement.inputs.map((input) => tensors[input]?.shape ?? []),
      );
      known.set(statement.body, facts);
    }
    return facts;
  };
}

const nothing: BodyFacts = { reads: [], cost: 0, free: false, view: undefined };

function measureBody(body: Body, shapes: readonly (readonly Size[])[]): BodyFacts {
  switch (body.form) {
    case "pointwise": {
      const [value, ...others] = body.values;
      const view = value?.kind === "load" && others.length === 0 && isPlain(value.at) ? value : undefined;
      const reads = readsOver(
        loadsOf(body.values),
        body.axes.map((axis) => axis.extent),
        shapes,
      );
      return { reads, cost: costOf(body.values), free: body.values.every(isFree), view };
    }
    case "reduction": {
      const inner = [...body.axes, ...body.reduced].map((axis) => axis.extent);
      const outer = body.axes.map((axis) => axis.extent);
      const reads = [
        ...readsOver(loadsOf(body.accumulators.map((each) => each.value)), inner, shapes),
        ...readsOver(loadsOf(body.values), outer, shapes),
      ];
      return { ...nothing, reads };
    }
    case "scatter": {
      const computed = body.at.flatMap((each) => (each.dynamic === undefined ? [] : [each.dynamic]));
      return {
        ...nothing,
        reads: readsOver(
          loadsOf([body.value, ...computed]),
          body.axes.map((axis) => axis.extent),
          shapes,
        ),
      };
    }
    default:
      return nothing;
  }
}

function readsOver(loads: readonly Load[], domain: readonly Size[], shapes: readonly (readonly Size[])[]): readonly Read[] {
  const size = elementsOf(domain);
  return loads.map((load) => {
    const shape = shapes[load.operand] ?? [];
    const more = compareSizes(size, elementsOf(shape));
    return {
      load,
      plain: isPlain(load.at),
      permutes: permutationOf(load.at, shape, domain) !== undefined,
      repeats: more > 0,
      full: more <= 0,
    };
  });
}

function isFree(e: Expression): boolean {
  switch (e.kind) {
    case "load":
      return e.at.every((each) => each.dynamic === undefined);
    case "constant":
    case "size":
    case "index":
      return true;
    case "cast":
      return isFree(e.x);
    default:
      return isInvariant(e);
  }
}

/** The same for every element and known before the loops: a back end computes it once. */
function isInvariant(e: Expression): boolean {
  return e.kind === "constant" || e.kind === "size" || ((e.kind === "unary" || e.kind === "binary") && childrenOf(e).every(isInvariant));
}
