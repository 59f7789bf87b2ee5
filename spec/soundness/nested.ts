/**
 * Stages of random programs that hold others: branches, blocks of their own, stages over a list.
 * Invariant: as in `programs.ts`, the judge knows nothing of the compiler.
 */
import {
  assemble,
  convolution,
  facts,
  inputOf,
  padding,
  pooling,
  repeating,
  residual,
  simple,
  stage,
  upsampling,
  values,
  type Writer,
} from "./programs.ts";
import { ceilOf, type Env, named, number, pick, type Size } from "./sizes.ts";

interface Condition {
  readonly names: readonly string[];
  readonly text: string;
  readonly holds: (v: (name: string) => number) => boolean;
}

const CONDITIONS: readonly Condition[] = [
  { names: ["s"], text: "s == 1", holds: (v) => v("s") === 1 },
  { names: ["s"], text: "s <= 2", holds: (v) => v("s") <= 2 },
  { names: ["n"], text: "n > 1", holds: (v) => v("n") > 1 },
  { names: ["C"], text: "C % 2 == 0", holds: (v) => v("C") % 2 === 0 },
  { names: ["H"], text: "H % 2 == 0", holds: (v) => v("H") % 2 === 0 },
  { names: ["s", "n"], text: "s == 1 || n == 2", holds: (v) => v("s") === 1 || v("n") === 2 },
  { names: ["s", "H"], text: "s == 2 && H >= 4", holds: (v) => v("s") === 2 && v("H") >= 4 },
  { names: ["w", "C"], text: "w != C", holds: (v) => v("w") !== v("C") },
];

function innerOf(writer: Writer): Writer {
  return { ...writer, parts: [], skips: [], steps: [] };
}

function bodyText({ parts, skips }: Writer): string {
  return skips.length === 0 ? ` ${parts.join(" -> ")} ` : `\n    ${parts.join(" -> ")}\n  ${skips.join("\n  ")}\n  `;
}

/** One of a few short chains. */
function fill(writer: Writer): void {
  const kinds: readonly ((writer: Writer) => void)[] = [
    (inner) => void convolution(inner, number(pick(inner.draw, [2, 4])), inner.draw(2) === 0),
    pooling,
    residual,
    padding,
    (inner) => simple(inner, "relu", "relu", inner.shape, (now) => now),
  ];
  for (let i = 0; i < 1 + writer.draw(2); i++) pick(writer.draw, kinds)(writer);
}

/** An `if` as a stage, whose sizes afterwards depend on its condition. */
export function branching(writer: Writer): void {
  const known = CONDITIONS.filter(({ names }) => names.every((name) => writer.used.has(name)));
  const condition = pick(writer.draw, known.length === 0 || (writer.draw(2) === 0 && writer.used.size < 4) ? CONDITIONS.slice(0, 3) : known);
  for (const name of condition.names) writer.used.add(name);
  const [then, otherwise] = [innerOf(writer), innerOf(writer)];
  for (const each of [then, otherwise]) fill(each);
  const holds = (env: Env): boolean => condition.holds((name) => env.get(name) ?? 1);
  const shape = then.shape.map((one, axis): Size => {
    const other = otherwise.shape[axis] ?? one;
    if (one.text === other.text) return one;
    return { text: `(${condition.text} ? ${one.text} : ${other.text})`, value: (env) => (holds(env) ? one : other).value(env) };
  });
  writer.count = Math.max(then.count, otherwise.count);
  stage(writer, `if ${condition.text} {${bodyText(then)}} else {${bodyText(otherwise)}}`, "if", shape, (flow, env, uniform) =>
    (holds(env) ? then : otherwise).steps.every((step) => step(flow, env, uniform)),
  );
}

/** A block of its own with its own names for the sizes that arrive, parameters and conditions. */
export function calling(writer: Writer): void {
  const name = `Inner${writer.blocks.length}`;
  const inner: Writer = { ...innerOf(writer), used: new Set(["C", "H", "W"]), shape: ["C", "H", "W"].map(named), blocks: [] };
  const kinds: readonly ((writer: Writer) => void)[] = [
    (each) => void convolution(each, named("C")),
    pooling,
    residual,
    residual,
    repeating,
    upsampling,
  ];
  for (let i = 0; i < 1 + writer.draw(2); i++) pick(writer.draw, kinds)(inner);
  const parameters = [...inner.used].filter((each) => !["C", "H", "W"].includes(each));
  const where = facts(inner);
  const stated = writer.draw(3) > 0;
  const given = new Map(parameters.map((each) => [each, writer.draw(2) === 0 && writer.used.has(each) ? named(each) : number(1 + writer.draw(3))]));
  const block = assemble({ name, writer: inner, input: ["C", "H", "W"].map(named), outputs: stated ? inner.shape : undefined, where });
  writer.blocks.push(block);
  writer.count = inner.count;
  const before = writer.shape;
  const arrived = (sizes: readonly (number | undefined)[], env: Env): Env =>
    new Map([
      ...["C", "H", "W"].map((each, axis) => [each, sizes[axis] ?? 0] as const),
      ...[...given].map(([each, size]) => [each, size.value(env) ?? 1] as const),
    ]);
  const outer = new Map([...["C", "H", "W"].map((each, axis) => [each, before[axis] ?? number(1)] as const), ...given]);
  const shape = inner.shape.map(
    (each): Size => ({
      text: each.text.replace(/[A-Za-z]\w*/g, (word) => (outer.has(word) ? `(${outer.get(word)?.text})` : word)),
      value: (env) => {
        const sizes = values(env, before);
        return sizes === undefined ? undefined : each.value(arrived(sizes, env));
      },
    }),
  );
  const call = `${name}(${[...given].map(([each, size]) => `${each}: ${size.text}`).join(", ")})`;
  stage(writer, call, "block", shape, (flow, env, uniform) => {
    const own = arrived(inputOf(flow), env);
    const result = block.allowed(own) ? block.judge(own, uniform) : undefined;
    if (result === undefined) return false;
    flow.set("it", result);
    return true;
  });
}

/** `stages` over a list of widths, each but the first halving. */
export function staging(writer: Writer): void {
  const widths = Array.from({ length: 2 + writer.draw(2) }, () =>
    writer.draw(3) === 0 && writer.used.has("w") ? named("w") : number(1 + writer.draw(4)),
  );
  const halvings = number(2 ** (widths.length - 1));
  const [last = number(1)] = widths.slice(-1);
  const [, h = number(1), w = number(1)] = writer.shape;
  const text = `stages level${writer.count++} of [${widths.map((each) => each.text).join(", ")}] as i, v { conv(v, 3, i > 0 ? 2 : 1) }`;
  simple(writer, text, "stages", [last, ceilOf(h, halvings), ceilOf(w, halvings)], ([, height = 0, width = 0], env) => {
    const times = 2 ** (widths.length - 1);
    return [last.value(env) ?? 1, Math.ceil(height / times), Math.ceil(width / times)];
  });
}
