/**
 * Tiles of the matrix product, and which of them serve a shape.
 * Invariant: 256 invocations and 16 KiB of workgroup memory at most, which every device has (WebGPU specification, limits).
 */

export interface Tiling {
  readonly name: string;
  /** Results of a workgroup. */
  readonly rows: number;
  readonly columns: number;
  /** Depth that lies in workgroup memory at a time. */
  readonly deep: number;
  /** Rows of an invocation; it has four columns. */
  readonly block: number;
  /** Parts of a workgroup that share the depth of a tile, and add up at its end. */
  readonly slices: number;
}

const wide: Tiling = { name: "128x64", rows: 128, columns: 64, deep: 16, block: 8, slices: 1 };
const square: Tiling = { name: "64x64", rows: 64, columns: 64, deep: 16, block: 4, slices: 1 };
const small: Tiling = { name: "32x32", rows: 32, columns: 32, deep: 32, block: 4, slices: 4 };

export const TILINGS: readonly Tiling[] = [wide, square, small];

export function invocationsOf({ rows, columns, block, slices }: Tiling): number {
  return (rows / block) * (columns / 4) * slices;
}

/** What is known of a product: `rows` is per unit of batch where it grows with it. */
export interface Extents {
  readonly rows: number;
  readonly rowsGrow: boolean;
  readonly columns: number;
  readonly depth: number;
  readonly depthGrows: boolean;
  readonly groups: number;
}

export interface TilingChoice {
  readonly tiling: Tiling;
  readonly splits: number;
  /** The compiler's choice up to this batch. */
  readonly upTo: number | undefined;
}

/**
 * Workgroups that fill a large GPU twice: 132 multiprocessors in NVIDIA's H100 (H100 whitepaper, 2022), and with fewer
 * than two workgroups for each there is nothing to run while one waits for memory.
 */
const ENOUGH_WORKGROUPS = 264;
/** A share of the depth below this costs more in partial sums, written and read, than it gains in products. */
const LEAST_SHARE = 256;
const MOST_SPLITS = 64;
/** A batch to choose splits of a growing depth by. */
const USUAL_BATCH = 32;

/** Tilings by batch: each serves batches up to its own `upTo`, the last one all that remain; every one serves some. */
export function chooseTilings(extents: Extents): readonly TilingChoice[] {
  return extents.depthGrows ? [tilingOfGradient(extents)] : tilingsOfProduct(extents);
}

function workgroups({ rows, columns, groups }: Extents, tiling: Tiling, batch: number, rowsGrow: boolean): number {
  return Math.ceil((rows * (rowsGrow ? batch : 1)) / tiling.rows) * Math.ceil(columns / tiling.columns) * groups;
}

/** Few results, a depth that grows with the batch: the depth is split. */
function tilingOfGradient(extents: Extents): TilingChoice {
  const tiling = extents.rows <= 32 || extents.columns <= 32 ? small : square;
  const depth = extents.depth * USUAL_BATCH;
  const wanted = ENOUGH_WORKGROUPS / workgroups(extents, tiling, 1, false);
  const splits = Math.min(MOST_SPLITS, powerOfTwo(Math.min(wanted, depth / LEAST_SHARE)));
  return { tiling, splits, upTo: undefined };
}

/** Small tiles as long as larger ones leave cores idle; a split depth where even those do, for long depths. */
function tilingsOfProduct(extents: Extents): readonly TilingChoice[] {
  const upTo = (tiling: Tiling, enough: number): number => {
    if (!extents.rowsGrow) return workgroups(extents, tiling, 1, false) < enough ? Number.POSITIVE_INFINITY : 0;
    return Math.floor(((enough / (Math.ceil(extents.columns / tiling.columns) * extents.groups)) * tiling.rows) / extents.rows);
  };
  const splits = Math.min(16, powerOfTwo(extents.depth / LEAST_SHARE));
  const choices: { readonly tiling: Tiling; readonly splits: number; readonly upTo: number }[] = [];
  // The reduction of the partial sums is a dispatch more: only where the depth is long enough to pay for it.
  if (extents.depth >= LONG_DEPTH) choices.push({ tiling: small, splits, upTo: upTo(small, ENOUGH_WORKGROUPS / 4) });
  const ever = Number.POSITIVE_INFINITY;
  if (extents.columns <= 32) choices.push({ tiling: small, splits: 1, upTo: ever });
  else {
    choices.push({ tiling: small, splits: 1, upTo: upTo(square, ENOUGH_WORKGROUPS) });
    choices.push({ tiling: square, splits: 1, upTo: upTo(wide, ENOUGH_WORKGROUPS) }, { tiling: wide, splits: 1, upTo: ever });
  }
  const served = choices.filter(({ upTo }, k) => upTo >= 1 && choices.slice(0, k).every((earlier) => earlier.upTo < upTo));
  return served.map((each) => (each.upTo === ever ? { ...each, upTo: undefined } : each));
}

/** 3x3 convolutions of 512 channels, ResNet's last stage. */
const LONG_DEPTH = 4096;

function powerOfTwo(n: number): number {
  return 2 ** Math.max(0, Math.round(Math.log2(Math.max(1, n))));
}
