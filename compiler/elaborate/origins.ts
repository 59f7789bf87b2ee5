/**
 * Where sizes come from: the trail that every diagnostic about shapes shows.
 * Invariant: an origin names a place in a source; following `previous` ends at a declared size.
 */
import type { InPort } from "../../grammar/ast.ts";
import type { Fix, Label } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import { type Dim, formatDim, product, sameDim } from "../ir/dim.ts";
import type { TensorType } from "../ir/type.ts";
import { samePlace } from "./anchor.ts";
import type { Origin, TensorValue } from "./values.ts";

/** Origins of a result: kept where the size is an input's, else the stage that made it. */
export function inheritOrigins(type: TensorType, inputs: readonly TensorValue[], span: Span, by: () => string): (Origin | undefined)[] {
  const source = inputs.find((input) => input.type.shape.length === type.shape.length);
  const [first] = inputs;
  const joined = first !== undefined && first.type.shape.length > type.shape.length ? { joined: first.type.shape } : {};
  return type.shape.map((dim, axis) => {
    for (const input of inputs) {
      const same = input.type.shape[axis];
      if (same !== undefined && sameDim(same, dim)) return input.origins[axis];
    }
    const previous = source?.origins[axis];
    return previous === undefined ? { span, dim, by, ...joined } : { span, dim, by, previous, ...joined };
  });
}

/** `64, from conv(64, 3)`, or `3: declared here`. */
export function originText(origin: Origin): string {
  const { dim, by, of, joined = [] } = origin;
  if (of !== undefined) return `${formatDim(dim)}, of \`${of}\``;
  return by === undefined ? `${formatDim(dim)}: declared here` : `${mergedSizes(dim, joined) ?? formatDim(dim)}, from ${by()}`;
}

/** `490 = 10*7*7` for a size that joins several axes. */
function mergedSizes(dim: Dim, shape: readonly Dim[]): string | undefined {
  for (let from = 0; from < shape.length; from++)
    for (let to = shape.length; to > from + 1; to--) {
      const parts = shape.slice(from, to);
      if (sameDim(product(parts), dim)) return `${formatDim(dim)} = ${parts.map(formatDim).join("*")}`;
    }
  return undefined;
}

/** One label for each origin, none at the primary place, equal ones once. */
export function originLabels(origins: readonly (Origin | undefined)[], primary: Span): Label[] {
  const labels: Label[] = [];
  for (const origin of origins) {
    if (origin === undefined || samePlace(origin.span, primary)) continue;
    const text = originText(origin);
    if (labels.some((label) => samePlace(label.span, origin.span) && label.text === text)) continue;
    labels.push({ span: origin.span, text });
  }
  return labels;
}

/** The way a size went, from its declaration on, a label for each place that changed it: `32 → 16, by maxpool(2)`. */
export function chainLabels(origin: Origin | undefined, primary: Span): Label[] {
  const steps = stepsOf(origin);
  const labels: { span: Span; text: string; by: string | undefined }[] = [];
  for (const [i, step] of steps.entries()) {
    const before = steps[i - 1];
    const text = before === undefined ? formatDim(step.dim) : `${formatDim(before.dim)} → ${formatDim(step.dim)}`;
    const known = labels.find((label) => samePlace(label.span, step.span));
    if (known !== undefined) known.text += `, ${text}`;
    else labels.push({ span: step.span, text, by: before === undefined ? undefined : step.by?.() });
  }
  return labels
    .filter((label) => !samePlace(label.span, primary))
    .map(({ span, text, by }) => ({ span, text: by === undefined ? text : `${text}, by ${by}` }));
}

/** The origins from the declared size to this one. */
export function stepsOf(origin: Origin | undefined): Origin[] {
  const steps: Origin[] = [];
  for (let at = origin; at !== undefined; at = at.previous) steps.unshift(at);
  return steps;
}

/** States a condition on what arrives at a port, after those that it has; undefined for a port without a shape. */
export function portCondition(port: InPort, condition: string): Fix | undefined {
  const after = port.where.at(-1)?.span ?? port.type?.span;
  if (after === undefined) return undefined;
  const edits = [{ span: { ...after, start: after.end }, replacement: port.where.length > 0 ? `, ${condition}` : ` where ${condition}` }];
  return { title: `take only inputs with \`where ${condition}\``, applicability: "maybe-incorrect", edits };
}
