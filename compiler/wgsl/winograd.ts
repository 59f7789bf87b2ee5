/**
 * 3x3 convolutions of stride 1, forwards and towards the input, by minimal filtering: of the products that a tile of
 * m x m results takes one in 2.25 (m = 2) or one in 4 (m = 4) remains, for three dispatches more.
 * Rows of the product are tiles, its columns the result's channels, its depth the channels summed over; one matrix for
 * each of the (m + 2)^2 places of a tile.
 * Invariant: every sum runs in an order that shapes and the tiling alone fix.
 */
import type { ContractionKernel } from "../fuse/as-reduction.ts";
import { elementsOf, multiplySizes } from "../fuse/size.ts";
import { invariant } from "../ir/invariant.ts";
import type { Axis, Coordinate, Operand, RoleStrides, Size } from "../ir/kernel.ts";
import { widenAlong, writeQuadStores } from "./expression.ts";
import { accessesOf, hasPrologue, locateElement, type Shape, throughPrologue } from "./factor.ts";
import { entryPoint, splitIndex } from "./loops.ts";
import { floatLiteral } from "./math.ts";
import { type Extent, numberText, productText, type Shader, sumText, timesText, WORKGROUP } from "./shader.ts";
import { F2, F4, type Filtering, type Matrix } from "./toom-cook.ts";
import type { DispatchPlan, VariantPlan } from "./variant.ts";

/** Channels, on either side, below which the transforms cost more than the products that they save. */
const LEAST_CHANNELS = 32;
/** Elements of a scratch buffer: 128 MiB, the binding that every device allows (WebGPU specification, limits). */
const MOST_SCRATCH = 2 ** 25;

const [FILTERS, PATCHES, PRODUCTS] = [0, 1, 2] as const;
/** Those that the product takes for its input, its weights and its output. */
const SCRATCH_OPERANDS = [
  [PATCHES, "patches"],
  [FILTERS, "filters"],
  [PRODUCTS, "products"],
] as const;

/** A convolution cut into tiles. */
interface Tiled {
  readonly kernel: ContractionKernel;
  readonly shape: Shape;
  readonly filtering: Filtering;
  /** Batch, and tiles along each axis of the result. */
  readonly tiles: readonly Axis[];
  /** Positions of the result. */
  readonly places: readonly [number, number];
  /** What the sums read beside the filters, its extents, and where in it a tile of the result's first position begins. */
  readonly source: RoleStrides;
  readonly extents: readonly [number, number];
  readonly start: readonly [number, number];
  readonly deep: number;
  readonly wide: number;
}

/** Gives the dispatch of a plain matrix product, once its operands stand for scratch buffers. */
export type ProductPlan = (product: ContractionKernel) => DispatchPlan;

/** The ways to compute a contraction by minimal filtering: none is the compiler's choice, a device measures them. */
export function winogradVariants(kernel: ContractionKernel, shape: Shape, planProduct: ProductPlan): readonly VariantPlan[] {
  return [F2, F4].flatMap((filtering) => {
    const tiled = tiledBy(filtering, kernel, shape);
    const found = tiled && variantOf(tiled, planProduct);
    return found === undefined ? [] : [found];
  });
}

function tiledBy(filtering: Filtering, kernel: ContractionKernel, shape: Shape): Tiled | undefined {
  const { result, window, groups, inputChannels, outputChannels, input, output } = kernel.contraction;
  const [down, across, ...others] = window;
  const isPlain = window.every(({ taps, stride, dilation }) => taps === 3 && stride === 1 && dilation === 1);
  if (result === "kernel" || groups !== 1 || down === undefined || across === undefined || others.length > 0 || !isPlain) return undefined;
  const [deep, wide] = result === "output" ? [inputChannels, outputChannels] : [outputChannels, inputChannels];
  if ([deep, wide].some((channels) => channels < LEAST_CHANNELS || channels % 4 !== 0)) return undefined;
  const isForward = result === "output";
  const places = isForward ? ([down.output, across.output] as const) : ([down.input, across.input] as const);
  if (places.some((extent) => extent < filtering.results)) return undefined;
  const [batch] = shape.rows;
  invariant(batch !== undefined, "a convolution has a batch");
  const counts = places.map((extent, k): Axis => ({ name: `tile${k}`, extent: Math.ceil(extent / filtering.results) }));
  return {
    ...{ kernel, shape, filtering, places, deep, wide },
    tiles: [batch, ...counts],
    source: isForward ? input : output,
    extents: isForward ? [down.input, across.input] : [down.output, across.output],
    // Towards the input the taps run backwards: position + padding - 2 is where the last one reads.
    start: isForward ? [-down.padding, -across.padding] : [down.padding - 2, across.padding - 2],
  };
}

/** undefined where a scratch buffer would be too large for one image. */
function variantOf(tiled: Tiled, planProduct: ProductPlan): VariantPlan | undefined {
  const { kernel, filtering, tiles, deep, wide } = tiled;
  const name = `winograd${filtering.results}`;
  const count = filtering.products ** 2;
  const rows = elementsOf(tiles.map((axis) => axis.extent));
  const product = productOf(tiled);
  const scratch = [count * deep * wide, multiplySizes(count * deep, rows), multiplySizes(count * wide, rows)];
  if (scratch.some((size) => (typeof size === "number" ? size : size.batch) > MOST_SCRATCH)) return undefined;
  // The filters do not grow with the batch.
  const limits = scratch.flatMap((size) => (typeof size === "number" ? [] : [Math.floor(MOST_SCRATCH / size.batch)]));
  return {
    name,
    upTo: 0,
    ...(limits.length === 0 ? {} : { triedUpTo: Math.min(...limits) }),
    scratch: scratch.map((elements) => ({ elements })),
    dispatches: [
      { part: `${name}_filters`, emit: (shader) => emitFilters(shader, tiled) },
      { part: `${name}_patches`, emit: (shader) => emitPatches(shader, tiled) },
      {
        ...planProduct(product),
        part: `${name}_products`,
        kernel: product,
        scratchOperands: SCRATCH_OPERANDS.map(([index, name], k) => ({ operand: kernel.operands.length + k, scratch: index, name })),
      },
      { part: `${name}_results`, emit: (shader) => emitResults(shader, tiled) },
    ],
  };
}

/** The product of patches and filters, a group for each place of a tile. Its own operands follow those of the convolution. */
function productOf({ kernel, filtering, tiles, deep, wide }: Tiled): ContractionKernel {
  const groups = filtering.products ** 2;
  const rows = elementsOf(tiles.map((axis) => axis.extent));
  const first = kernel.operands.length;
  const [patches, filters, products] = [first, first + 1, first + 2];
  // Numbers of buffers serve the caller alone, who never sees these.
  const operand = (strides: readonly Size[]): Operand => ({ buffer: -1, type: "f32", offset: 0, strides });
  const matrix = (channels: number): readonly Size[] => [channels, multiplySizes(channels, rows), 1];
  const role = (index: number, channels: number): RoleStrides => ({
    ...{ operand: index, batch: channels, group: multiplySizes(channels, rows), spatial: [], channel: 1 },
  });
  const at = [0, 1, 2].map((axis): Coordinate => ({ index: { constant: 0, terms: [{ axis, coefficient: 1 }] } }));
  return {
    form: "contraction",
    name: kernel.name,
    serves: kernel.serves,
    operands: [...kernel.operands, operand(matrix(deep)), operand([]), operand(matrix(wide))],
    axes: [
      { name: "tile", extent: rows },
      { name: "place", extent: groups },
      { name: "channel", extent: wide },
    ],
    lets: [],
    stores: [{ operand: products, at, value: { kind: "accumulator", index: 0 } }],
    contraction: {
      ...{ result: "output", batch: rows, groups, window: [], inputChannels: deep, outputChannels: wide },
      input: role(patches, deep),
      kernel: { operand: filters, group: deep * wide, taps: [], input: wide, output: 1 },
      output: role(products, wide),
    },
  };
}

/** One invocation for each pair of channels. */
function emitFilters(shader: Shader, { kernel, shape, filtering, deep, wide }: Tiled): readonly Extent[] {
  const { contraction } = kernel;
  const count = numberText(deep * wide);
  shader.scratch(FILTERS, "filters", "f32");
  entryPoint(shader, WORKGROUP, () => {
    shader.line(`let element = group * ${WORKGROUP} + lane;`);
    shader.line(`if (element >= ${count}) { return; }`);
    shader.line(`let column = element % ${numberText(wide)};`);
    shader.line(`let channel = element / ${numberText(wide)};`);
    shader.line("let groups = 0;");
    const { operand } = contraction.kernel;
    const access = { side: "right", operand, grain: "deep", vector: false } as const;
    const taps = grid(3, (y, x) => {
      const [down, across] = contraction.result === "output" ? [y, x] : [2 - y, 2 - x];
      const { address } = locateElement(shader, shape, access, { parts: ["column"] }, { parts: [`${down}`, `${across}`, "channel"] });
      return shader.named(shader.element(operand, address), "tap").text;
    });
    const found = transformed(shader, filtering.filter, taps);
    for (const [place, value] of found.flat().entries())
      shader.line(`filters[${sumText([timesText(`${place}`, deep * wide), "element"])}] = ${value};`);
  });
  return [{ sizes: [deep * wide], per: WORKGROUP }];
}

/** One invocation for four channels of a tile. */
function emitPatches(shader: Shader, tiled: Tiled): readonly Extent[] {
  const { shape, filtering, tiles, deep } = tiled;
  const { products } = filtering;
  const sizes = tiles.map((axis) => axis.extent);
  const { left } = accessesOf(shader, shape);
  shader.scratch(PATCHES, "patches", "vec4<f32>");
  entryPoint(shader, WORKGROUP, () => {
    const batch = splitTiles(shader, tiled, deep);
    shader.line(`var values: array<vec4<f32>, ${products ** 2}>;`);
    shader.block(`for (var y = 0; y < ${products}; y++)`, () => {
      shader.line("let at_y = first_y + y;");
      shader.block(`for (var x = 0; x < ${products}; x++)`, () => {
        shader.line("let at_x = first_x + x;");
        const inside = ["at_y", "at_x"].map((at, k) => `${at} >= 0 && ${at} < ${numberText(tiled.extents[k] ?? 0)}`).join(" && ");
        shader.block(`if (${inside})`, () => readFour(shader, tiled, left.vector, batch));
      });
    });
    const values = grid(products, (y, x) => `values[${y * products + x}]`);
    for (const [place, value] of transformed(shader, filtering.input, values).flat().entries())
      shader.line(`patches[(${place} * tiles + tile) * ${numberText(deep / 4)} + quad] = ${value};`);
  });
  return [{ sizes: [...sizes, deep / 4], per: WORKGROUP }];
}

/** Binds `quad` (of the channels), `tile`, `tiles`, and where the tile begins in what is read; returns its batch. */
function splitTiles(shader: Shader, { filtering, tiles, start }: Tiled, channels: number): string {
  shader.line(`let tiles = ${productText(tiles.map((axis) => axis.extent))};`);
  shader.line(`let element = group * ${WORKGROUP} + lane;`);
  const quads = numberText(channels / 4);
  shader.line(`if (element >= tiles * ${quads}) { return; }`);
  shader.line(`let quad = element % ${quads};`);
  shader.line(`let tile = element / ${quads};`);
  const [batch = "0", down = "0", across = "0"] = splitIndex(shader, "tile", tiles, undefined);
  shader.line(`let first_y = ${sumText([timesText(down, filtering.results), `${start[0]}`])};`);
  shader.line(`let first_x = ${sumText([timesText(across, filtering.results), `${start[1]}`])};`);
  return batch;
}

/** Reads four channels at `at_y`, `at_x` into the patch, through what is computed as they are read. */
function readFour(shader: Shader, { shape, source, filtering }: Tiled, vector: boolean, batch: string): void {
  const channel = shader.named({ text: "quad * 4", type: "i32" }, "channel").text;
  const placed = [timesText(batch, source.batch), timesText("at_y", source.spatial[0] ?? 0), timesText("at_x", source.spatial[1] ?? 0)];
  const line = shader.named({ text: sumText([shader.base(source.operand), ...placed]), type: "i32" }, "line").text;
  const quad = vector ? shader.named({ text: shader.vector(source.operand, sumText([line, channel])), type: "f32" }, "four").text : undefined;
  const values = [0, 1, 2, 3].map((k) => {
    const own = shader.named({ text: sumText([channel, `${k}`]), type: "i32" }, "channel").text;
    const value =
      quad === undefined
        ? shader.named(shader.element(source.operand, sumText([line, timesText(own, source.channel)])), "x")
        : ({ text: `${quad}.${"xyzw"[k]}`, type: "f32" } as const);
    return throughPrologue(shader, shape, "left", [batch, "0", "at_y", "at_x", own], value);
  });
  const isWhole = quad !== undefined && !hasPrologue(shape, "left");
  shader.line(`values[y * ${filtering.products} + x] = ${isWhole ? quad : `vec4<f32>(${values.join(", ")})`};`);
}

/** One invocation for four channels of a tile: the sums of its places become results. */
function emitResults(shader: Shader, tiled: Tiled): readonly Extent[] {
  const { kernel, filtering, tiles, places, wide } = tiled;
  const { results, products } = filtering;
  widenAlong(shader, kernel.axes.length - 1);
  shader.scratch(PRODUCTS, "products", "vec4<f32>");
  shader.block("fn finish(image: i32, y: i32, x: i32, column: i32, sums: vec4<f32>)", () => {
    shader.line(`if (y >= ${numberText(places[0])} || x >= ${numberText(places[1])}) { return; }`);
    writeQuadStores(shader, ["image", "0", "y", "x", "column"], "column", "sums");
  });
  entryPoint(shader, WORKGROUP, () => {
    const batch = splitTiles(shader, { ...tiled, start: [0, 0] }, wide);
    const sums = grid(products, (y, x) => {
      const place = y * products + x;
      return shader.named({ text: `products[(${place} * tiles + tile) * ${numberText(wide / 4)} + quad]`, type: "f32" }, "sum").text;
    });
    const found = transformed(shader, filtering.output, sums).flat();
    shader.line(`var results = array<vec4<f32>, ${results ** 2}>(${found.join(", ")});`);
    shader.block(`for (var k = 0; k < ${results ** 2}; k++)`, () => {
      shader.line(`finish(${batch}, first_y + k / ${results}, first_x + k % ${results}, quad * 4, results[k]);`);
    });
  });
  return [{ sizes: [...tiles.map((axis) => axis.extent), wide / 4], per: WORKGROUP }];
}

function grid(size: number, at: (y: number, x: number) => string): readonly (readonly string[])[] {
  return Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => at(y, x)));
}

/** matrix * values * transposed matrix, as the names of its elements. */
function transformed(shader: Shader, matrix: Matrix, values: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const columns = values[0] ?? [];
  const half = matrix.map((row) =>
    columns.map((_, x) =>
      combined(
        shader,
        row,
        values.map((line) => line[x] ?? "0"),
      ),
    ),
  );
  return half.map((line) => matrix.map((row) => combined(shader, row, line)));
}

/** The sum of values times constants, under a name. */
function combined(shader: Shader, factors: readonly number[], values: readonly string[]): string {
  const terms = values.flatMap((value, k) => {
    const factor = factors[k] ?? 0;
    if (factor === 0) return [];
    return [factor === 1 ? value : factor === -1 ? `-${value}` : `${floatLiteral(factor)} * ${value}`];
  });
  return shader.named({ text: sumText(terms), type: "f32" }, "t").text;
}
