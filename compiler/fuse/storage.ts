/**
 * Where tensors lie: a buffer, an offset and strides each. Views and aliases share the memory of their base, parts of a
 * concat lie inside it; where no strides can express that, a copy is added as a group of its own.
 * Invariant: every tensor that a group reads from outside, or that leaves the program, has a storage.
 */
import { invariant } from "../ir/invariant.ts";
import type { Expression, ScalarType, Size } from "../ir/kernel.ts";
import { chooseOrders, type MemoryOrder } from "./layout.ts";
import { type Group, loadOfTensor, type Partition } from "./partition.ts";
import type { Target } from "./rules.ts";
import { addSizes, elementsOf, multiplySizes, reshapedStrides, rowMajorStrides, sameStrides, stridesInOrder } from "./size.ts";
import type { Statement, Statements, Tensor } from "./statements.ts";

export interface Storage {
  readonly buffer: number;
  readonly offset: Size;
  readonly strides: readonly Size[];
}

/** Memory before it has a place. */
export interface LogicalBuffer {
  readonly id: number;
  readonly name: string;
  readonly type: ScalarType;
  /** In elements. */
  readonly size: Size;
  /** Of the tensor that it was made for, which others may share, in the language's axis order; absent for packed weights. */
  readonly shape?: readonly Size[];
  readonly kind: "temporary" | "input" | "scalar" | "persistent";
}

export interface StoragePlan {
  readonly buffers: LogicalBuffer[];
  /** By tensor; undefined for what is not in memory. */
  readonly storage: (Storage | undefined)[];
  /** All tensors, with those of added copies. */
  readonly tensors: Tensor[];
  /** Groups whose completion makes a tensor readable. */
  readonly producers: (tensor: number) => readonly number[];
  /** Tensors that a contraction group reads by strides, by group id, in place of its operands. */
  readonly operands: ReadonlyMap<number, readonly number[]>;
  readonly outputs: readonly { readonly name: string; readonly tensor: number }[];
  /** Tensors whose memory others share: they cannot move any more. */
  readonly pinned: ReadonlySet<number>;
}

/** Gives every stored tensor its storage; adds the groups of copies to `partition.groups`. */
export function assignStorage(program: Statements, partition: Partition, target: Target): StoragePlan {
  const assigner = new Assigner(program, partition, target);
  assigner.placeSources();
  assigner.placeConcats();
  assigner.placeMembers();
  assigner.placeAliases();
  const operands = assigner.placeOperands();
  const outputs = assigner.placeOutputs();
  const { buffers, storage, tensors, pinned } = assigner;
  return { buffers, storage, tensors, producers: (tensor) => assigner.producers(tensor), operands, outputs, pinned };
}

class Assigner {
  readonly buffers: LogicalBuffer[] = [];
  readonly storage: (Storage | undefined)[];
  readonly tensors: Tensor[];
  readonly pinned = new Set<number>();
  private readonly program: Statements;
  private readonly partition: Partition;
  private readonly target: Target;
  private readonly orders: readonly MemoryOrder[];
  /** Tensors that must be produced for an alias or concat to be readable. */
  private readonly parts = new Map<number, readonly number[]>();
  private readonly producersOf = new Map<number, readonly number[]>();
  /** Copies by tensor and order. */
  private readonly copies = new Map<string, number>();

  constructor(program: Statements, partition: Partition, target: Target) {
    this.program = program;
    this.partition = partition;
    this.target = target;
    this.tensors = [...program.tensors];
    this.storage = program.tensors.map(() => undefined);
    this.orders = chooseOrders(program, partition, target);
  }

  placeSources(): void {
    for (const { body, outputs, path } of this.program.statements) {
      const [tensor] = outputs;
      if (body.form !== "source" || tensor === undefined) continue;
      const { shape } = this.tensor(tensor);
      this.storage[tensor] = {
        buffer: this.addBuffer(body.name || path, tensor, body.kind),
        offset: 0,
        strides: rowMajorStrides(shape),
      };
    }
  }

  /** From the last to the first, so that an enclosing concat has its place before its parts. */
  placeConcats(): void {
    const leaving = new Set([...this.program.outputs, ...this.program.updates].map((each) => each.tensor));
    for (let id = this.program.statements.length - 1; id >= 0; id--) {
      const statement = this.program.statements[id];
      const [whole] = statement?.outputs ?? [];
      if (statement?.body.form !== "concat" || whole === undefined) continue;
      const own = this.storage[whole] ?? this.allocate(whole);
      this.pinned.add(whole);
      const { axis } = statement.body;
      let start: Size = 0;
      const parts: number[] = [];
      for (const part of statement.inputs) {
        const offset = addSizes(own.offset, multiplySizes(start, own.strides[axis] ?? 0));
        const place = offset === undefined ? undefined : { ...own, offset };
        invariant(place !== undefined, "a concat mixes constant offsets with multiples of the batch");
        parts.push(this.placePart(part, place, leaving));
        start = addSizes(start, this.tensor(part).shape[axis] ?? 0) ?? start;
      }
      this.parts.set(whole, parts);
    }
  }

  /** The part itself where it can be computed in place, else a copy. */
  private placePart(part: number, place: Storage, leaving: ReadonlySet<number>): number {
    const form = this.program.statements[this.tensor(part).statement]?.body.form;
    const computed = (this.partition.groupOf[part] ?? -1) >= 0 && form !== "scatter";
    const movable = (computed || form === "concat") && this.storage[part] === undefined && !leaving.has(part);
    const target = movable && this.target.rules.concatInPlace ? part : this.addCopy(part);
    this.storage[target] = place;
    this.pinned.add(target);
    return target;
  }

  /** Everything that groups compute and others read. */
  placeMembers(): void {
    const { statements, outputs, updates } = this.program;
    const needed = new Set<number>();
    for (const group of this.partition.groups) for (const tensor of group.reads) needed.add(tensor);
    for (const { body, inputs } of statements) {
      if (body.form !== "alias" && body.form !== "concat") continue;
      for (const input of inputs) needed.add(this.baseOf(input));
    }
    for (const { tensor } of [...outputs, ...updates]) needed.add(tensor);
    for (const tensor of needed) {
      if (this.storage[tensor] === undefined && (this.partition.groupOf[tensor] ?? -1) >= 0) this.allocate(tensor);
    }
  }

  placeAliases(): void {
    for (const { body, inputs, outputs } of this.program.statements) {
      const [base] = inputs;
      const [alias] = outputs;
      if (body.form !== "alias" || base === undefined || alias === undefined) continue;
      const { shape } = this.tensor(alias);
      const found = this.accessOf(base);
      const strides = found && reshapedStrides(this.tensor(base).shape, found.strides, shape);
      if (found !== undefined && strides !== undefined) {
        this.storage[alias] = { ...found, strides };
        this.parts.set(alias, [this.baseOf(base)]);
        this.pinned.add(this.baseOf(base));
        continue;
      }
      const copy = this.copyInOrder(
        base,
        this.tensor(base).shape.map((_, axis) => axis),
      );
      this.storage[alias] = { ...this.storageOf(copy), strides: rowMajorStrides(shape) };
      this.parts.set(alias, [copy]);
    }
  }

  /** The tensors that contractions read, reordered where channels do not lie innermost. */
  placeOperands(): ReadonlyMap<number, readonly number[]> {
    const operands = new Map<number, readonly number[]>();
    for (const group of [...this.partition.groups]) {
      if (group.form !== "contraction") continue;
      const { window, input, kernel, output } = group.contraction;
      const spatial = window.length > 0 && this.target.rules.channelsLast;
      const read = [...group.operands];
      for (const role of [input, output]) {
        const tensor = group.operands[role.tensor];
        if (tensor === undefined || !spatial) continue;
        const { shape } = this.tensor(tensor);
        const found = this.accessOf(tensor);
        const contiguous = shape[role.channel.axis] === 1 || found?.strides[role.channel.axis] === 1;
        const rest = shape.map((_, axis) => axis).filter((axis) => axis !== role.channel.axis);
        if (found === undefined || !contiguous) read[role.tensor] = this.copyInOrder(tensor, [...rest, role.channel.axis]);
      }
      for (const position of [input.tensor, kernel.tensor, output.tensor]) {
        const tensor = read[position];
        if (tensor === undefined || this.accessOf(tensor) !== undefined) continue;
        read[position] = this.copyInOrder(
          tensor,
          this.tensor(tensor).shape.map((_, axis) => axis),
        );
      }
      operands.set(group.id, read);
      for (const tensor of read) this.keepAccess(tensor);
    }
    return operands;
  }

  /** Results lie row-major in a buffer of their own. */
  placeOutputs(): readonly { readonly name: string; readonly tensor: number }[] {
    return this.program.outputs.map(({ name, tensor }) => {
      const { shape } = this.tensor(tensor);
      const { strides, offset, buffer } = this.storageOf(tensor);
      const whole = elementsOf(shape);
      const size = this.buffers[buffer]?.size ?? 0;
      const own = offset === 0 && JSON.stringify(size) === JSON.stringify(whole);
      if (own && sameStrides(shape, strides, rowMajorStrides(shape))) return { name, tensor };
      return {
        name,
        tensor: this.copyInOrder(
          tensor,
          shape.map((_, axis) => axis),
        ),
      };
    });
  }

  /** Groups that must have run before the tensor may be read. */
  producers(tensor: number): readonly number[] {
    const known = this.producersOf.get(tensor);
    if (known !== undefined) return known;
    const group = this.partition.groupOf[tensor] ?? -1;
    const parts = this.parts.get(tensor);
    const base = this.baseOf(tensor);
    let found: readonly number[] = [];
    if (group >= 0) found = [group];
    else if (parts !== undefined) found = [...new Set(parts.flatMap((part) => this.producers(part)))];
    else if (base !== tensor) found = this.producers(base);
    this.producersOf.set(tensor, found);
    return found;
  }

  /** Views read by strides get a storage under their own id. */
  private keepAccess(tensor: number): void {
    if (this.storage[tensor] === undefined) this.storage[tensor] = this.accessOf(tensor);
  }

  /** The tensor whose memory a view lies in. */
  private baseOf(tensor: number): number {
    const view = this.partition.inlined.get(tensor);
    return view?.kind === "load" ? view.operand : tensor;
  }

  /** Strides by which a tensor or view can be read; undefined where it is not in memory or offsets do not add up. */
  private accessOf(tensor: number): Storage | undefined {
    const direct = this.storage[tensor];
    if (direct !== undefined) return direct;
    const view = this.partition.inlined.get(tensor);
    if (view?.kind !== "load") return undefined;
    const base = this.storage[view.operand];
    if (base === undefined) return undefined;
    let offset: Size | undefined = base.offset;
    const strides: (Size | undefined)[] = this.tensor(tensor).shape.map(() => 0);
    for (const [d, { index, bound, dynamic }] of view.at.entries()) {
      if (bound !== undefined || dynamic !== undefined) return undefined;
      const stride = base.strides[d] ?? 0;
      offset = offset === undefined ? undefined : addSizes(offset, multiplySizes(index.constant, stride));
      for (const { axis, coefficient } of index.terms) {
        const before = strides[axis];
        strides[axis] = before === undefined ? undefined : addSizes(before, multiplySizes(coefficient, stride));
      }
    }
    const known = strides.filter((stride) => stride !== undefined);
    return offset === undefined || known.length < strides.length ? undefined : { buffer: base.buffer, offset, strides: known };
  }

  private copyInOrder(tensor: number, order: MemoryOrder): number {
    const key = `${tensor}:${order.join()}`;
    const known = this.copies.get(key);
    if (known !== undefined) return known;
    const copy = this.addCopy(tensor);
    this.copies.set(key, copy);
    this.allocate(copy, order);
    return copy;
  }

  /** A new tensor with the elements of this one, computed by a group of its own. */
  private addCopy(tensor: number): number {
    const { shape, type, statement } = this.tensor(tensor);
    const id = this.tensors.length;
    this.tensors.push({ id, shape, type, statement, output: 0 });
    this.storage.push(undefined);
    const value: Expression = this.partition.inlined.get(tensor) ?? loadOfTensor(tensor, shape.length);
    const axes = shape.map((extent, axis) => (extent === 1 ? -1 : axis));
    const group: Group = {
      id: this.partition.groups.length,
      form: "pointwise",
      domain: shape,
      members: [{ tensor: id, axes, value }],
      statements: [statement],
      reads: new Set([this.baseOf(tensor)]),
      cost: 0,
    };
    this.partition.groups.push(group);
    this.partition.groupOf[id] = group.id;
    return id;
  }

  private allocate(tensor: number, order: MemoryOrder = this.orders[tensor] ?? []): Storage {
    const { shape } = this.tensor(tensor);
    const buffer = this.addBuffer(this.statementOf(tensor)?.path ?? "", tensor, "temporary");
    const storage = { buffer, offset: 0, strides: stridesInOrder(shape, order) };
    this.storage[tensor] = storage;
    return storage;
  }

  private addBuffer(name: string, tensor: number, kind: LogicalBuffer["kind"]): number {
    const { shape, type } = this.tensor(tensor);
    const id = this.buffers.length;
    this.buffers.push({ id, name, type, size: elementsOf(shape), shape, kind });
    return id;
  }

  private statementOf(tensor: number): Statement | undefined {
    return this.program.statements[this.tensor(tensor).statement];
  }

  private storageOf(tensor: number): Storage {
    const found = this.storage[tensor];
    invariant(found !== undefined, `tensor ${tensor} has no memory`);
    return found;
  }

  private tensor(id: number): Tensor {
    const tensor = this.tensors[id];
    invariant(tensor !== undefined, `tensor ${id} is missing`);
    return tensor;
  }
}
