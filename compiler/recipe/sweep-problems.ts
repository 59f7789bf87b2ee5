/** Diagnostics of sweeps, one constructor per situation. */
import { closest } from "../../grammar/closest.ts";
import type { Diagnostic, Fix, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { renameFix } from "../resolve/problems.ts";

const plain = { severity: "error", labels: [], help: [], fixes: [] } as const;

/** RN502: one name, two sources of its value. */
export function sweptTwice(name: string, span: Span, other: Label, help: string): Diagnostic {
  return { ...plain, code: "RN502", message: `\`${name}\` gets its value twice`, span, note: "swept here", labels: [other], help: [help] };
}

/** What a name could have meant: parameters of the model, and places in the recipe's settings. */
export interface PossibleTakers {
  readonly model: string;
  readonly parameters: readonly string[];
  readonly settings: readonly string[];
  /** The value of an option of that name: `0.1` of `sgd(lr: 0.1)` beside `sweep lr`. */
  readonly option: Span | undefined;
  /** The optimizer that has an option of that name but does not give it: where it would stand, and the text for it. */
  readonly missing: { readonly span: Span; readonly replacement: string } | undefined;
  /** How an optimizer with that option reads. */
  readonly example: string | undefined;
}

/** RN509: a sweep that would train the same thing again and again. */
export function nothingToSweep(name: string, span: Span, takers: PossibleTakers): Diagnostic {
  const { model, parameters, settings, option, missing, example } = takers;
  const edit = option === undefined ? missing : { span: option, replacement: name };
  const meant = closest(name, ["model", ...parameters, ...settings]);
  const fixes: readonly Fix[] =
    edit === undefined ? renameFix(span, meant) : [{ title: "use the swept value there", applicability: "maybe-incorrect", edits: [edit] }];
  const advice = /^seeds?$/.test(name)
    ? ["for several seeds: `resnet train FILE --seeds 3`, which gives mean and deviation"]
    : [
        `\`${model}\` has ${parameters.length === 0 ? "no parameters" : `the parameters ${parameters.join(", ")}`}`,
        `besides, what can be swept is \`model\`, a setting (${settings.join(", ")}), and any name that a setting uses: \`${example ?? "optimizer sgd(lr: lr)"}\``,
      ];
  return {
    ...plain,
    code: "RN509",
    message: `nothing takes the values of \`${name}\`: it is no parameter of \`${model}\`, and no setting of the recipe uses it`,
    span,
    note: "every run would be the same",
    labels: option === undefined ? [] : [{ span: option, text: "the same in every run" }],
    help: advice,
    fixes,
  };
}

/** RN509: a parameter that only some of the swept models have; `span` is the model that lacks it. */
export function modelLacksParameter(name: string, swept: Span, model: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN509",
    message: `\`${model}\` has no parameter \`${name}\`, which this recipe sweeps`,
    span,
    note: "every run of it would be the same",
    labels: [{ span: swept, text: "swept for each of the models" }],
    help: ["give the model this parameter, or a recipe of its own"],
  };
}

/** RN510: `sweep width in 16`; `found` says what stands there. */
export function sweepWithoutList(name: string, span: Span, found: string, replacement: string | undefined): Diagnostic {
  return {
    ...plain,
    code: "RN510",
    message: `\`sweep ${name}\` takes a list of values, but this is ${found}`,
    span,
    note: "expected a list",
    help: ["for example `[16, 32]`, `range(1, 5)`, or a constant that is a list"],
    fixes: replacement === undefined ? [] : [{ title: `write \`${replacement}\``, applicability: "safe", edits: [{ span, replacement }] }],
  };
}

/** RN510: `sweep width in []`. */
export function emptySweep(name: string, span: Span): Diagnostic {
  return {
    ...plain,
    code: "RN510",
    message: `\`sweep ${name}\` has no values`,
    span,
    note: "an empty list",
    help: ["nothing would be trained; give values, or leave the sweep out"],
  };
}

/** RN510: a value that occurs before; `removal` is its text with the comma beside it. */
export function repeatedValue(name: string, text: string, span: Span, first: Span | undefined, removal: Span | undefined): Diagnostic {
  return {
    ...plain,
    code: "RN510",
    message: `\`sweep ${name}\` has the value ${text} twice`,
    span,
    note: "the same run again",
    labels: first === undefined ? [] : [{ span: first, text: `${text} is here already` }],
    help: ["to repeat runs under other seeds: `resnet train --seeds 3`"],
    fixes: removal === undefined ? [] : [{ title: "leave it out", applicability: "maybe-incorrect", edits: [{ span: removal, replacement: "" }] }],
  };
}

/** RN510: `sweep model in [3]`. */
export function notModels(span: Span, found: string): Diagnostic {
  return {
    ...plain,
    code: "RN510",
    message: `\`sweep model\` takes models and variants, but this is ${found}`,
    span,
    note: "no model",
    help: ["for example `[Net, Plain]`, or with parameters `[Net(depth: 2), Net(depth: 4)]`"],
  };
}

/** What is wrong with a point, told at the values that make it: `where` is the mistake's own place. */
export function atValue(
  found: Diagnostic,
  values: readonly { readonly name: string; readonly text: string; readonly span: Span }[],
  more: number,
): Diagnostic {
  const [first, ...others] = values;
  if (first === undefined) return found;
  const named = values.map(({ name, text }) => `${name} = ${text}`);
  const also = more === 0 ? [] : [`${more} more of the sweep's points fail${more === 1 ? "s" : ""} there`];
  return {
    ...found,
    message: `with ${named.map((text) => `\`${text}\``).join(" and ")}: ${found.message}`,
    span: first.span,
    note: others.length === 0 ? `${named[0]} fails` : `${named[0]} fails here`,
    labels: [
      ...others.map(({ name, text, span }): Label => ({ span, text: `together with ${name} = ${text}` })),
      { span: found.span, text: found.note ?? "here" },
      ...found.labels,
    ],
    help: [...found.help, ...also],
    fixes: [],
  };
}
