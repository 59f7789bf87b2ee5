/**
 * The epilogue of tile kernels: lets and stores for up to 8 channels of one element, whose sums lie in memory.
 * Invariant: sums are contiguous over the channels; whole panels are stored as two vectors.
 */
import type { Local } from "./encode.ts";
import { evaluateStores } from "./expression.ts";
import { push, type Term } from "./frame.ts";
import type { Lanes, Level } from "./level.ts";
import { enterLanes, innerLevel, loopLanes } from "./nest.ts";
import { PANEL } from "./pack.ts";
import { vectorVersions } from "./pointwise.ts";
import { ACCUMULATED, type Scope } from "./scope.ts";

export interface Channels {
  /** The kernel's channel axis and its extent. */
  readonly axis: number;
  readonly extent: Term;
  /** Whether the extent is a multiple of the panel. */
  readonly whole: boolean;
  /** First channel, and the address of its sum. */
  readonly first: Local;
  readonly sums: Local;
}

/** Emits the epilogue of channels `first ..< min(first + 8, extent)`. `level` has all other axes bound. */
export function emitChannels(scope: Scope, level: Level, channels: Channels): void {
  const { code } = scope.frame;
  const { axis, extent, first, sums } = channels;
  const full: Lanes = { axis, width: 4, unroll: PANEL / 4 };
  const whole = () => {
    const inner = enterLanes(scope, level, first, full);
    store(scope, inner, sums);
  };
  if (channels.whole) {
    whole();
    return;
  }
  push(code.get(first).i32(PANEL).op("i32.add"), extent).op("i32.le_s");
  code.if(whole, () => {
    loopLanes(scope, level, axis, { from: { local: first }, to: extent }, vectorVersions(axis, 1), false, (inner) => {
      const index = inner.indices.get(axis) ?? { constant: 0 };
      const address = code.local("i32");
      push(code, index).get(first).op("i32.sub").i32(2).op("i32.shl").get(sums).op("i32.add").set(address);
      store(scope, inner, address);
    });
  });
}

function store(scope: Scope, level: Level, sums: Local): void {
  const { code } = scope.frame;
  const { width, unroll } = level.lanes;
  const loaded = Array.from({ length: unroll }, (_, vector) => {
    const local = code.local("v128");
    code
      .get(sums)
      .memory(width === 4 ? "v128.load" : "v128.load32_splat", 16 * vector)
      .set(local);
    return local;
  });
  evaluateStores(scope, innerLevel(level, { axes: ACCUMULATED, accumulators: [loaded] }));
}
