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
const tall: Tiling = { name: "128x32", rows: 128, columns: 32, deep: 16, block: 4, slices: 1 };
const narrow: Tiling = { name: "128x16", rows: 128, columns: 16, deep: 16, block: 4, slices: 1 };
const small: Tiling = { name: "32x32", rows: 32, columns: 32, deep: 32, block: 4, slices: 4 };

/** Those that waste few columns, the smallest first. */
function tilingsFor(columns: number): readonly Tiling[] {
  if (columns <= narrow.columns) return [small, narrow];
  return columns <= tall.columns ? [small, tall] : [small, square, wide];
}

/** For products of many rows: columns decide. */
export function largestTiling(columns: number): Tiling {
  return columns <= tall.columns ? tall : columns <= square.columns ? square : wide;
}

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
  /** The compiler's choice up to this batch, for all that remain if undefined, for none if 0. */
  readonly upTo: number | undefined;
  /** Nobody need measure it beyond this batch. */
  readonly triedUpTo: number | undefined;
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
/** 3x3 convolutions of 512 channels, ResNet's last stage. */
const LONG_DEPTH = 4096;

/** Beyond the batches that the compiler chooses a tiling for, it is worth a measurement up to so many times them. */
const TRIED_BEYOND = 8;
/** Split depths worth a measurement where workgroups are few. */
const TRIED_SHARES = [
  { tiling: small, splits: 4 },
  { tiling: small, splits: 16 },
  { tiling: square, splits: 4 },
];
/** Elements of partial sums that a measurement may take: 64 MiB. */
const MOST_PARTIAL_SUMS = 2 ** 24;

/**
 * Tilings by batch: each serves batches up to its own `upTo`, the last one all that remain. Those between, of none, are
 * there to be measured on a device, which may like them better.
 */
export function chooseTilings(extents: Extents): readonly TilingChoice[] {
  return extents.depthGrows ? tilingsOfGradient(extents) : tilingsOfProduct(extents);
}

/** Invocations that keep a CPU's lanes, or a small GPU, busy. */
const ENOUGH_INVOCATIONS = 2048;
/** Shares of a depth that are worth their partial sums there. */
const MOST_SHARES = 16;

/**
 * How many shares a depth that grows with the batch is split into where each invocation sums for itself; undefined for
 * other depths. One share is still summed in two dispatches: then one shader serves weights under any optimizer.
 */
export function registerShares({ rows, columns, groups, depth, depthGrows }: Extents): number | undefined {
  if (!depthGrows) return undefined;
  const invocations = Math.ceil(rows / 4) * Math.ceil(columns / 4) * groups;
  return Math.min(MOST_SHARES, powerOfTwo(Math.min(ENOUGH_INVOCATIONS / invocations, (depth * USUAL_BATCH) / LEAST_SHARE)));
}

function workgroups({ rows, columns, groups }: Extents, tiling: Tiling): number {
  return Math.ceil(rows / tiling.rows) * Math.ceil(columns / tiling.columns) * groups;
}

/** Few results, a depth that grows with the batch: the depth is split. */
function tilingsOfGradient(extents: Extents): readonly TilingChoice[] {
  const { rows, columns, groups } = extents;
  const splitsOf = (tiling: Tiling): number => {
    const wanted = ENOUGH_WORKGROUPS / workgroups(extents, tiling);
    return Math.min(MOST_SPLITS, powerOfTwo(Math.min(wanted, (extents.depth * USUAL_BATCH) / LEAST_SHARE)));
  };
  const chosen = rows <= small.rows || columns <= small.columns ? small : square;
  const last: TilingChoice = { tiling: chosen, splits: splitsOf(chosen), upTo: undefined, triedUpTo: undefined };
  const others = [
    ...tilingsFor(columns).flatMap((tiling) => (tiling === chosen ? [] : [{ tiling, splits: splitsOf(tiling) }])),
    ...[4, 0.25].map((factor) => ({ tiling: chosen, splits: Math.max(1, factor * last.splits) })),
  ];
  const tried = others.filter(({ tiling, splits }) => {
    const isOther = tiling !== chosen || splits !== last.splits;
    return isOther && (splits === 1 || splits * rows * columns * groups <= MOST_PARTIAL_SUMS);
  });
  return [...tried.map((each) => ({ ...each, upTo: 0, triedUpTo: undefined })), last];
}

/** Small tiles as long as larger ones leave cores idle; a split depth where even those do, for long depths. */
function tilingsOfProduct(extents: Extents): readonly TilingChoice[] {
  const tilings = tilingsFor(extents.columns);
  /** The batch up to which a tiling gives fewer workgroups. */
  const limit = (tiling: Tiling, enough: number): number => {
    if (!extents.rowsGrow) return workgroups(extents, tiling) < enough ? ever : 0;
    return ((enough / (Math.ceil(extents.columns / tiling.columns) * extents.groups)) * tiling.rows) / extents.rows;
  };
  const choices: Limited[] = [];
  // The reduction of the partial sums is a dispatch more: only where the depth is long enough to pay for it.
  if (extents.depth >= LONG_DEPTH) {
    const [upTo, splits] = [limit(small, ENOUGH_WORKGROUPS / 4), Math.min(16, powerOfTwo(extents.depth / LEAST_SHARE))];
    choices.push({ tiling: small, splits, upTo, triedUpTo: limit(small, ENOUGH_WORKGROUPS) });
  }
  for (const [k, tiling] of tilings.entries()) {
    const next = tilings[k + 1];
    const upTo = next === undefined ? ever : limit(next, ENOUGH_WORKGROUPS);
    choices.push({ tiling, splits: 1, upTo, triedUpTo: TRIED_BEYOND * upTo });
  }
  const shared = TRIED_SHARES.flatMap(({ tiling, splits }): Limited[] => {
    const isWorth = tilings.includes(tiling) && extents.depth >= (splits * LEAST_SHARE) / 2;
    return isWorth ? [{ tiling, splits, upTo: 0, triedUpTo: limit(tiling, ENOUGH_WORKGROUPS) }] : [];
  });
  return inOrder([...choices, ...shared]);
}

/** Limits before they are rounded: infinite where there is none. */
interface Limited extends TilingChoice {
  readonly upTo: number;
  readonly triedUpTo: number;
}

const ever = Number.POSITIVE_INFINITY;

/** Those that some batch is served by, with those between, before the last, that only a measurement chooses. */
function inOrder(choices: readonly Limited[]): readonly TilingChoice[] {
  const rounded = (limit: number): number | undefined => (limit === ever ? undefined : Math.floor(limit));
  const served: TilingChoice[] = [];
  const tried: TilingChoice[] = [];
  let before = 0;
  for (const { tiling, splits, upTo, triedUpTo } of choices) {
    const each = { tiling, splits, upTo: rounded(upTo), triedUpTo: rounded(triedUpTo) };
    if (Math.floor(upTo) > before) {
      before = Math.floor(upTo);
      served.push(each);
    } else if (triedUpTo >= 1 && ![...served, ...tried].some((other) => other.tiling === tiling && other.splits === splits)) {
      tried.push({ ...each, upTo: 0 });
    }
  }
  return [...served.slice(0, -1), ...tried, ...served.slice(-1)];
}

function powerOfTwo(n: number): number {
  return 2 ** Math.max(0, Math.round(Math.log2(Math.max(1, n))));
}
