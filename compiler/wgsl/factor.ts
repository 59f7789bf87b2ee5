/**
 * The two factors of a contraction as matrices, read four elements at a time: `left` is rows x depth, `right` columns x
 * depth (implicit GEMM: positions and taps become addresses as they are read).
 *   output: rows = batch, output positions;  columns = output channels;  depth = taps, input channels
 *   input:  rows = batch, input positions;   columns = input channels;   depth = taps, output channels
 *   kernel: rows = taps, input channels;     columns = output channels;  depth = batch, output positions
 * Invariant: a load beyond the depth gives 0; lines beyond the edge are clamped to it and their sums never stored.
 */
import { type ContractionKernel, leavesInput } from "../fuse/as-reduction.ts";
import { invariant } from "../ir/invariant.ts";
import type { Axis, Contraction, Expression, RoleStrides, Size, WindowAxis } from "../ir/kernel.ts";
import { evaluateAs, pointAt } from "./expression.ts";
import { splitIndex } from "./loops.ts";
import { numberText, type Shader, sumText, timesText, type Value } from "./shader.ts";

export interface Shape {
  readonly contraction: Contraction;
  readonly rows: readonly Axis[];
  readonly columns: readonly Axis[];
  readonly depth: readonly Axis[];
}

export function shapeOf({ contraction, axes }: ContractionKernel): Shape {
  const { window, result, inputChannels, outputChannels } = contraction;
  const taps = window.map((axis): Axis => ({ name: "tap", extent: axis.taps }));
  const places = window.map((axis): Axis => ({ name: "at", extent: axis.output }));
  const channel = (extent: number): Axis => ({ name: "channel", extent });
  const count = window.length;
  if (result === "kernel") {
    const rows = [...taps, channel(inputChannels)];
    return { contraction, rows, columns: [channel(outputChannels)], depth: [{ name: "batch", extent: contraction.batch }, ...places] };
  }
  const [first] = axes;
  invariant(first !== undefined, "a contraction has a batch axis");
  const spatial = axes.slice(2, 2 + count).map(({ extent }): Axis => ({ name: "at", extent }));
  const [wide, deep] = result === "output" ? [outputChannels, inputChannels] : [inputChannels, outputChannels];
  return { contraction, rows: [{ name: "batch", extent: first.extent }, ...spatial], columns: [channel(wide)], depth: [...taps, channel(deep)] };
}

export type Side = "left" | "right";

/** How four elements that are read together lie: along the depth of one line, or along four lines. */
export type Grain = "deep" | "wide";

/** How a side is read. `vector`: the four lie side by side in memory at a multiple of four. */
export interface Access {
  readonly side: Side;
  readonly operand: number;
  readonly grain: Grain;
  readonly vector: boolean;
}

/** Decides how both sides are read, and binds them accordingly. */
export function accessesOf(shader: Shader, shape: Shape): Readonly<Record<Side, Access>> {
  const { result, kernel } = shape.contraction;
  const channels = shape.depth.at(-1)?.extent;
  if (result === "kernel") {
    return {
      left: roleAccess(shader, shape, "left", "input", "wide", shape.rows.at(-1)?.extent),
      right: roleAccess(shader, shape, "right", "output", "wide", shape.columns[0]?.extent),
    };
  }
  const [deep, wide] = result === "output" ? [kernel.input, kernel.output] : [kernel.output, kernel.input];
  const grain: Grain = wide === 1 || (deep !== 1 && wide < deep) ? "wide" : "deep";
  const [unit, other, extent] = grain === "wide" ? [wide, deep, shape.columns[0]?.extent] : [deep, wide, channels];
  const taps = stridesOfMoves(
    kernel.taps,
    shape.contraction.window.map((axis) => axis.taps),
  );
  const group = stridesOfMoves([kernel.group], [shape.contraction.groups]);
  const vector = unit === 1 && isFourfold([extent ?? 1, other, ...group, ...taps]) && shader.widen(kernel.operand);
  return {
    left: roleAccess(shader, shape, "left", result === "input" ? "output" : "input", "deep", channels),
    right: { side: "right", operand: kernel.operand, grain, vector },
  };
}

function roleAccess(shader: Shader, { contraction }: Shape, side: Side, name: "input" | "output", grain: Grain, channels: Size | undefined): Access {
  const { operand, channel, batch, group, spatial } = contraction[name];
  const extents = [contraction.batch, contraction.groups, ...contraction.window.map((axis) => axis[name])];
  const strides = stridesOfMoves([batch, group, ...spatial], extents);
  const vector = channel === 1 && isFourfold([channels ?? 1, ...strides]) && shader.widen(operand);
  return { side, operand, grain, vector };
}

/** The strides of axes that have more than one position: only along those does an address move. */
function stridesOfMoves(strides: readonly Size[], extents: readonly Size[]): readonly Size[] {
  return strides.filter((_, k) => extents[k] !== 1);
}

export function isFourfold(sizes: readonly Size[]): boolean {
  return sizes.every((size) => (typeof size === "number" ? size : size.batch) % 4 === 0);
}

/** A row or column, whatever of its position does not change along the depth computed: before the loop. */
export interface Line {
  /** Along the axes of rows or columns. */
  readonly parts: readonly string[];
}

/** A position along the depth. */
export interface Depth {
  readonly parts: readonly string[];
}

export function lineAt(shader: Shader, axes: readonly Axis[], linear: string): Line {
  return { parts: axes.length === 1 ? [linear] : splitNamed(shader, linear, axes) };
}

export function depthAt(shader: Shader, axes: readonly Axis[], linear: string): Depth {
  return { parts: axes.length === 1 ? [linear] : splitNamed(shader, linear, axes) };
}

function splitNamed(shader: Shader, linear: string, axes: readonly Axis[]): readonly string[] {
  const key = `split ${linear} over ${axes.map((axis) => JSON.stringify(axis.extent)).join()}`;
  const found = shader.remembered(key, () => ({ text: splitIndex(shader, linear, axes, undefined).join(" "), type: "i32" }));
  return found.text.split(" ");
}

/** An element of a factor: where it lies, what must hold for it not to be padding, and its indices for a prologue. */
interface Element {
  readonly address: string;
  readonly conditions: readonly string[];
  readonly at: readonly string[];
}

/** `hoisting`: names what depends on the line alone, for uses in the loop. */
export function locateElement(shader: Shader, { contraction }: Shape, access: Access, line: Line, depth: Depth): Element {
  const { result, window, kernel, input, output } = contraction;
  const { side } = access;
  if (side === "right" && result !== "kernel") {
    const channel = depth.parts.at(-1) ?? "0";
    const [column = "0"] = line.parts;
    const [inner, wide] = result === "output" ? [channel, column] : [column, channel];
    const hoisted = sumText([
      shader.base(kernel.operand),
      timesText("groups", kernel.group),
      timesText(column, result === "output" ? kernel.output : kernel.input),
    ]);
    const own = result === "output" ? timesText(inner, kernel.input) : timesText(wide, kernel.output);
    const taps = window.map((_, k) => timesText(depth.parts[k] ?? "0", kernel.taps[k] ?? 0));
    return { address: sumText([name(shader, hoisted, "line"), ...taps, own]), conditions: [], at: [] };
  }
  if (result === "kernel") {
    const [batch = "0", ...places] = depth.parts;
    if (side === "right") return roleElement(shader, output, batch, places, places, [], line.parts[0] ?? "0");
    const steps = window.map((axis, k) => ({
      fixed: sumText([timesText(line.parts[k] ?? "0", axis.dilation), numberText(-axis.padding)]),
      moving: timesText(places[k] ?? "0", axis.stride),
    }));
    return movedElement(shader, input, batch, line.parts.at(-1) ?? "0", window, steps);
  }
  const [batch = "0", ...positions] = line.parts;
  const channel = depth.parts.at(-1) ?? "0";
  if (result === "output") {
    const steps = window.map((axis, k) => ({
      fixed: sumText([timesText(positions[k] ?? "0", axis.stride), numberText(-axis.padding)]),
      moving: timesText(depth.parts[k] ?? "0", axis.dilation),
    }));
    return movedElement(shader, input, batch, channel, window, steps);
  }
  const conditions: string[] = [];
  const places = window.map((axis, k) => {
    const fixed = name(shader, sumText([positions[k] ?? "0", numberText(axis.padding)]), "from");
    const scaled = name(shader, sumText([fixed, timesText(depth.parts[k] ?? "0", -axis.dilation)]), "at");
    conditions.push(`${scaled} >= 0`);
    const at = axis.stride === 1 ? scaled : name(shader, `${scaled} / ${axis.stride}`, "at");
    if (axis.stride > 1) conditions.push(`${scaled} % ${axis.stride} == 0`);
    conditions.push(`${at} < ${numberText(axis.output)}`);
    return at;
  });
  return roleElement(shader, output, batch, places, places, conditions, channel);
}

/** An input position that is a part of the line plus a part of the depth. */
function movedElement(
  shader: Shader,
  role: RoleStrides,
  batch: string,
  channel: string,
  window: readonly WindowAxis[],
  steps: readonly { readonly fixed: string; readonly moving: string }[],
): Element {
  const conditions: string[] = [];
  const places = steps.map(({ fixed, moving }, k) => {
    const axis = window[k];
    const at = name(shader, sumText([name(shader, fixed, "from"), moving]), "at");
    if (axis !== undefined && leavesInput(axis)) conditions.push(`${at} >= 0`, `${at} < ${numberText(axis.input)}`);
    return at;
  });
  return roleElement(shader, role, batch, places, places, conditions, channel);
}

function roleElement(
  shader: Shader,
  role: RoleStrides,
  batch: string,
  places: readonly string[],
  at: readonly string[],
  conditions: readonly string[],
  channel: string,
): Element {
  const line = name(shader, sumText([shader.base(role.operand), timesText(batch, role.batch), timesText("groups", role.group)]), "line");
  const address = sumText([line, ...places.map((place, k) => timesText(place, role.spatial[k] ?? 0)), timesText(channel, role.channel)]);
  return { address, conditions, at: [batch, "groups", ...at, channel] };
}

function name(shader: Shader, text: string, stem: string): string {
  return shader.named({ text, type: "i32" }, stem).text;
}

/** The value of an element or of one of four, through the prologue of its role. */
export function throughPrologue(shader: Shader, { contraction }: Shape, side: Side, at: readonly string[], value: Value): string {
  const { result, inputPrologue, outputPrologue } = contraction;
  const isOutput = result === "input" ? side === "left" : result === "kernel" && side === "right";
  const isInput = result !== "input" && side === "left";
  const prologue: Expression | undefined = isInput ? inputPrologue : isOutput ? outputPrologue : undefined;
  return prologue === undefined ? value.text : evaluateAs(pointAt(shader, at, [value]), prologue, "f32");
}

export function hasPrologue(shape: Shape, side: Side): boolean {
  const { result, inputPrologue, outputPrologue } = shape.contraction;
  if (side === "left") return (result === "input" ? outputPrologue : inputPrologue) !== undefined;
  return result === "kernel" && outputPrologue !== undefined;
}
