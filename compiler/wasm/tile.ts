/**
 * The two inner kernels that all contractions share: 4 rows of A times a panel of 8 columns of B.
 * Invariant: the inner loops are not unrolled: 8 sums, 2 columns and a splat fill the 15 vector registers of x86-64
 * (more rows or unrolling spill in V8's older compiler: 4x8 runs at 48 GFLOP/s where 6x8 runs at 28).
 */
import type { Code, Local, ModuleBuilder } from "./encode.ts";

const ROWS = 4;

/** Bytes of a tile of results: 4 rows of 8. */
const RESULT_BYTES = 128;

/** Scratch of the tile function: the result, and behind it what deep sums put aside. */
export const TILE_BYTES = 2 * RESULT_BYTES;

/** Words of one run: offset into A, offset into the panel, length in elements. */
export const RUN_WORDS = 3;

/**
 * Sums have three levels: CHUNK terms are added up in registers, then added to the tile in memory, which is put aside
 * after DEEP terms. The rounding of a chain of n additions grows with sqrt(n): at depth 4608 this makes 3 roundings where
 * one chain makes 28, and a deep network multiplies each layer's some tenfold.
 */
const CHUNK = 32;
const DEEP = 640;

function zeros(code: Code): Local[] {
  return Array.from({ length: 2 * ROWS }, () => {
    const local = code.local("v128");
    code.splatF32(0).set(local);
    return local;
  });
}

/** One step: `row(i)` pushes the splat of A's row i. */
function multiplyAdd(code: Code, sums: readonly Local[], panel: Local, row: (index: number) => void): void {
  const [left, right, splat] = [code.local("v128"), code.local("v128"), code.local("v128")];
  code.get(panel).memory("v128.load").set(left);
  code.get(panel).memory("v128.load", 16).set(right);
  for (let index = 0; index < ROWS; index++) {
    row(index);
    code.set(splat);
    [left, right].forEach((column, side) => {
      const sum = sums[2 * index + side] ?? 0;
      code.get(sum).get(splat).get(column).op("f32x4.mul").op("f32x4.add").set(sum);
    });
  }
}

function step(code: Code, pointer: Local, bytes: number): void {
  code.get(pointer).i32(bytes).op("i32.add").set(pointer);
}

/**
 * `(a0, a1, a2, a3, panel, runs, runsEnd, tile) -> ()`: row i of the tile becomes the sum over runs and k of
 * a_i[run.a + 4 k] * panel[run.b + 32 k ..][0..8].
 */
export function tileFunction(module: ModuleBuilder): number {
  return module.shared(
    "tile_4x8",
    Array.from({ length: 8 }, () => "i32" as const),
    [],
    (code) => {
      const [panel, runs, runsEnd, tile] = [4, 5, 6, 7];
      const sums = zeros(code);
      const rows = Array.from({ length: ROWS }, () => code.local("i32"));
      const [offset, b, bEnd, chunkEnd, pending] = [code.local("i32"), code.local("i32"), code.local("i32"), code.local("i32"), code.local("i32")];
      const [summed, deep] = [code.local("i32"), code.local("i32")];
      for (let index = 0; index < 2 * ROWS; index++)
        code
          .get(tile)
          .splatF32(0)
          .memory("v128.store", 16 * index);
      code.block((exit) => {
        code.get(runs).get(runsEnd).op("i32.ge_u").branchIf(exit);
        code.loop((nextRun) => {
          code.get(runs).memory("i32.load").set(offset);
          rows.forEach((row, index) => code.get(index).get(offset).op("i32.add").set(row));
          code.get(panel).get(runs).memory("i32.load", 4).op("i32.add").tee(b);
          code.get(runs).memory("i32.load", 8).i32(5).op("i32.shl").op("i32.add").set(bEnd);
          code.loop((nextChunk) => {
            code
              .get(b)
              .i32(32 * CHUNK)
              .op("i32.add")
              .set(chunkEnd);
            code.get(bEnd).get(chunkEnd).get(bEnd).get(chunkEnd).op("i32.lt_u").op("select").set(chunkEnd);
            code.get(pending).get(chunkEnd).get(b).op("i32.sub").op("i32.add").set(pending);
            code.loop((repeat) => {
              multiplyAdd(code, sums, b, (index) => code.get(rows[index] ?? 0).memory("v128.load32_splat"));
              for (const row of rows) step(code, row, 4);
              code.get(b).i32(32).op("i32.add").tee(b).get(chunkEnd).op("i32.lt_u").branchIf(repeat);
            });
            code.block((enough) => {
              code
                .get(pending)
                .i32(32 * CHUNK)
                .op("i32.lt_u")
                .branchIf(enough);
              flush(code, sums, tile);
              code.get(summed).get(pending).op("i32.add").tee(summed);
              code.i32(32 * DEEP).op("i32.ge_s");
              code.if(() => {
                code.get(tile).get(deep).op("call", putAsideFunction(module));
                code.i32(0).set(summed).i32(1).set(deep);
              });
              for (const sum of sums) code.splatF32(0).set(sum);
              code.i32(0).set(pending);
            });
            code.get(b).get(bEnd).op("i32.lt_u").branchIf(nextChunk);
          });
          code
            .get(runs)
            .i32(4 * RUN_WORDS)
            .op("i32.add")
            .tee(runs)
            .get(runsEnd)
            .op("i32.lt_u")
            .branchIf(nextRun);
        });
      });
      flush(code, sums, tile);
      code.get(deep).if(() => {
        sums.forEach((_, index) => {
          code
            .get(tile)
            .get(tile)
            .memory("v128.load", 16 * index);
          code
            .get(tile)
            .memory("v128.load", RESULT_BYTES + 16 * index)
            .op("f32x4.add");
          code.memory("v128.store", 16 * index);
        });
      });
    },
  );
}

/** `(tile, deep) -> ()`: adds the tile to what was put aside (nothing unless `deep`), and clears it. */
function putAsideFunction(module: ModuleBuilder): number {
  return module.shared("put_aside_4x8", ["i32", "i32"], [], (code) => {
    const [tile, deep] = [0, 1];
    code.get(deep).op("i32.eqz");
    code.if(() => {
      for (let at = 0; at < RESULT_BYTES; at += 16)
        code
          .get(tile)
          .splatF32(0)
          .memory("v128.store", RESULT_BYTES + at);
    });
    for (let at = 0; at < RESULT_BYTES; at += 16) {
      code.get(tile).get(tile).memory("v128.load", at);
      code
        .get(tile)
        .memory("v128.load", RESULT_BYTES + at)
        .op("f32x4.add");
      code.memory("v128.store", RESULT_BYTES + at);
      code.get(tile).splatF32(0).memory("v128.store", at);
    }
  });
}

/** Adds the sums to those in memory. */
function flush(code: Code, sums: readonly Local[], tile: Local): void {
  sums.forEach((sum, index) => {
    code
      .get(tile)
      .get(tile)
      .memory("v128.load", 16 * index)
      .get(sum)
      .op("f32x4.add")
      .memory("v128.store", 16 * index);
  });
}

/**
 * `(a, panel, sums, aStep, columns, aRowSkip, rows, aPlaneSkip, planes) -> ()`: sums[i][0..8] += the sum over pixels of
 * a[pixel][i] * panel[pixel][0..8]; the panel is contiguous, A moves by aStep, and by the skips after a row or a plane.
 */
export function gradientTileFunction(module: ModuleBuilder): number {
  return module.shared(
    "gradient_tile_4x8",
    Array.from({ length: 9 }, () => "i32" as const),
    [],
    (code) => {
      const [a, panel, target, aStep, columns, rowSkip, rows, planeSkip, planes] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
      const sums = zeros(code);
      const [end, row, length] = [code.local("i32"), code.local("i32"), code.local("i32")];
      code.get(columns).i32(5).op("i32.shl").set(length);
      code.loop((nextPlane) => {
        code.get(rows).set(row);
        code.loop((nextRow) => {
          code.get(panel).get(length).op("i32.add").set(end);
          code.loop((repeat) => {
            multiplyAdd(code, sums, panel, (index) => code.get(a).memory("v128.load32_splat", 4 * index));
            code.get(a).get(aStep).op("i32.add").set(a);
            code.get(panel).i32(32).op("i32.add").tee(panel).get(end).op("i32.lt_u").branchIf(repeat);
          });
          code.get(a).get(rowSkip).op("i32.add").set(a);
          code.get(row).i32(1).op("i32.sub").tee(row).branchIf(nextRow);
        });
        code.get(a).get(planeSkip).op("i32.add").set(a);
        code.get(planes).i32(1).op("i32.sub").tee(planes).branchIf(nextPlane);
      });
      flush(code, sums, target);
    },
  );
}
