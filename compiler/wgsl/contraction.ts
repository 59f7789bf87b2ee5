/**
 * Contractions as tiled matrix products: rows x columns of the result, summed over `depth`, whose factors are gathered
 * from the operands by index (implicit GEMM), through workgroup memory, 4 x 4 sums for each invocation.
 *   output: rows = batch, output positions;  columns = output channels;  depth = taps, input channels
 *   input:  rows = batch, input positions;   columns = input channels;   depth = taps, output channels
 *   kernel: rows = taps, input channels;     columns = output channels;  depth = batch, output positions
 * Invariant: a sum runs over depth in order, in one invocation.
 */
import { asReduction, type ContractionKernel, leavesInput } from "../fuse/as-reduction.ts";
import { invariant } from "../ir/invariant.ts";
import type { Axis, Contraction, Expression, RoleStrides, Size, WindowAxis } from "../ir/kernel.ts";
import { evaluateAs, pointAt, writeStores } from "./expression.ts";
import { emitReduction, entryPoint, splitIndex } from "./loops.ts";
import { type Extent, productText, type Shader, sizeText, sumText, timesText, type Value } from "./shader.ts";
import type { VariantPlan } from "./variant.ts";

/** Results of an invocation along rows and columns. */
const BLOCK = 4;
/** Depth of a tile. */
const DEEP = 16;

/** A tile of `side` x `side` results by (side / 4)^2 invocations. */
interface Tiling {
  readonly side: number;
  readonly lanes: number;
}

interface Shape {
  readonly contraction: Contraction;
  readonly rows: readonly Axis[];
  readonly columns: number;
  readonly depth: readonly Axis[];
}

/** Whether rows, columns and depth are worth a tile; what is not is summed element by element. */
function isTiled(kernel: ContractionKernel): boolean {
  const { columns, depth, rows } = shapeOf(kernel);
  return columns >= 8 && guess(rows) >= 8 && guess(depth) >= 8;
}

function guess(axes: readonly Axis[]): number {
  return axes.reduce((product, { extent }) => product * (typeof extent === "number" ? extent : 32 * extent.batch), 1);
}

function shapeOf({ contraction, axes }: ContractionKernel): Shape {
  const { window, result, inputChannels, outputChannels } = contraction;
  const taps = window.map((axis, k): Axis => ({ name: `tap${k}`, extent: axis.taps }));
  const places = window.map((axis, k): Axis => ({ name: `place${k}`, extent: axis.output }));
  const channel = (extent: number): Axis => ({ name: "channel", extent });
  const count = window.length;
  if (result === "kernel") {
    return {
      contraction,
      rows: axes.slice(1, 2 + count),
      columns: outputChannels,
      depth: [{ name: "batch", extent: contraction.batch }, ...places],
    };
  }
  const [first] = axes;
  invariant(first !== undefined, "a contraction has a batch axis");
  const rows = [first, ...axes.slice(2, 2 + count)];
  return {
    contraction,
    rows,
    columns: result === "output" ? outputChannels : inputChannels,
    depth: [...taps, channel(result === "output" ? inputChannels : outputChannels)],
  };
}

/** The ways to compute a contraction. */
export function contractionVariants(kernel: ContractionKernel): readonly VariantPlan[] {
  if (!isTiled(kernel)) {
    const reduction = asReduction(kernel);
    return [{ name: "", scratch: [], dispatches: [{ role: "", kernel: reduction, emit: (shader) => emitReduction(shader, reduction) }] }];
  }
  const shape = shapeOf(kernel);
  const large = shape.columns >= 48 && guess(shape.rows) >= 1024;
  const tiling: Tiling = large ? { side: 64, lanes: 16 } : { side: 32, lanes: 8 };
  return [{ name: `${tiling.side}x${tiling.side}`, scratch: [], dispatches: [{ role: "", emit: (shader) => emitTiles(shader, kernel, tiling) }] }];
}

function emitTiles(shader: Shader, kernel: ContractionKernel, tiling: Tiling): readonly Extent[] {
  const shape = shapeOf(kernel);
  writeFactor(shader, "left_factor", "row", shape, leftFactor);
  writeFactor(shader, "right_factor", "column", shape, rightFactor);
  writeFinish(shader, kernel, shape);
  writeProduct(shader, shape, tiling);
  const rows = shape.rows.map((axis) => axis.extent);
  return [
    { sizes: rows, per: tiling.side },
    { sizes: [shape.columns], per: tiling.side },
    { sizes: [shape.contraction.groups], per: 1 },
  ];
}

/** A function from (row or column, depth, groups) to a factor; 0 beyond the edges. */
function writeFactor(
  shader: Shader,
  name: string,
  line: "row" | "column",
  shape: Shape,
  value: (shader: Shader, shape: Shape, line: readonly string[], depth: readonly string[]) => string,
): void {
  const axes: readonly Axis[] = line === "row" ? shape.rows : [{ name: "column", extent: shape.columns }];
  const edge = productText(axes.map((axis) => axis.extent));
  shader.block(`fn ${name}(${line}: i32, depth: i32, groups: i32) -> f32`, () => {
    shader.line(`if (${line} >= ${edge} || depth >= ${productText(shape.depth.map((axis) => axis.extent))}) { return 0f; }`);
    const along = line === "row" ? splitIndex(shader, line, axes, 0) : [line];
    const deep = splitIndex(shader, "depth", shape.depth, 10);
    shader.line(`return ${value(shader, shape, along, deep)};`);
  });
}

function leftFactor(shader: Shader, { contraction }: Shape, row: readonly string[], depth: readonly string[]): string {
  const { window, result } = contraction;
  const channel = result === "kernel" ? (row.at(-1) ?? "0") : (depth.at(-1) ?? "0");
  const taps = result === "kernel" ? row : depth;
  const [batch = "0", ...positions] = result === "kernel" ? depth : row;
  if (result === "input") {
    const at = window.map((axis, k) => outputPosition(shader, axis, positions[k] ?? "0", taps[k] ?? "0"));
    return roleElement(shader, contraction.output, contraction.outputPrologue, [batch, "groups", ...at, channel]);
  }
  const at = window.map((axis, k) => inputPosition(shader, axis, positions[k] ?? "0", taps[k] ?? "0"));
  return roleElement(shader, contraction.input, contraction.inputPrologue, [batch, "groups", ...at, channel]);
}

function rightFactor(shader: Shader, { contraction }: Shape, [column = "0"]: readonly string[], depth: readonly string[]): string {
  const { kernel, window, result, output } = contraction;
  if (result === "kernel") return roleElement(shader, output, contraction.outputPrologue, [depth[0] ?? "0", "groups", ...depth.slice(1), column]);
  const channel = depth.at(-1) ?? "0";
  const [input, wide] = result === "output" ? [channel, column] : [column, channel];
  const taps = window.map((_, k) => timesText(depth[k] ?? "0", kernel.taps[k] ?? 0));
  const address = sumText([
    shader.base(kernel.operand),
    timesText("groups", kernel.group),
    ...taps,
    timesText(input, kernel.input),
    timesText(wide, kernel.output),
  ]);
  return shader.element(kernel.operand, address).text;
}

/** output * stride + tap * dilation - padding; returns 0 from the function where that is outside. */
function inputPosition(shader: Shader, axis: WindowAxis, output: string, tap: string): string {
  const text = sumText([timesText(output, axis.stride), timesText(tap, axis.dilation), `${-axis.padding}`]);
  const at = shader.named({ text, type: "i32" }, "at").text;
  if (leavesInput(axis)) shader.line(`if (${at} < 0 || ${at} >= ${axis.input}) { return 0f; }`);
  return at;
}

/** (input + padding - tap * dilation) / stride. */
function outputPosition(shader: Shader, axis: WindowAxis, input: string, tap: string): string {
  const scaled = shader.named({ text: sumText([input, `${axis.padding}`, timesText(tap, -axis.dilation)]), type: "i32" }, "at").text;
  if (axis.stride === 1) {
    shader.line(`if (${scaled} < 0 || ${scaled} >= ${axis.output}) { return 0f; }`);
    return scaled;
  }
  const at = shader.named({ text: `${scaled} / ${axis.stride}`, type: "i32" }, "at").text;
  shader.line(`if (${scaled} < 0 || ${scaled} % ${axis.stride} != 0 || ${at} >= ${axis.output}) { return 0f; }`);
  return at;
}

/** The value at [batch, group, spatial.., channel], through the prologue. */
function roleElement(shader: Shader, role: RoleStrides, prologue: Expression | undefined, at: readonly string[]): string {
  const steps: readonly Size[] = [role.batch, role.group, ...role.spatial, role.channel];
  const address = sumText([shader.base(role.operand), ...at.map((index, k) => timesText(index, steps[k] ?? 0))]);
  const value: Value = shader.named(shader.element(role.operand, address), "x");
  return prologue === undefined ? value.text : evaluateAs(pointAt(shader, at, [value]), prologue, "f32");
}

/** Lets and stores of one result. */
function writeFinish(shader: Shader, kernel: ContractionKernel, shape: Shape): void {
  shader.block("fn finish(row: i32, column: i32, groups: i32, sum: f32)", () => {
    shader.line(`if (row >= ${productText(shape.rows.map((axis) => axis.extent))} || column >= ${shape.columns}) { return; }`);
    const rows = splitIndex(shader, "row", shape.rows, 0);
    const [first = "0", ...others] = rows;
    const axes = shape.contraction.result === "kernel" ? ["groups", ...rows, "column"] : [first, "groups", ...others, "column"];
    invariant(axes.length === kernel.axes.length, "a contraction's axes are those of its result");
    writeStores(pointAt(shader, axes, [{ text: "sum", type: "f32" }]));
  });
}

function writeProduct(shader: Shader, shape: Shape, { side, lanes }: Tiling): void {
  const size = lanes * lanes;
  // One more than a power of two, so that a column of the tile lies in different banks.
  const pitch = side + 1;
  shader.declarations.push(`var<workgroup> left_tile: array<f32, ${DEEP * pitch}>;`, `var<workgroup> right_tile: array<f32, ${DEEP * pitch}>;`);
  const across = Math.ceil(shape.columns / side);
  const rows = shape.rows.map((axis) => axis.extent);
  const rowsFirst = shape.contraction.result === "kernel";
  entryPoint(shader, size, () => {
    shader.line(`let down = (${productText(rows)} + ${side - 1}) / ${side};`);
    shader.line(`let groups = group / (down * ${across});`);
    shader.line(`if (groups >= ${sizeText(shape.contraction.groups)}) { return; }`);
    shader.line(`let first_row = (group / ${across}) % down * ${side};`);
    shader.line(`let first_column = group % ${across} * ${side};`);
    shader.line(`let my_row = lane / ${lanes};`);
    shader.line(`let my_column = lane % ${lanes};`);
    shader.line(`var sums: array<vec4<f32>, ${BLOCK}>;`);
    shader.block(`for (var start = 0; start < ${productText(shape.depth.map((axis) => axis.extent))}; start += ${DEEP})`, () => {
      shader.block(`for (var i = lane; i < ${DEEP * side}; i += ${size})`, () => {
        shader.line(`let near = i % ${side};`);
        shader.line(`let far = i / ${side};`);
        shader.line(rowsFirst ? "let row = near;" : `let row = i / ${DEEP};`);
        shader.line(rowsFirst ? "let depth = far;" : `let depth = i % ${DEEP};`);
        shader.line(`left_tile[depth * ${pitch} + row] = left_factor(first_row + row, start + depth, groups);`);
        shader.line(`right_tile[far * ${pitch} + near] = right_factor(first_column + near, start + far, groups);`);
      });
      shader.line("workgroupBarrier();");
      shader.block(`for (var k = 0; k < ${DEEP}; k++)`, () => {
        const parts = Array.from({ length: BLOCK }, (_, j) => `right_tile[k * ${pitch} + my_column + ${j * lanes}]`);
        shader.line(`let right = vec4<f32>(${parts.join(", ")});`);
        for (let i = 0; i < BLOCK; i++)
          shader.line(`sums[${i}] = fma(vec4<f32>(left_tile[k * ${pitch} + my_row + ${i * lanes}]), right, sums[${i}]);`);
      });
      shader.line("workgroupBarrier();");
    });
    // A loop: written out sixteen times, the epilogue took software adapters four times as long to compile.
    shader.block(`for (var i = 0; i < ${BLOCK * BLOCK}; i++)`, () => {
      shader.line(
        `finish(first_row + my_row + i / ${BLOCK} * ${lanes}, first_column + my_column + i % ${BLOCK} * ${lanes}, groups, sums[i / ${BLOCK}][i % ${BLOCK}]);`,
      );
    });
  });
}
