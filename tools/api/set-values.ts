/** `--set classes=10` and `set: { classes: 10 }` as arguments of a model. */
import type { GivenArgument, Value } from "../../compiler/elaborate/values.ts";

/** Numbers without a fraction are dims; arrays are lists. Spans point into a text of the option's own. */
export function setArguments(set: Readonly<Record<string, unknown>>): GivenArgument[] {
  return Object.entries(set).map(([name, given]) => {
    const text = `${name}=${JSON.stringify(given)}`;
    const source = { path: "--set", text };
    return {
      name,
      nameSpan: { source, start: 0, end: name.length },
      value: toValue(given),
      span: { source, start: name.length + 1, end: text.length },
    };
  });
}

function toValue(given: unknown): Value {
  if (typeof given === "number") return Number.isSafeInteger(given) ? { kind: "dim", dim: given } : { kind: "real", value: given };
  if (typeof given === "boolean") return { kind: "bool", value: given };
  if (Array.isArray(given)) return { kind: "list", elements: given.map(toValue) };
  return { kind: "string", value: String(given) };
}
