/**
 * Patterns over named axes: `"n (heads d) t -> n heads t d"`, and the sizes their names stand for.
 * Invariant: names are local to one pattern; a size is given, or follows from the one axis it is part of.
 */
import type { Span } from "../../grammar/source.ts";
import { type Dim, divExact, formatDim, product } from "../ir/dim.ts";
import type { TypeRelation } from "../operators/operator.ts";
import type { ArgumentReader } from "./argument-reader.ts";
import { demand, type Frame, report } from "./context.ts";
import { badPattern } from "./movement-problems.ts";
import * as problems from "./problems.ts";
import type { TensorValue } from "./values.ts";

/** The names an axis is made of, outermost first; none for the axis `1`. */
export type AxisGroup = readonly string[];

export interface AxisPattern {
  readonly left: readonly AxisGroup[];
  readonly right: readonly AxisGroup[];
}

/** What is wrong with a pattern, in words. */
class PatternMistake extends Error {}

const TOKEN = /\(|\)|\.\.\.?|[A-Za-z_][A-Za-z0-9_]*|\S/g;
const REST = "..";
/** Alone in brackets it is one axis. */
const MERGED_REST = "(..)";

/** Reads a pattern for a tensor of this rank; `..` stands for the axes not named. Reports what is wrong with it. */
export function readPattern(frame: Frame, what: string, text: string, rank: number, span: Span): AxisPattern | undefined {
  try {
    const sides = text.split("->");
    const [left, right] = sides;
    if (left === undefined || right === undefined || sides.length !== 2) throw new PatternMistake("needs one `->`");
    const from = parseSide(left);
    const to = parseSide(right);
    const spread = restNames(from, rank);
    const pattern = { left: from.flatMap((group) => expand(group, spread)), right: to.flatMap((group) => expand(group, spread)) };
    if (pattern.left.length !== rank) throw new PatternMistake(`names ${pattern.left.length} axes, but the tensor has ${rank}`);
    const known = pattern.left.flat();
    const twice = [known, pattern.right.flat()].flatMap((names) => names.filter((name, i) => names.indexOf(name) !== i))[0];
    if (twice !== undefined) throw new PatternMistake(`names \`${twice}\` twice on one side`);
    const unknown = pattern.right.flat().find((name) => !known.includes(name));
    if (unknown !== undefined) throw new PatternMistake(`has \`${unknown}\` only on the right of \`->\``);
    return pattern;
  } catch (error) {
    if (!(error instanceof PatternMistake)) throw error;
    report(frame.session, badPattern(what, text, error.message, span));
    return undefined;
  }
}

function parseSide(text: string): AxisGroup[] {
  const groups: AxisGroup[] = [];
  let open: string[] | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "(") {
      if (open !== undefined) throw new PatternMistake("has a bracket within brackets");
      open = [];
    } else if (token === ")") {
      if (open === undefined) throw new PatternMistake("closes a bracket that is not open");
      groups.push(open.length === 1 && open[0] === REST ? [MERGED_REST] : open);
      open = undefined;
    } else if (token === "1") {
      if (open === undefined) groups.push([]);
    } else if (/^[A-Za-z_.]/.test(token) && token !== ".") {
      const name = token.startsWith(".") ? REST : token;
      if (open === undefined) groups.push([name]);
      else open.push(name);
    } else throw new PatternMistake(`cannot contain \`${token}\``);
  }
  if (open !== undefined) throw new PatternMistake("leaves a bracket open");
  return groups;
}

/** A name for each axis that `..` stands for. */
function restNames(left: readonly AxisGroup[], rank: number): readonly string[] {
  const inBrackets = left.some((group) => group.includes(MERGED_REST) || (group.length > 1 && group.includes(REST)));
  const count = left.filter((group) => group.includes(REST)).length;
  if (count === 0 && !inBrackets) return [];
  if (count > 1 || inBrackets) throw new PatternMistake("has more than one `..` on the left, or one in brackets");
  return Array.from({ length: Math.max(0, rank - left.length + 1) }, (_, i) => `${REST}${i}`);
}

function expand(group: AxisGroup, rest: readonly string[]): AxisGroup[] {
  if (group.length === 1 && group[0] === REST) return rest.map((name) => [name]);
  return [group.flatMap((name) => (name === REST || name === MERGED_REST ? rest : [name]))];
}

/** The size of each name: from the axis it is, from an argument of its name, or as what is left of its axis. */
export function axisSizes(
  frame: Frame,
  what: string,
  x: TensorValue,
  pattern: AxisPattern,
  read: ArgumentReader,
  span: Span,
): ReadonlyMap<string, Dim> | undefined {
  const sizes = new Map<string, Dim>();
  for (const name of pattern.left.flat()) {
    const given = read.named(name);
    if (given === undefined) continue;
    if (given.value.kind !== "dim") {
      report(frame.session, problems.wrongArgument(what, name, "the size of an axis", given.value, given.span, undefined));
      return undefined;
    }
    sizes.set(name, given.value.dim);
  }
  for (const [axis, group] of pattern.left.entries()) {
    const size = x.type.shape[axis] ?? 1;
    const open = group.filter((name) => !sizes.has(name));
    const known = product(group.flatMap((name) => sizes.get(name) ?? []));
    const [first, second] = open;
    if (second !== undefined) {
      report(frame.session, badPattern(what, `(${group.join(" ")})`, `needs the size of \`${first}\` or \`${second}\`: \`${first}: …\``, span));
      return undefined;
    }
    const relation: TypeRelation = first === undefined ? { op: "==", left: known, right: size } : { op: "divides", divisor: known, dividend: size };
    if (first !== undefined && group.length === 1) sizes.set(first, size);
    else if (!assumeOnceDemanded(frame, what, relation, group, x, span)) return undefined;
    else if (first !== undefined) sizes.set(first, divExact(size, known));
  }
  return sizes;
}

function assumeOnceDemanded(frame: Frame, what: string, relation: TypeRelation, group: AxisGroup, x: TensorValue, span: Span): boolean {
  const { session } = frame;
  const axis = group.length === 0 ? "axis `1`" : `axis \`${group.length === 1 ? group[0] : `(${group.join(" ")})`}\``;
  const meaning = relation.op === "divides" ? `${axis} is split into parts of ${formatDim(relation.divisor)}` : `the sizes of ${axis}`;
  const sound = demand(session, relation, span, `${what}: ${meaning}`, (witness) =>
    problems.relationFails(relation, meaning, witness, span, what, [x]),
  );
  if (sound && session.generic) session.facts = { relations: [...session.facts.relations, relation] };
  return sound;
}
