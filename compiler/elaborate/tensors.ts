/**
 * `param`, `state` and `update`: tensors a block owns, and their initialisers.
 * Invariant: an initialiser is resolved against its tensor's shape, as PyTorch's `torch.nn.init` defines fans.
 */
import type { ParamDeclaration, StateDeclaration, Update } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import type { Initializer } from "../ir/attributes.ts";
import { constantOf, type Dim } from "../ir/dim.ts";
import { coerce, asReal, matchArguments } from "./arguments.ts";
import { addValue, type Frame, report } from "./context.ts";
import { evaluate, evaluateShape } from "./expressions.ts";
import * as problems from "./problems.ts";
import { lookup, type Scope } from "./scope.ts";
import { asTensor, matchShapes } from "./tensor-expressions.ts";
import type { InitValue } from "./values.ts";

export function declareTensor(frame: Frame, scope: Scope, statement: ParamDeclaration | StateDeclaration): void {
  const type = evaluateShape(frame, scope, statement.type);
  if (type === undefined) return;
  const initializer = evaluateInitializer(frame, scope, statement, type.shape);
  const id = addValue(frame, type);
  const kind = statement.kind === "ParamDeclaration" ? "parameter" : "state";
  frame.entries.push({
    kind,
    name: [...frame.prefix, statement.name.text].join("."),
    dtype: type.dtype,
    shape: type.shape,
    initializer,
    output: id,
    span: statement.span,
  });
  const origins = type.shape.map((dim, axis) => ({
    span: statement.type.dims[Math.min(axis, statement.type.dims.length - 1)]?.span ?? statement.span,
    of: statement.name.text,
    dim,
  }));
  scope.names.set(statement.name.text, { value: { kind: "tensor", id, type, origins }, span: statement.name.span, declared: "tensor" });
}

/** `update name = value`: the state must be this block's, the shapes equal. */
export function declareUpdate(frame: Frame, scope: Scope, statement: Update): void {
  const state = lookup(scope, statement.name.text);
  const value = evaluate(frame, scope, statement.value);
  if (value.kind === "poison") return;
  if (state?.value.kind !== "tensor") {
    report(
      frame.session,
      problems.wrongKind(statement.name.span, "a state of this block", state?.value ?? { kind: "string", value: statement.name.text }),
    );
    return;
  }
  const tensor = asTensor(frame, value, state.value.type.dtype, statement.span);
  if (tensor === undefined) {
    report(frame.session, problems.wrongKind(statement.value.span, "a tensor", value));
    return;
  }
  const matched = matchShapes(frame, state.value, tensor, statement.span, `update of \`${statement.name.text}\``);
  if (matched === undefined) return;
  frame.entries.push({ kind: "update", name: [...frame.prefix, statement.name.text].join("."), value: matched[1].id, span: statement.span });
}

function evaluateInitializer(frame: Frame, scope: Scope, statement: ParamDeclaration | StateDeclaration, shape: readonly Dim[]): Initializer {
  if (statement.initializer === undefined) return { kind: "constant", value: 0 };
  const written = evaluate(frame, scope, statement.initializer);
  if (written.kind === "poison") return { kind: "constant", value: 0 };
  const value = coerce(written, { kind: "ScalarType", name: "init", span: statement.span });
  if (value?.kind !== "init") {
    report(frame.session, problems.wrongKind(statement.initializer.span, "an initialiser", written));
    return { kind: "constant", value: 0 };
  }
  return resolveInitializer(frame, value, shape, statement.initializer.span);
}

interface Hyper {
  real(name: string, fallback: number): number;
  text(name: string, fallback: string): string;
}

const HYPERPARAMETERS: Readonly<Record<string, readonly string[]>> = {
  zeros: [],
  ones: [],
  constant: ["value"],
  normal: ["std", "mean"],
  uniform: ["low", "high"],
  truncated_normal: ["std", "mean", "low", "high"],
  kaiming_normal: ["mode", "gain"],
  kaiming_uniform: ["mode", "gain"],
  xavier_normal: ["gain"],
  xavier_uniform: ["gain"],
  lecun_normal: [],
};

/** He et al. 2015 (kaiming), Glorot and Bengio 2010 (xavier); fans as in PyTorch: axis 1 is the input side. */
function resolveInitializer(frame: Frame, init: InitValue, shape: readonly Dim[], span: Span): Initializer {
  const names = HYPERPARAMETERS[init.name] ?? [];
  const wanted = names.map((name) => ({ name, wanted: "a number" }));
  const matched = matchArguments(frame.session, init.name, wanted, init.given, undefined);
  const hyper: Hyper = {
    real(name, fallback) {
      const argument = matched.get(name);
      if (argument === undefined) return fallback;
      const real = asReal(argument.value);
      if (real?.kind === "real") return real.value;
      if (argument.value.kind !== "poison")
        report(frame.session, problems.wrongArgument(init.name, name, "a real number", argument.value, argument.span, undefined));
      return fallback;
    },
    text(name, fallback) {
      const argument = matched.get(name);
      return argument?.value.kind === "string" ? argument.value.value : fallback;
    },
  };
  const sizes = shape.map((dim) => constantOf(dim) ?? Number.NaN);
  const receptive = sizes.slice(2).reduce((a, b) => a * b, 1);
  const fanIn = (sizes[1] ?? sizes[0] ?? 1) * receptive;
  const fanOut = (sizes[0] ?? 1) * receptive;
  const fan = hyper.text("mode", "fan_out") === "fan_in" ? fanIn : fanOut;
  switch (init.name) {
    case "ones":
      return { kind: "constant", value: 1 };
    case "constant":
      return { kind: "constant", value: hyper.real("value", 0) };
    case "normal":
      return { kind: "normal", mean: hyper.real("mean", 0), std: hyper.real("std", 1) };
    case "uniform":
      return { kind: "uniform", low: hyper.real("low", 0), high: hyper.real("high", 1) };
    case "truncated_normal": {
      const std = hyper.real("std", 1);
      const mean = hyper.real("mean", 0);
      return { kind: "truncated_normal", mean, std, low: hyper.real("low", mean - 2 * std), high: hyper.real("high", mean + 2 * std) };
    }
    case "kaiming_normal":
      return { kind: "normal", mean: 0, std: hyper.real("gain", Math.SQRT2) / Math.sqrt(fan) };
    case "kaiming_uniform": {
      const bound = (hyper.real("gain", Math.SQRT2) * Math.sqrt(3)) / Math.sqrt(hyper.text("mode", "fan_in") === "fan_in" ? fanIn : fanOut);
      return { kind: "uniform", low: -bound, high: bound };
    }
    case "xavier_normal":
      return { kind: "normal", mean: 0, std: hyper.real("gain", 1) * Math.sqrt(2 / (fanIn + fanOut)) };
    case "xavier_uniform": {
      const bound = hyper.real("gain", 1) * Math.sqrt(6 / (fanIn + fanOut));
      return { kind: "uniform", low: -bound, high: bound };
    }
    case "lecun_normal":
      return { kind: "normal", mean: 0, std: Math.sqrt(1 / fanIn) };
    case "zeros":
      return { kind: "constant", value: 0 };
    default:
      report(frame.session, problems.wrongKind(span, "an initialiser", init));
      return { kind: "constant", value: 0 };
  }
}
