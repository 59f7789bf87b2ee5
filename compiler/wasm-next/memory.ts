/**
 * Loads and stores of up to four lanes: contiguous, repeated, strided, within bounds, or at computed coordinates.
 * Invariant: nothing outside its bounds is touched; lanes out of bounds give the fill value and are not stored.
 */
import type { Store } from "../ir/kernel.ts";
import type { Local } from "./encode.ts";
import type { ElementEmitter } from "./expression.ts";
import { decidable, type Place } from "./frame.ts";
import { type Access, isOne, isZero } from "./loops.ts";

/** An access at the current place: the address of lane 0 and the checks left to do per lane. */
interface Prepared {
  readonly index: number;
  readonly access: Access;
  readonly pointer: Local;
  /** Truth for all lanes, if anything is to be checked for all at once. */
  readonly valid: Local | undefined;
  /** Guards (by position) that the loop of the lanes takes part in. */
  readonly laneGuards: readonly number[];
  /** Dynamic coordinates that differ between lanes: by position, with their values. */
  readonly laneDynamics: readonly { readonly position: number; readonly values: Local }[];
  /** Element step between lanes. */
  readonly step: "zero" | "one" | "other";
}

function prepare(e: ElementEmitter, index: number): Prepared {
  const { f, frame, place, lanes } = e;
  const access = frame.access(index);
  let pointer = place.pointers.get(index) ?? f.param(0);
  let valid = place.valid.get(index);
  const laneDynamics: { position: number; values: Local }[] = [];
  for (const [position, { value, stride, bound }] of access.dynamics.entries()) {
    const values = f.local("v128");
    e.number(value, "i32");
    f.set(values);
    if (e.varies(value)) {
      laneDynamics.push({ position, values });
      continue;
    }
    const [scalar, moved] = [f.local("i32"), f.local("i32")];
    f.get(values).lane("i32x4.extract_lane", 0).set(scalar);
    if (bound !== undefined) {
      const truth = f.local("i32");
      f.get(scalar);
      const quotient = frame.pushInside(`dynamic ${index} ${position}`, bound);
      if (quotient !== undefined) f.get(quotient).set(scalar);
      if (valid !== undefined) f.get(valid).op("i32.and");
      f.set(truth);
      valid = truth;
    }
    f.get(pointer)
      .get(scalar)
      .get(frame.byteStride(`dynamic ${index} ${position} stride`, stride));
    f.op("i32.mul", "i32.add").set(moved);
    pointer = moved;
  }
  const { loop } = lanes;
  const laneGuards = access.guards.flatMap((guard, position) => (!decidable(guard, outside(place, loop)) && loop !== undefined ? [position] : []));
  const amount = loop === undefined ? undefined : access.steps[loop];
  const step = amount === undefined || isZero(amount) || lanes.width === 1 ? "zero" : isOne(amount) ? "one" : "other";
  return { index, access, pointer, valid, laneGuards, laneDynamics, step };
}

/** The place without the loop of the lanes, whose guards are checked per lane. */
function outside(place: Place, loop: number | undefined): Place {
  if (loop === undefined) return place;
  const indices = new Map(place.indices);
  indices.delete(loop);
  return { ...place, indices };
}

/** Pushes the value of an access. */
export function emitLoad(e: ElementEmitter, index: number): void {
  const { f } = e;
  const prepared = prepare(e, index);
  const fill = (): void => pushFill(e, prepared.access);
  const body = (): void => {
    if (prepared.laneGuards.length === 0 && prepared.laneDynamics.length === 0) loadLanes(e, prepared);
    else if (canTestEnds(e, prepared)) {
      pushEndsInside(e, prepared);
      f.if(
        () => loadLanes(e, prepared),
        () => loadChecked(e, prepared),
        "v128",
      );
    } else loadChecked(e, prepared);
  };
  if (prepared.valid === undefined) body();
  else f.get(prepared.valid).if(body, fill, "v128");
}

function pushFill({ f }: ElementEmitter, { fill, type }: Access): void {
  if (type === "f32") f.v128(fill);
  else f.v128i(fill);
}

function pushLaneAddress(e: ElementEmitter, { index, pointer, step }: Prepared, lane: number): void {
  const { f, frame, lanes } = e;
  f.get(pointer);
  if (step === "zero" || lane === 0 || lanes.loop === undefined) return;
  if (step === "one") f.i32(4 * lane).op("i32.add");
  else if (lane === 1) f.get(frame.byteStep(index, lanes.loop)).op("i32.add");
  else f.get(frame.byteStep(index, lanes.loop)).i32(lane).op("i32.mul", "i32.add");
}

function loadLanes(e: ElementEmitter, prepared: Prepared): void {
  const { f } = e;
  if (prepared.step === "zero") f.get(prepared.pointer).load("v128.load32_splat");
  else if (prepared.step === "one") f.get(prepared.pointer).load("v128.load");
  else {
    const result = f.local("v128");
    f.get(prepared.pointer).load("v128.load32_zero").set(result);
    for (const lane of [1, 2, 3]) {
      pushLaneAddress(e, prepared, lane);
      f.get(result).laneAccess("v128.load32_lane", 0, lane).set(result);
    }
    f.get(result);
  }
}

/** Whether the first and the last lane being inside means that all are: affine guards without divisor. */
function canTestEnds({ lanes }: ElementEmitter, { access, laneGuards, laneDynamics }: Prepared): boolean {
  return lanes.width === 4 && laneDynamics.length === 0 && laneGuards.every((position) => access.guards[position]?.divisor === 1);
}

function pushGuardAt(e: ElementEmitter, { index, access }: Prepared, position: number, lane: number): void {
  const { f, frame, place, lanes } = e;
  const guard = access.guards[position];
  if (guard === undefined) return;
  const key = `guard ${index} ${position}`;
  frame.pushGuardValue(key, guard, place);
  const step = lanes.loop === undefined ? 0 : (guard.steps[lanes.loop] ?? 0);
  if (lane === 0 || step === 0) return;
  f.i32(lane);
  if (step !== 1) f.get(frame.count(`${key} step ${lanes.loop}`, step)).op("i32.mul");
  f.op("i32.add");
}

function pushEndsInside(e: ElementEmitter, prepared: Prepared): void {
  const { f, frame } = e;
  let pushed = false;
  for (const position of prepared.laneGuards) {
    const guard = prepared.access.guards[position];
    if (guard === undefined) continue;
    for (const lane of [0, 3]) {
      pushGuardAt(e, prepared, position, lane);
      frame.pushInside(`guard ${prepared.index} ${position}`, guard);
      if (pushed) f.op("i32.and");
      pushed = true;
    }
  }
}

/** Calls `inside` with the address of a lane, in code that runs only if the lane is within its bounds. */
function checkedLane(e: ElementEmitter, prepared: Prepared, lane: number, inside: (address: Local) => void): void {
  const { f, frame } = e;
  const { index, access, laneGuards, laneDynamics } = prepared;
  const address = f.local("i32");
  pushLaneAddress(e, prepared, lane);
  f.set(address);
  let checks = 0;
  const move = (by: Local, key: string, stride: Access["dynamics"][number]["stride"]): void => {
    f.get(address)
      .get(by)
      .get(frame.byteStride(`${key} stride`, stride))
      .op("i32.mul", "i32.add")
      .set(address);
  };
  const check = (): void => {
    if (checks++ > 0) f.op("i32.and");
  };
  for (const position of laneGuards) {
    const guard = access.guards[position];
    if (guard === undefined) continue;
    const key = `guard ${index} ${position}`;
    pushGuardAt(e, prepared, position, lane);
    const quotient = frame.pushInside(key, guard);
    check();
    if (quotient !== undefined && guard.stride !== 0) move(quotient, key, guard.stride);
  }
  for (const { position, values } of laneDynamics) {
    const part = access.dynamics[position];
    if (part === undefined) continue;
    const key = `dynamic ${index} ${position}`;
    const scalar = f.local("i32");
    f.get(values).lane("i32x4.extract_lane", lane).set(scalar);
    let by = scalar;
    if (part.bound !== undefined) {
      f.get(scalar);
      by = frame.pushInside(key, part.bound) ?? scalar;
      check();
    }
    move(by, key, part.stride);
  }
  if (checks === 0) inside(address);
  else f.if(() => inside(address));
}

function loadChecked(e: ElementEmitter, prepared: Prepared): void {
  const { f, lanes } = e;
  const result = f.local("v128");
  pushFill(e, prepared.access);
  f.set(result);
  for (let lane = 0; lane < lanes.width; lane++) {
    checkedLane(e, prepared, lane, (address) => {
      if (lanes.width === 1) f.get(address).load("v128.load32_splat").set(result);
      else f.get(address).get(result).laneAccess("v128.load32_lane", 0, lane).set(result);
    });
  }
  f.get(result);
}

/** Stores a value where it belongs. */
export function emitStore(e: ElementEmitter, store: Store, value: Local): void {
  const { f, frame, lanes } = e;
  const prepared = prepare(e, frame.accessIndex(store));
  const adds = store.accumulate === true;
  const addition = prepared.access.type === "f32" ? "f32x4.add" : "i32x4.add";
  const one = (address: Local, lane: number): void => {
    if (!adds) {
      f.get(address).get(value).laneAccess("v128.store32_lane", 0, lane);
      return;
    }
    f.get(address).get(address).load("v128.load32_splat").get(value).op(addition).laneAccess("v128.store32_lane", 0, lane);
  };
  const unchecked = (): void => {
    if (prepared.step === "one") {
      f.get(prepared.pointer);
      if (adds) f.get(prepared.pointer).load("v128.load");
      f.get(value);
      if (adds) f.op(addition);
      f.store("v128.store");
      return;
    }
    const address = f.local("i32");
    for (let lane = 0; lane < lanes.width; lane++) {
      pushLaneAddress(e, prepared, lane);
      f.set(address);
      one(address, lane);
    }
  };
  const checked = (): void => {
    for (let lane = 0; lane < lanes.width; lane++) checkedLane(e, prepared, lane, (address) => one(address, lane));
  };
  const body = (): void => {
    if (prepared.laneGuards.length === 0 && prepared.laneDynamics.length === 0) unchecked();
    else if (canTestEnds(e, prepared)) {
      pushEndsInside(e, prepared);
      f.if(unchecked, checked);
    } else checked();
  };
  if (prepared.valid === undefined) body();
  else f.get(prepared.valid).if(body);
}
