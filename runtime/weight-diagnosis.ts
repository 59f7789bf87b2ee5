/**
 * One line on why a set of weights does not fit a network, from names and shapes alone.
 * Invariant: a guess is made only where it explains most of the mismatch; else there is none.
 */
import { formatShape } from "./problems.ts";

/** Tensor name to shape. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** The likeliest single cause, or undefined. `wanted` are the network's tensors, `given` those of the set. */
export function diagnoseWeights(wanted: Shapes, given: Shapes): string | undefined {
  if (given.size === 0) return "the set of weights is empty";
  return (
    prefixCause(wanted, given) ?? blockCause(wanted, given) ?? depthCause(wanted, given) ?? partCause(wanted, given) ?? shapeCause(wanted, given)
  );
}

/** Names that differ by a prefix that all of one side have. */
function prefixCause(wanted: Shapes, given: Shapes): string | undefined {
  const surplus = leadingSegments(given).find((prefix) => hits(wanted, given, (name) => name.slice(prefix.length)));
  if (surplus !== undefined) {
    const origin = surplus === "module." ? ", as a wrapper for parallel training writes them" : "";
    return `its names begin with \`${surplus}\`${origin}; take that prefix off`;
  }
  const lacking = leadingSegments(wanted).find((prefix) => hits(wanted, given, (name) => prefix + name));
  return lacking === undefined ? undefined : `its names lack the prefix \`${lacking}\``;
}

/** `a.` and `a.b.` where every name begins so. */
function leadingSegments(shapes: Shapes): readonly string[] {
  const names = [...shapes.keys()];
  const segments = (names[0] ?? "").split(".");
  return [1, 2]
    .filter((count) => count < segments.length)
    .map((count) => `${segments.slice(0, count).join(".")}.`)
    .filter((prefix) => names.every((name) => name.startsWith(prefix)));
}

/** Whether renaming explains most of a mismatch: more than half of the names fit, where few fitted before. */
function hits(wanted: Shapes, given: Shapes, rename: (name: string) => string): boolean {
  const names = [...given.keys()];
  const fitting = names.filter((name) => wanted.has(rename(name))).length;
  return fitting * 2 > names.length && names.filter((name) => wanted.has(name)).length * 2 < fitting;
}

/** Recognisable kinds of network, the most telling names first. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)(encoder\.stages|embedder)\./, "a network with Hugging Face names"],
  [/denseblock|denselayer/, "a densely connected network"],
  [/self_attn|attention/, "a transformer"],
  [/\.\d+\.conv3\.weight$/, "a bottleneck network"],
  [/\.\d+\.conv2\.weight$/, "a basic-block network"],
];

function kindOf(shapes: Shapes): string | undefined {
  return KINDS.find(([pattern]) => [...shapes.keys()].some((name) => pattern.test(name)))?.[1];
}

function blockCause(wanted: Shapes, given: Shapes): string | undefined {
  const [have, need] = [kindOf(given), kindOf(wanted)];
  if (have === undefined || have === need) return undefined;
  return `this is a checkpoint of ${have}${need === undefined ? "" : `, the model is ${need}`}`;
}

/** Blocks per stage, from names like `layer3.22.conv1.weight`. */
function stageDepths(shapes: Shapes): readonly number[] {
  const stages = new Map<string, Set<string>>();
  for (const name of shapes.keys()) {
    const match = /^(.*?(?:layers?|stage|denseblock)\D*\d*)\.(?:\D*)(\d+)\./.exec(name);
    if (match === null) continue;
    const blocks = stages.get(match[1]!) ?? new Set();
    stages.set(match[1]!, blocks.add(match[2]!));
  }
  return [...stages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, blocks]) => blocks.size);
}

function depthCause(wanted: Shapes, given: Shapes): string | undefined {
  const [have, need] = [stageDepths(given), stageDepths(wanted)];
  if (have.length === 0 || need.length === 0 || have.join() === need.join()) return undefined;
  return `this is a checkpoint of another depth: ${have.join(", ")} blocks per stage, the model has ${need.join(", ")}`;
}

/** Parts that one side has throughout and the other nowhere. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/downsample|shortcut\./, "projection shortcuts"],
  [/\.se\./, "squeeze-excitation"],
  [/running_mean$/, "running statistics of batch norm"],
  [/(bn|norm)\d*\.weight$/, "normalisation weights"],
];

function partCause(wanted: Shapes, given: Shapes): string | undefined {
  const has = (shapes: Shapes, pattern: RegExp): boolean => [...shapes.keys()].some((name) => pattern.test(name));
  for (const [pattern, part] of PARTS) {
    const [have, need] = [has(given, pattern), has(wanted, pattern)];
    if (have && !need) return `this is a checkpoint of a network with ${part}, the model has none`;
    if (need && !have) return `this is a checkpoint of a network without ${part}, the model has them`;
  }
  return undefined;
}

/** All names fit, some shapes do not. */
function shapeCause(wanted: Shapes, given: Shapes): string | undefined {
  const misfits = [...wanted].flatMap(([name, shape]) => {
    const other = given.get(name);
    return other === undefined || formatShape(other) === formatShape(shape) ? [] : [{ name, need: shape, have: other }];
  });
  if (misfits.length === 0) return undefined;
  const onlyRows = misfits.every(({ need, have }) => need.length <= 2 && need[0] !== have[0] && need.slice(1).join() === have.slice(1).join());
  if (onlyRows && misfits.length <= 2) {
    const { need, have } = misfits[0]!;
    return `this checkpoint has ${have[0]} classes, the model ${need[0]}: set the model's classes to ${have[0]}, or leave \`${misfits[0]!.name}\` out and train it anew`;
  }
  const onlyGroups = misfits.every(
    ({ need, have }) => need.length >= 3 && need.length === have.length && need.every((size, axis) => axis === 1 || size === have[axis]),
  );
  if (onlyGroups) return "its convolutions have another number of groups";
  return misfits.length * 4 > wanted.size ? "this is a checkpoint of another width" : undefined;
}
