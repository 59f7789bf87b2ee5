/**
 * A labelled block used twice has one set of tensors: each must have the same sizes in every use.
 * Invariant: a tensor is never shared between shapes; what is not proved equal is an error or a guard.
 */
import type { Span } from "../../grammar/source.ts";
import type { CallEntry, Instance, TensorEntry } from "../ir/program.ts";
import { demand, type Frame, report } from "./context.ts";
import { sharedShapes } from "./problems.ts";

interface Held {
  readonly name: string;
  readonly entry: TensorEntry;
}

/** Compares the use at `span`, the last entry, with the first one at its path; false after a reported mistake. */
export function checkShared(frame: Frame, path: readonly string[], span: Span): boolean {
  const isAtPath = (entry: { readonly kind: string }): entry is CallEntry => entry.kind === "call" && samePath((entry as CallEntry).path, path);
  const first = frame.entries.find(isAtPath);
  const again = frame.entries.at(-1);
  if (first === undefined || again === undefined || !isAtPath(again) || again.instance === first.instance) return true;
  const before = new Map(tensorsIn(first.instance).map(({ name, entry }) => [name, entry]));
  const { session } = frame;
  for (const { name, entry } of tensorsIn(again.instance)) {
    const known = before.get(name);
    if (known === undefined) continue;
    const arrives = frame.types[again.inputs[0] ?? -1];
    const arrived = frame.types[first.inputs[0] ?? -1];
    const complain = (note: string) =>
      sharedShapes({ label: path.at(-1) ?? "", tensor: name, shapes: [known.shape, entry.shape], note, span, first: first.span, arrives, arrived });
    if (known.shape.length !== entry.shape.length) {
      report(session, complain(`rank ${known.shape.length} ≠ rank ${entry.shape.length}`));
      return false;
    }
    for (const [axis, left] of known.shape.entries())
      if (!demand(session, { op: "==", left, right: entry.shape[axis] ?? left }, span, `\`${name}\` of a shared label`, complain)) return false;
  }
  return true;
}

function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}

/** Every tensor in an instance and below it, by its path there. */
function tensorsIn(instance: Instance, path: readonly string[] = []): Held[] {
  return instance.entries.flatMap((entry): Held[] => {
    if (entry.kind === "parameter" || entry.kind === "state") return [{ name: [...path, entry.name].join("."), entry }];
    return entry.kind === "call" && entry.instance.holdsTensors ? tensorsIn(entry.instance, [...path, ...entry.path]) : [];
  });
}
