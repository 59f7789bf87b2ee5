/**
 * Contractions: which ways there are to compute one, and what becomes of its sums.
 * Invariant: every variant sums in an order that shapes and batch alone fix; sums that are split over workgroups are
 * added by a second dispatch, in order.
 */
import { asReduction, type ContractionKernel } from "../fuse/as-reduction.ts";
import { elementsOf, multiplySizes } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Axis, Size } from "../ir/kernel.ts";
import { pointAt, widenAlong, writeQuadStores, writeStores } from "./expression.ts";
import { accessesOf, type Shape, shapeOf } from "./factor.ts";
import { entryPoint, splitIndex } from "./loops.ts";
import { extentsText, type ProductTarget, writeProduct } from "./product.ts";
import { writeRegisters } from "./registers.ts";
import { reductionVariants } from "./reduction.ts";
import { type Extent, numberText, type Shader, sizeText, WORKGROUP } from "./shader.ts";
import { chooseTilings, type Extents, largestTiling, registerShares, type Tiling, type TilingChoice } from "./tiling.ts";
import type { DispatchPlan, VariantPlan } from "./variant.ts";
import { winogradVariants } from "./winograd.ts";

/** Rows up to which a workgroup for each element reads the weights as fast as memory gives them. */
const FEW_ROWS = 4;
/** Beyond the batches that it is chosen for it is worth a measurement up to so many times them. */
const ROWS_TRIED_BEYOND = 4;

/** The ways to compute a contraction, the compiler's choices first. */
export function contractionVariants(kernel: ContractionKernel): readonly VariantPlan[] {
  const shape = shapeOf(kernel);
  const extents = extentsOf(shape);
  const reduction = asReduction(kernel);
  if (!isWorthTiles(extents)) return reductionVariants("", {}, reduction);
  const tiled = [
    ...winogradVariants(kernel, shape, planProduct),
    registersVariant(kernel, shape, registerShares(extents)),
    ...chooseTilings(extents).map((choice) => tiledVariant(kernel, shape, choice)),
  ];
  if (!extents.rowsGrow || extents.rows > FEW_ROWS) return tiled;
  const upTo = Math.floor(FEW_ROWS / extents.rows);
  return [...reductionVariants("rows", { upTo, triedUpTo: ROWS_TRIED_BEYOND * upTo }, reduction), ...tiled];
}

/** A product whose rows, a tile of a convolution each, are many. */
function planProduct(product: ContractionKernel): DispatchPlan {
  const [shape, tiling] = [shapeOf(product), largestTiling(product.contraction.outputChannels)];
  return productDispatch(product, shape, tiling.name, byTiles(shape, tiling));
}

function extentsOf(shape: Shape): Extents {
  const units = (axes: readonly Axis[]): number =>
    axes.reduce((product, { extent }) => product * (typeof extent === "number" ? extent : extent.batch), 1);
  const grows = (axes: readonly Axis[]): boolean => axes.some(({ extent }) => typeof extent !== "number");
  const { groups } = shape.contraction;
  return {
    rows: units(shape.rows),
    rowsGrow: grows(shape.rows),
    columns: units(shape.columns),
    depth: units(shape.depth),
    depthGrows: grows(shape.depth) || shape.contraction.result === "kernel",
    groups: typeof groups === "number" ? groups : groups.batch,
  };
}

/** Whether a contraction is computed by tiles; others are summed element by element. */
export function isTiled(kernel: ContractionKernel): boolean {
  return isWorthTiles(extentsOf(shapeOf(kernel)));
}

function isWorthTiles({ rows, rowsGrow, columns, depth, depthGrows }: Extents): boolean {
  return columns >= 8 && rows * (rowsGrow ? 32 : 1) >= 8 && depth * (depthGrows ? 32 : 1) >= 8;
}

function tiledVariant(kernel: ContractionKernel, shape: Shape, { tiling, splits, upTo, triedUpTo }: TilingChoice): VariantPlan {
  return {
    ...(upTo === undefined ? {} : { upTo }),
    ...(triedUpTo === undefined ? {} : { triedUpTo }),
    ...productVariant(kernel, shape, tiling.name, byTiles(shape, tiling), splits === 1 ? undefined : splits),
  };
}

/** Each invocation for itself: the compiler's choice for software alone. */
function registersVariant(kernel: ContractionKernel, shape: Shape, splits: number | undefined): VariantPlan {
  const write: ProductWriter = (shader, accesses, target) => writeRegisters(shader, shape, accesses, target);
  return { upTo: 0, plain: true, ...productVariant(kernel, shape, "registers", write, splits) };
}

/** Writes the entry point of a product; returns its workgroups. */
type ProductWriter = (shader: Shader, accesses: ReturnType<typeof accessesOf>, target: ProductTarget) => readonly Extent[];

function byTiles(shape: Shape, tiling: Tiling): ProductWriter {
  return (shader, accesses, target) => writeProduct(shader, shape, accesses, tiling, target);
}

/** A product in one pass, or in so many shares of the depth and a second pass that adds them. */
function productVariant(
  kernel: ContractionKernel,
  shape: Shape,
  name: string,
  write: ProductWriter,
  splits: number | undefined,
): Pick<VariantPlan, "name" | "scratch" | "dispatches"> {
  if (splits === undefined) return { name, scratch: [], dispatches: [productDispatch(kernel, shape, name, write)] };
  const { groups } = shape.contraction;
  const emitShares = (shader: Shader): readonly Extent[] => {
    shader.storeVectors(kernel.stores.map((store) => store.operand));
    const accesses = accessesOf(shader, shape);
    writeKeep(shader, shape);
    const finish: ProductTarget["finish"] = (row, column, sums) => `keep(${row}, ${column}, split * ${sizeText(groups)} + groups, ${sums});`;
    return write(shader, accesses, { splits: shader.parameter("splits"), finish });
  };
  const sums = [...shape.rows, ...shape.columns].map((axis) => axis.extent);
  return {
    name: `${name}_split${splits}`,
    scratch: [{ elements: multiplySizes(splits, elementsOf([...sums, groups])) }],
    dispatches: [
      { part: `${name}_shares`, emit: emitShares, parameters: [splits], times: splits },
      { part: "sum", emit: (shader) => emitSum(shader, kernel, shape), parameters: [splits] },
    ],
  };
}

/** A product in one pass. */
function productDispatch(kernel: ContractionKernel, shape: Shape, part: string, write: ProductWriter): DispatchPlan {
  const emit = (shader: Shader): readonly Extent[] => {
    const finish = planFinish(shader, kernel, shape);
    const accesses = accessesOf(shader, shape);
    finish();
    return write(shader, accesses, { finish: (row, column, sums) => `finish(${row}, ${column}, groups, ${sums});` });
  };
  return { part, emit };
}

function isQuadWide({ columns }: Shape): boolean {
  const [{ extent } = { extent: 1 }] = columns;
  return typeof extent === "number" && extent % 4 === 0;
}

function columnsOf({ columns }: Shape): number {
  const [{ extent } = { extent: 1 }] = columns;
  invariant(typeof extent === "number", "channels are constant");
  return extent;
}

/** The kernel's axes from those of rows, the column and the group. */
function axesOf(kernel: ContractionKernel, shape: Shape, rows: readonly string[], column: string): readonly string[] {
  const [first = "0", ...others] = rows;
  const axes = shape.contraction.result === "kernel" ? ["groups", ...rows, column] : [first, "groups", ...others, column];
  invariant(axes.length === kernel.axes.length, "a contraction's axes are those of its result");
  return axes;
}

/** Decides how results are stored, before anything is bound; then writes the function that stores four. */
function planFinish(shader: Shader, kernel: ContractionKernel, shape: Shape): () => void {
  if (isQuadWide(shape)) widenAlong(shader, kernel.axes.length - 1);
  return () => {
    shader.block("fn finish(row: i32, column: i32, groups: i32, sums: vec4<f32>)", () => {
      shader.line(`if (row >= ${extentsText(shape.rows)} || column >= ${numberText(columnsOf(shape))}) { return; }`);
      const rows = splitIndex(shader, "row", shape.rows, 0);
      writeFour(shader, kernel, shape, rows);
    });
  };
}

/** Stores the results of four columns from `column` on, whose sums are `sums`. */
function writeFour(shader: Shader, kernel: ContractionKernel, shape: Shape, rows: readonly string[]): void {
  if (isQuadWide(shape)) {
    writeQuadStores(shader, axesOf(kernel, shape, rows, "column"), "column", "sums");
    return;
  }
  shader.block(`for (var j = 0; j < 4 && column + j < ${numberText(columnsOf(shape))}; j++)`, () => {
    shader.line("let own = column + j;");
    writeStores(pointAt(shader, axesOf(kernel, shape, rows, "own"), [{ text: "sums[j]", type: "f32" }]));
  });
}

/** The function that keeps four sums of a share. */
function writeKeep(shader: Shader, shape: Shape): void {
  const columns = numberText(columnsOf(shape));
  const quads = isQuadWide(shape);
  shader.scratch(0, "partial", quads ? "vec4<f32>" : "f32");
  shader.block("fn keep(row: i32, column: i32, share: i32, sums: vec4<f32>)", () => {
    shader.line(`if (row >= ${extentsText(shape.rows)} || column >= ${columns}) { return; }`);
    shader.line(`let at = (share * ${extentsText(shape.rows)} + row) * ${columns} + column;`);
    if (quads) shader.line("partial[at / 4] = sums;");
    else shader.line(`for (var j = 0; j < 4 && column + j < ${columns}; j++) { partial[at + j] = sums[j]; }`);
  });
}

/** Adds the shares, in order, four columns to an invocation where there are so many, and stores the results. */
function emitSum(shader: Shader, kernel: ContractionKernel, shape: Shape): readonly Extent[] {
  const columns = columnsOf(shape);
  const quads = isQuadWide(shape);
  const { groups } = shape.contraction;
  shader.scratch(0, "partial", quads ? "vec4<f32>" : "f32");
  if (quads) widenAlong(shader, kernel.axes.length - 1);
  const across = quads ? columns / 4 : columns;
  const acrossText = numberText(across);
  entryPoint(shader, WORKGROUP, () => {
    shader.line(`let element = group * ${WORKGROUP} + lane;`);
    shader.line(`let share = ${extentsText(shape.rows)} * ${acrossText} * ${sizeText(groups)};`);
    shader.line("if (element >= share) { return; }");
    shader.line(`var sums = partial[element];`);
    shader.line(`for (var split = 1; split < ${shader.parameter("splits")}; split++) { sums += partial[split * share + element]; }`);
    shader.line(`let column = element % ${acrossText}${quads ? " * 4" : ""};`);
    shader.line(`let line = element / ${acrossText};`);
    shader.line(`let row = line % (${extentsText(shape.rows)});`);
    shader.line(`let groups = line / (${extentsText(shape.rows)});`);
    const rows = splitIndex(shader, "row", shape.rows, 0);
    if (quads) writeFour(shader, kernel, shape, rows);
    else writeStores(pointAt(shader, axesOf(kernel, shape, rows, "column"), [{ text: "sums", type: "f32" }]));
  });
  const sizes: readonly Size[] = [...shape.rows.map((axis) => axis.extent), across, groups];
  return [{ sizes, per: WORKGROUP }];
}
