/**
 * One kernel function under construction: its arguments block, its accesses and the loops around the current point.
 * Invariant: sizes other than 0 and 1 are arguments loaded once at the start of the function, never constants of the code.
 */
import { invariant } from "../ir/invariant.ts";
import type { Affine, Coordinate, Expression, Kernel, Size, Store } from "../ir/kernel.ts";
import type { FunctionBuilder, Local, WasmModule } from "./encode.ts";
import type { SharedFunctions } from "./functions.ts";
import { type Access, type Amount, amountOf, type Guard, isOne, isZero, type LoopPlan, planLoops, visitExpression } from "./loops.ts";

/** One i32 of the arguments block: a byte address (`offset` in elements) or a number. */
export type KernelArgument =
  | { readonly kind: "address"; readonly buffer: number; readonly offset: Size }
  | { readonly kind: "count"; readonly value: Size };

/** Parameters of every kernel function: arguments pointer, first unit, end of units, scratch. */
export const kernelParameters = ["i32", "i32", "i32", "i32"] as const;

/** The point in a loop nest where code is emitted. */
export interface Place {
  /** Byte address of each access, without the steps of loops that are not yet entered. */
  readonly pointers: ReadonlyMap<number, Local>;
  /** i32 truth of the bounds checked so far; absent: always true. */
  readonly valid: ReadonlyMap<number, Local>;
  /** Current index of the loops entered. */
  readonly indices: ReadonlyMap<number, Local>;
}

/** Builds one kernel function. */
export class Frame {
  readonly f: FunctionBuilder;
  readonly module: WasmModule;
  readonly shared: SharedFunctions;
  readonly kernel: Kernel;
  readonly plan: LoopPlan;
  readonly arguments: KernelArgument[] = [];
  readonly accesses: Access[] = [];
  scratchBytes = 0;
  private readonly accessOf = new Map<object, number>();
  private readonly accessKeys = new Map<string, number>();
  private readonly locals = new Map<string, Local>();

  constructor(f: FunctionBuilder, module: WasmModule, shared: SharedFunctions, kernel: Kernel) {
    this.f = f;
    this.module = module;
    this.shared = shared;
    this.kernel = kernel;
    this.plan = planLoops(kernel);
  }

  get begin(): Local {
    return this.f.param(1);
  }
  get end(): Local {
    return this.f.param(2);
  }
  get scratch(): Local {
    return this.f.param(3);
  }

  /** Registers the loads of an expression; returns the accesses, those of dynamic coordinates too. */
  registerLoads(root: Expression): readonly number[] {
    const found: number[] = [];
    visitExpression(root, (each) => {
      if (each.kind === "load") found.push(this.register(each, each.operand, each.at, each.fill));
      if (each.kind === "let") {
        const shared = this.kernel.lets[each.index];
        if (shared !== undefined) found.push(...this.registerLoads(shared));
      }
    });
    return [...new Set(found)];
  }

  /** Registers a store's target and the loads of its value. */
  registerStore(store: Store): readonly number[] {
    const found = [this.register(store, store.operand, store.at, 0), ...this.registerLoads(store.value)];
    for (const { dynamic } of store.at) if (dynamic !== undefined) found.push(...this.registerLoads(dynamic));
    return [...new Set(found)];
  }

  private register(owner: object, operand: number, at: readonly Coordinate[], fill: number): number {
    const known = this.accessOf.get(owner);
    if (known !== undefined) return known;
    const key = `${operand} ${fill} ${JSON.stringify(at)}`;
    const index = this.accessKeys.get(key) ?? this.accesses.push(this.plan.access(operand, at, fill)) - 1;
    this.accessKeys.set(key, index);
    this.accessOf.set(owner, index);
    return index;
  }

  /** The access registered for a load or store. */
  accessIndex(owner: object): number {
    const found = this.accessOf.get(owner);
    invariant(found !== undefined, "an access is not registered");
    return found;
  }

  access(index: number): Access {
    const found = this.accesses[index];
    invariant(found !== undefined, "no such access");
    return found;
  }

  private argument(argument: KernelArgument): Local {
    const { f } = this;
    const local = f.local("i32");
    const slot = this.arguments.push(argument) - 1;
    f.atStart(() =>
      f
        .get(f.param(0))
        .load("i32.load", 4 * slot)
        .set(local),
    );
    return local;
  }

  /** A local set at the start of the function, made once per key. */
  private once(key: string, make: () => Local): Local {
    const known = this.locals.get(key);
    if (known !== undefined) return known;
    const local = make();
    this.locals.set(key, local);
    return local;
  }

  /** An argument with a number; `key` names its role. */
  count(key: string, value: Size): Local {
    return this.once(key, () => this.argument({ kind: "count", value }));
  }

  /** An argument with an amount times `factor`. */
  amount(key: string, { fixed, batch }: Amount, factor = 1): Local {
    return this.once(key, () => {
      if (batch === 0) return this.argument({ kind: "count", value: fixed * factor });
      const total = this.argument({ kind: "count", value: { batch: batch * factor } });
      if (fixed === 0) return total;
      const rest = this.argument({ kind: "count", value: fixed * factor });
      this.f.atStart(() => this.f.addLocal(total, rest));
      return total;
    });
  }

  /** An argument with the 32 bits of a number, splat over a vector. */
  constant(value: number, type: "f32" | "i32"): Local {
    return this.once(`constant ${type} ${value}`, () => {
      const [bits = 0] = type === "i32" ? [value | 0] : new Int32Array(new Float32Array([value]).buffer);
      const slot = this.arguments.push({ kind: "count", value: bits }) - 1;
      const local = this.f.local("v128");
      this.f.atStart(() =>
        this.f
          .get(this.f.param(0))
          .load("v128.load32_splat", 4 * slot)
          .set(local),
      );
      return local;
    });
  }

  extent(loop: number): Local {
    return this.count(`extent ${loop}`, this.plan.loops[loop]?.extent ?? 1);
  }

  stepOf(access: number, loop: number): Amount {
    return this.access(access).steps[loop] ?? amountOf(0);
  }

  /** Adds an access's byte step along a loop, times 1 or 4, to a pointer. */
  advance(pointer: Local, access: number, loop: number, elements: 1 | 4): void {
    const step = this.stepOf(access, loop);
    if (isZero(step)) return;
    if (isOne(step)) this.f.addTo(pointer, 4 * elements);
    else this.f.addLocal(pointer, this.byteStep(access, loop, elements));
  }

  /** The byte step of an access along a loop. */
  byteStep(access: number, loop: number, elements: 1 | 4 = 1): Local {
    const { f } = this;
    const one = this.amount(`step ${access} ${loop}`, this.stepOf(access, loop), 4);
    if (elements === 1) return one;
    return this.once(`step4 ${access} ${loop}`, () => {
      const four = f.local("i32");
      f.atStart(() => f.get(one).i32(2).op("i32.shl").set(four));
      return four;
    });
  }

  /** A byte stride as a local. */
  byteStride(key: string, stride: Size): Local {
    return this.amount(key, amountOf(stride), 4);
  }

  /** The byte address of an access when all indices are 0. */
  private baseOf(index: number): Local {
    return this.once(`base ${index}`, () => {
      const { operand, base } = this.access(index);
      const target = this.kernel.operands[operand];
      invariant(target !== undefined, "no such operand");
      const local = this.argument({ kind: "address", buffer: target.buffer, offset: target.offset });
      if (!isZero(base)) this.f.atStart(() => this.f.addLocal(local, this.amountLater(base)));
      return local;
    });
  }

  private amountLater(amount: Amount): Local {
    return this.amount(`offset ${this.arguments.length}`, amount, 4);
  }

  /** Outside all loops: every given access at its first element. */
  start(accesses: readonly number[]): Place {
    const pointers = new Map(accesses.map((index) => [index, this.baseOf(index)]));
    return this.settle({ pointers, valid: new Map(), indices: new Map() }, undefined);
  }

  /**
   * Checks the bounds that became decidable by entering loops (all but those entered before).
   * `before` undefined: those that depend on no loop.
   */
  settle(place: Place, before: Place | undefined): Place {
    const { f } = this;
    const pointers = new Map(place.pointers);
    const valid = new Map(place.valid);
    for (const [index, pointer] of place.pointers) {
      for (const [position, guard] of this.access(index).guards.entries()) {
        if (!decidable(guard, place) || (before !== undefined && decidable(guard, before))) continue;
        const key = `guard ${index} ${position}`;
        const truth = f.local("i32");
        this.pushGuardValue(key, guard, place);
        const quotient = this.pushInside(key, guard);
        const earlier = valid.get(index);
        if (earlier !== undefined) f.get(earlier).op("i32.and");
        f.set(truth);
        valid.set(index, truth);
        if (quotient === undefined || guard.stride === 0) continue;
        const moved = f.local("i32");
        f.get(pointers.get(index) ?? pointer)
          .get(quotient)
          .get(this.byteStride(`${key} stride`, guard.stride));
        f.op("i32.mul", "i32.add").set(moved);
        pointers.set(index, moved);
      }
    }
    return { ...place, pointers, valid };
  }

  /** Pushes a guard's index; loops not entered count as 0. */
  pushGuardValue(key: string, guard: Guard, place: Place): void {
    this.pushAffine(key, guard.constant, guard.steps, place);
  }

  /** Pops an index, pushes whether it is in bounds; returns the local of the quotient if the guard has a divisor. */
  pushInside(key: string, { extent, divisor }: Guard | { readonly extent: Size; readonly divisor: number }): Local | undefined {
    const { f } = this;
    const limit = this.count(`${key} extent`, extent);
    if (divisor === 1) {
      f.get(limit).op("i32.lt_u");
      return undefined;
    }
    const [value, quotient] = [f.local("i32"), f.local("i32")];
    const by = this.count(`${key} divisor`, divisor);
    f.tee(value).get(by).op("i32.div_s").tee(quotient).get(limit).op("i32.lt_u");
    f.get(quotient).get(by).op("i32.mul").get(value).op("i32.eq", "i32.and");
    return quotient;
  }

  /** Pushes constant + sum of step * index over the loops entered, as i32. */
  pushAffine(key: string, constant: number, steps: readonly number[], place: Place): void {
    const { f } = this;
    let pushed = false;
    const plus = () => {
      if (pushed) f.op("i32.add");
      pushed = true;
    };
    for (const [loop, step] of steps.entries()) {
      const index = place.indices.get(loop);
      if (step === 0 || index === undefined) continue;
      f.get(index);
      if (step !== 1) f.get(this.count(`${key} step ${loop}`, step)).op("i32.mul");
      plus();
    }
    if (constant !== 0) {
      f.get(this.count(`${key} constant`, constant));
      plus();
    }
    if (!pushed) f.i32(0);
  }

  steps(affine: Affine): readonly number[] {
    return this.plan.steps(affine);
  }
}

/** Whether all loops that a guard depends on are entered. */
export function decidable({ steps }: Guard, place: Place): boolean {
  return steps.every((step, loop) => step === 0 || place.indices.has(loop));
}
