/**
 * Points of a sweep chosen from outside: `--set drop=0.1`, `--model Plain`, `set: { lr: 0.05 }`.
 * Invariant: a text that is one of the sweep's own values means that value, in the file of the recipe; another one takes its place.
 */
import type { Expression, Train } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import { parse } from "../../grammar/parse.ts";
import type { ModuleScope } from "../resolve/modules.ts";
import { genericChecks } from "./generic.ts";
import { newFrame, newSession } from "./session.ts";
import type { SweepAxis, SweepValue } from "./sweep.ts";
import { literalOf } from "./recipe-constants.ts";
import { modelOf, shown, valueOf } from "./sweep-values.ts";
import type { GivenArgument } from "./values.ts";

/** The axes with what is left of their values, and the arguments that are none of theirs. */
export interface Pinned {
  readonly axes: readonly SweepAxis[];
  readonly set: readonly GivenArgument[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Narrows the axes to what was given from outside. */
export function pinAxes(
  file: ModuleScope,
  train: Train,
  axes: readonly SweepAxis[],
  given: { readonly set: readonly GivenArgument[]; readonly model?: string | undefined },
): Pinned {
  const diagnostics: Diagnostic[] = [];
  const frame = newFrame(newSession({ shared: genericChecks(file, true), training: undefined }), train.model.text);
  const report = (diagnostic: Diagnostic): void => void diagnostics.push(diagnostic);
  const pinned = axes.map((axis): SweepAxis => {
    const argument = given.set.find(({ name }) => name === axis.name);
    if (argument === undefined) return axis.kind === "model" && given.model !== undefined ? ofModel(axis, given.model) : axis;
    const text = textOf(argument);
    const raw = argument.value.kind === "string" ? argument.value.value : text;
    const own = axis.values.find((value) => value.text === text || value.text === raw);
    if (own !== undefined) return { ...axis, values: [own] };
    if (axis.kind === "parameter") {
      const meaning = { kind: "argument", argument } as const;
      return { ...axis, values: [{ text, json: text, span: argument.span, meaning }] };
    }
    const expression = read(axis.name, text, report);
    const target = { model: train.model.text, parameter: undefined };
    const value =
      expression === undefined
        ? undefined
        : axis.kind === "model"
          ? modelOf(frame, file, expression, report)
          : valueOf(frame, file, axis.name, { span: expression.span, expression, value: undefined }, target, report);
    return value === undefined ? axis : { ...axis, values: [value] };
  });
  diagnostics.push(...frame.session.diagnostics);
  const names = new Set(axes.map(({ name }) => name));
  return { axes: pinned, set: given.set.filter(({ name }) => name === undefined || !names.has(name)), diagnostics };
}

/** The values of that text, or else those that are this model with parameters, or else the model by itself. */
function ofModel(axis: SweepAxis, model: string): SweepAxis {
  const itself = axis.values.filter((value) => value.text === model);
  const own = itself.length > 0 ? itself : axis.values.filter(({ meaning }) => meaning.kind === "model" && meaning.model === model);
  const other: SweepValue = { text: model, json: model, span: axis.span, meaning: { kind: "model", model, set: [] } };
  return { ...axis, values: own.length > 0 ? own : [other] };
}

/** As it stands in the name of a point. */
function textOf({ value, span }: GivenArgument): string {
  if (value.kind === "string") return value.value.replaceAll(/\s+/g, "");
  const literal = literalOf(value, span);
  return (literal && shown(literal)) ?? "";
}

function read(name: string, text: string, report: (diagnostic: Diagnostic) => void): Expression | undefined {
  const { module, diagnostics } = parse({ path: "--set", text: `const ${name} = ${text}` });
  for (const diagnostic of diagnostics) report(diagnostic);
  const [item, more] = module.items;
  return diagnostics.length === 0 && item?.kind === "Constant" && more === undefined ? item.value : undefined;
}
