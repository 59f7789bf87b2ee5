/**
 * Reductions along a row: the result is one element per unit, and the innermost reduced axis is read four lanes at a time
 * (or one element at a time where no reduced axis is contiguous). Reductions across rows are those of `channels.ts`.
 * Invariant: the order of additions depends on the kernel's sizes only.
 */
import type { Size } from "../ir/kernel.ts";
import {
  accumulate,
  type AccumulatorShape,
  addBlock,
  blockTerms,
  type Cell,
  combineLanes,
  localCell,
  merge,
  reset,
  settleTotal,
} from "./accumulate.ts";
import { emitChannelReduction } from "./channels.ts";
import type { Local } from "./encode.ts";
import { ElementEmitter, type Lanes } from "./expression.ts";
import type { Frame, Place } from "./frame.ts";
import { isOne, isZero, positionForm } from "./loops.ts";
import { forLanes, forLoops, forUnits, unitsOf } from "./nest.ts";
import { shapeOfAccumulators, type ReductionKernel } from "./shapes.ts";

/** Emits the body of a reduction; returns its units. */
export function emitReduction(frame: Frame, kernel: ReductionKernel): Size {
  const inner = [...new Set(kernel.accumulators.flatMap(({ value }) => frame.registerLoads(value)))];
  const epilogue = [...new Set(kernel.stores.flatMap((store) => frame.registerStore(store)))];
  const shapes = shapeOfAccumulators(kernel);
  const parallel = Array.from({ length: frame.plan.parallel }, (_, loop) => loop);
  const reduced = frame.plan.loops.map((_, loop) => loop).slice(frame.plan.parallel);
  const channels = parallel.findLast((loop) => contiguous(frame, inner, loop));
  const rows = reduced.findLast((loop) => contiguous(frame, inner, loop));
  if (channels !== undefined && (rows === undefined || longer(frame, channels))) {
    return emitChannelReduction(frame, kernel, { inner, epilogue, shapes, parallel, reduced, channels });
  }
  const ordered = rows === undefined || shapes.some(({ position }) => position) ? reduced : [...reduced.filter((loop) => loop !== rows), rows];
  const vector = ordered.at(-1) === rows ? rows : undefined;
  const cells = shapes.map((shape) => localCell(frame.f, shape, true));
  forUnits(frame, frame.start([...new Set([...inner, ...epilogue])]), parallel, frame.begin, frame.end, (place) => {
    reduceRow(frame, kernel, place, ordered, vector, shapes, cells);
    const values = { push: (index: number) => pushResult(shapes, cells, index) };
    new ElementEmitter(frame, place, { width: 1, loop: undefined }, values).stores(kernel.stores);
  });
  return unitsOf(frame, parallel);
}

function longer(frame: Frame, loop: number): boolean {
  const extent = frame.plan.loops[loop]?.extent ?? 1;
  return typeof extent !== "number" || extent >= 4;
}

/** Whether some load walks the loop contiguously and none in strides. */
function contiguous(frame: Frame, accesses: readonly number[], loop: number): boolean {
  const steps = accesses.map((index) => frame.stepOf(index, loop));
  return steps.some(isOne) && steps.every((step) => isOne(step) || isZero(step));
}

function pushResult(shapes: readonly AccumulatorShape[], cells: readonly Cell[], index: number): "f32" | "i32" {
  const [shape, cell] = [shapes[index], cells[index]];
  if (cell?.position !== undefined) {
    cell.position.get();
    return "i32";
  }
  cell?.value.get();
  return shape?.type ?? "f32";
}

/** Reduces everything that belongs to one unit into `cells`, in all lanes. */
function reduceRow(
  frame: Frame,
  kernel: ReductionKernel,
  place: Place,
  loops: readonly number[],
  vector: number | undefined,
  shapes: readonly AccumulatorShape[],
  cells: readonly Cell[],
): void {
  const { f } = frame;
  const form = positionForm(kernel);
  const partial = shapes.map((shape) => localCell(f, shape));
  const tail = shapes.map((shape) => localCell(f, shape));
  const each = (visit: (shape: AccumulatorShape, total: Cell, part: Cell, rest: Cell) => void): void => {
    for (const [index, shape] of shapes.entries()) {
      const [total, part, rest] = [cells[index], partial[index], tail[index]];
      if (total !== undefined && part !== undefined && rest !== undefined) visit(shape, total, part, rest);
    }
  };
  const terms = f.local("i32");
  each((shape, total, part, rest) => {
    for (const cell of [total, part, rest]) reset(f, shape, cell);
  });
  f.i32(blockTerms).set(terms);
  const flush = (): void => {
    each((shape, total, part) => {
      mergeCell(frame, shape, total, part);
      reset(f, shape, part);
    });
  };
  const step = (inner: Place, lanes: Lanes): void => {
    const emitter = new ElementEmitter(frame, inner, lanes);
    const position = shapes.some((shape) => shape.position) ? f.local("v128") : undefined;
    if (position !== undefined) {
      emitter.pushIndex(0, frame.steps(form), "position");
      f.set(position);
    }
    each((shape, _total, part, rest) => {
      const index = shapes.indexOf(shape);
      const accumulator = kernel.accumulators[index];
      if (accumulator === undefined) return;
      const value = f.local("v128");
      emitter.number(accumulator.value, shape.type);
      f.set(value);
      accumulate(f, shape, vector !== undefined && lanes.width === 1 ? rest : part, value, position);
    });
    if (vector !== undefined && lanes.width === 1) return;
    f.get(terms)
      .i32(1)
      .op("i32.sub")
      .tee(terms)
      .op("i32.eqz")
      .if(() => {
        flush();
        f.i32(blockTerms).set(terms);
      });
  };
  if (vector === undefined) forLoops(frame, place, loops, (inner) => step(inner, { width: 1, loop: undefined }));
  else {
    forLoops(frame, place, loops.slice(0, -1), (inner) => {
      forLanes(frame, inner, vector, { from: undefined, count: frame.extent(vector) }, step);
    });
  }
  flush();
  for (const cell of cells) settleTotal(f, cell);
  if (vector === undefined) return;
  each((shape, total, _part, rest) => {
    combineLanes(f, shape, total);
    mergeCell(frame, shape, { ...total, lost: undefined }, rest);
  });
}

function mergeCell({ f }: Frame, shape: AccumulatorShape, into: Cell, from: Cell): void {
  const value = f.local("v128");
  from.value.get();
  f.set(value);
  let position: Local | undefined;
  if (from.position !== undefined) {
    position = f.local("v128");
    from.position.get();
    f.set(position);
  }
  if (position === undefined) addBlock(f, shape, into, value);
  else merge(f, shape, into, value, position);
}
