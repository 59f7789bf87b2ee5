/**
 * Groups: statements that become one kernel. Statements are taken in order; an elementwise root joins the group that
 * computes its latest input where that group loops over the same elements, else a group of its own.
 * Invariant: what a group reads from outside comes from groups with lower ids, so the groups form no cycle.
 */
import { invariant } from "../ir/invariant.ts";
import type { Accumulator, Axis, Coordinate, Expression, Size } from "../ir/kernel.ts";
import type { LogicalContraction } from "../operators/operator.ts";
import { affineKey, identityIndices, isIdentity, isPlain, soleAxis } from "./affine.ts";
import { createBodyFacts } from "./body-facts.ts";
import { costOf, type Load, loadsOf, mapChildren, readAt, rewriteExpression } from "./expression.ts";
import { measureDepths, orderStatements } from "./order.ts";
import { markRoots } from "./roots.ts";
import type { Target } from "./rules.ts";
import { compareSizes, elementsOf, sameShape, sameSize, sizeKey } from "./size.ts";
import type { Statement, Statements, Tensor } from "./statements.ts";

/** A tensor that a group computes. */
export interface Member {
  readonly tensor: number;
  /** The group's axis for each axis of the tensor; -1 for axes of one element. */
  readonly axes: readonly number[];
  /** Over the tensor's axes. Loads name tensors; those of the group stand for the value just computed. */
  readonly value: Expression;
}

interface GroupBase {
  readonly id: number;
  /** Extents of the loops: the axes of the first tensor. */
  readonly domain: readonly Size[];
  readonly members: Member[];
  /** Statements served. */
  readonly statements: number[];
  /** Tensors read from outside. */
  readonly reads: Set<number>;
  cost: number;
}

export type Group =
  | (GroupBase & { readonly form: "pointwise" })
  | (GroupBase & {
      readonly form: "reduction";
      readonly reduced: readonly Axis[];
      readonly accumulators: Accumulator[];
    })
  | (GroupBase & {
      readonly form: "contraction";
      readonly contraction: LogicalContraction;
      readonly operands: readonly number[];
      /** By position: what is computed from the operand's elements as they are read, over the operand's axes. */
      readonly prologues: ReadonlyMap<number, Expression>;
    })
  | (GroupBase & {
      readonly form: "scatter";
      readonly axes: readonly Axis[];
      readonly at: readonly Coordinate[];
      readonly value: Expression;
    });

export interface Partition {
  readonly groups: Group[];
  /** The group that computes a tensor; -1 for sources, aliases, concats and what is evaluated in place. */
  readonly groupOf: number[];
  /** Tensors evaluated inside their consumers, over their own axes; loads name tensors. */
  readonly inlined: Map<number, Expression>;
}

/** Divides the program into groups. */
export function partition(program: Statements, target: Target): Partition {
  const factsOf = createBodyFacts(program);
  const depths = measureDepths(program, factsOf);
  const root = markRoots(program, factsOf, target);
  const state = new Partitioner(program, target);
  for (const id of orderStatements(program, depths)) {
    const statement = program.statements[id];
    if (statement !== undefined) state.place(statement, root[id] === 1);
  }
  return { groups: state.groups, groupOf: state.groupOf, inlined: state.inlined };
}

/** The tables under construction. */
class Partitioner {
  readonly groups: Group[] = [];
  readonly groupOf: number[];
  readonly inlined = new Map<number, Expression>();
  private readonly program: Statements;
  private readonly target: Target;
  /** The group after which a tensor is there: -1 from the start. */
  private readonly ready: number[];
  /** The latest group of each form that reads a tensor in the order of its loops. */
  private readonly readers = new Map<string, number>();

  constructor(program: Statements, target: Target) {
    this.program = program;
    this.target = target;
    this.groupOf = program.tensors.map(() => -1);
    this.ready = program.tensors.map(() => -1);
  }

  place(statement: Statement, isRoot: boolean): void {
    const { body } = statement;
    switch (body.form) {
      case "source":
        return;
      case "alias":
      case "concat": {
        const latest = Math.max(-1, ...statement.inputs.map((input) => this.ready[input] ?? -1));
        for (const output of statement.outputs) this.ready[output] = latest;
        return;
      }
      case "pointwise":
        return this.placePointwise(statement, body.values, isRoot);
      case "reduction":
        return this.placeReduction(statement, body);
      case "contraction":
        return this.placeContraction(statement, body.contraction);
      case "scatter": {
        const resolve = this.resolver(statement);
        const value = resolve(body.value);
        const at = body.at.map((each) => (each.dynamic === undefined ? each : { ...each, dynamic: resolve(each.dynamic) }));
        const domain = this.shapeOf(statement.outputs[0] ?? -1);
        const group: Group = { ...this.base(domain), form: "scatter", axes: body.axes, at, value };
        const computed = at.flatMap((each) => (each.dynamic === undefined ? [] : [each.dynamic]));
        for (const load of loadsOf([value, ...computed])) group.reads.add(load.operand);
        this.open(group, statement, [{ kind: "constant", value: 0, type: this.tensor(statement.outputs[0] ?? -1).type }]);
        return;
      }
      default:
        return body satisfies never;
    }
  }

  private placeContraction(statement: Statement, contraction: LogicalContraction): void {
    const prologues = new Map<number, Expression>();
    const operands = statement.inputs.map((input, position) => {
      const value = this.inlined.get(input);
      if (value === undefined || (value.kind === "load" && isPlain(value.at))) return input;
      const base = prologueBase(value, this.shapeOf(input), (tensor) => this.shapeOf(tensor));
      if (base !== undefined) {
        prologues.set(position, value);
        return base;
      }
      // What it reads became roots of full size after all, so that it must be stored.
      this.store(input);
      return input;
    });
    for (const [position, value] of prologues) {
      const loads = loadsOf(prologues.values()).map((load) => load.operand);
      if (new Set([...operands, ...loads]).size < this.target.maximumOperands) break;
      const input = statement.inputs[position];
      invariant(input !== undefined && value !== undefined, "a prologue is of an input");
      this.store(input);
      prologues.delete(position);
      operands[position] = input;
    }
    const domain = this.shapeOf(statement.outputs[0] ?? -1);
    const group: Group = { ...this.base(domain), form: "contraction", contraction, operands, prologues };
    for (const input of operands) this.addRead(group, input);
    for (const load of loadsOf(prologues.values())) group.reads.add(load.operand);
    this.open(group, statement, [{ kind: "accumulator", index: 0 }]);
  }

  /** Gives a tensor that was to be evaluated in place a group of its own. */
  private store(tensor: number): void {
    const producer = this.program.statements[this.tensor(tensor).statement];
    invariant(producer !== undefined, `tensor ${tensor} has no statement`);
    const values = producer.outputs.map((output) => {
      const value = this.inlined.get(output);
      invariant(value !== undefined, `tensor ${output} is not evaluated in place`);
      this.inlined.delete(output);
      return value;
    });
    const group: Group = { ...this.base(this.shapeOf(tensor)), form: "pointwise" };
    this.open(group, producer, values);
    this.attach(group, loadsOf(values), costOf(values));
  }

  /** The values over what is stored, after as many inputs were stored as the target's limit on operands asks for. */
  private resolveWithin(statement: Statement, values: readonly Expression[]): readonly Expression[] {
    const distinct = (expressions: readonly Expression[]): number => new Set(loadsOf(expressions).map((load) => load.operand)).size;
    for (;;) {
      const resolved = values.map(this.resolver(statement));
      if (distinct(resolved) + statement.outputs.length <= this.target.maximumOperands) return resolved;
      const reads = (input: number): number => distinct([this.inlined.get(input)].filter((value) => value !== undefined));
      const largest = statement.inputs.reduce((best, input) => (reads(input) > reads(best) ? input : best), statement.inputs[0] ?? -1);
      if (reads(largest) < 2) return resolved;
      this.store(largest);
    }
  }

  private placePointwise(statement: Statement, values: readonly Expression[], isRoot: boolean): void {
    const resolved = this.resolveWithin(statement, values);
    let latest = -1;
    for (const input of statement.inputs) latest = Math.max(latest, this.ready[input] ?? -1);
    if (!isRoot) {
      for (const [k, output] of statement.outputs.entries()) {
        const value = resolved[k];
        if (value !== undefined) this.inlined.set(output, value);
        this.ready[output] = latest;
      }
      return;
    }
    const loads = loadsOf(resolved);
    const shape = this.shapeOf(statement.outputs[0] ?? -1);
    const cost = costOf(resolved);
    const single = singleKey(statement);
    const found = this.hostOf(latest, loads, shape, cost) ?? this.siblingOf(latest, loads, shape, cost, single);
    if (found === undefined) {
      const group: Group = { ...this.base(shape), form: "pointwise" };
      this.open(group, statement, resolved);
      this.attach(group, loads, cost);
      if (shape.every((extent) => extent === 1)) this.readers.set(single, group.id);
      return;
    }
    const { group, axes } = found;
    this.join(group, statement, resolved, axes);
    this.attach(group, loads, cost);
  }

  /** The group of the latest input, if it computes all that is read from it element by element over these axes. */
  private hostOf(latest: number, loads: readonly Load[], shape: readonly Size[], cost: number): Place | undefined {
    const group = this.groups[latest];
    if (group === undefined || group.form === "scatter" || !this.hasRoom(group, loads, cost)) return undefined;
    if (!this.target.rules.epilogues && group.form !== "pointwise") return undefined;
    const axes = shape.map(() => -1);
    let bound = false;
    for (const load of loads) {
      if (this.ready[load.operand] !== latest) continue;
      const member = this.groupOf[load.operand] === latest ? group.members.find((each) => each.tensor === load.operand) : undefined;
      if (member === undefined || !isPlain(load.at)) return undefined;
      for (const [d, axis] of member.axes.entries()) {
        if (axis < 0) continue;
        const own = soleAxis(load.at[d]?.index ?? { constant: 1, terms: [] });
        if (own === undefined || !sameSize(shape[own] ?? -1, group.domain[axis] ?? -2)) return undefined;
        if (axes[own] !== -1 && axes[own] !== axis) return undefined;
        axes[own] = axis;
      }
      bound = true;
    }
    const covered = group.domain.every((extent, axis) => extent === 1 || axes.includes(axis));
    const whole = shape.every((extent, axis) => extent === 1 || axes[axis] !== -1);
    return bound && covered && whole ? { group, axes } : undefined;
  }

  /** A later elementwise group over the same loops that reads one of the tensors in the same order. */
  private siblingOf(latest: number, loads: readonly Load[], domain: readonly Size[], cost: number, singleOf: string): Place | undefined {
    if (!this.target.rules.siblings) return undefined;
    for (const load of loads) {
      if (!isIdentity(load.at, domain.length) || !sameShape(this.shapeOf(load.operand), domain)) continue;
      const group = this.groups[this.readers.get(`pointwise${load.operand}`) ?? -1];
      if (group === undefined || group.id <= latest || group.form !== "pointwise" || !sameShape(group.domain, domain)) continue;
      if (this.hasRoom(group, loads, cost)) return { group, axes: domain.map((_, axis) => axis) };
    }
    const single = domain.every((extent) => extent === 1) ? this.groups[this.readers.get(singleOf) ?? -1] : undefined;
    if (single === undefined || single.id <= latest || !this.hasRoom(single, loads, cost)) return undefined;
    return { group: single, axes: domain.map(() => -1) };
  }

  private placeReduction(statement: Statement, body: Extract<Statement["body"], { form: "reduction" }>): void {
    const found = this.resolveWithin(statement, [...body.accumulators.map((each) => each.value), ...body.values]);
    const accumulators = body.accumulators.map((each, k) => ({ ...each, value: found[k] ?? each.value }));
    const values = found.slice(accumulators.length);
    const loads = loadsOf([...accumulators.map((each) => each.value), ...values]);
    const domain = body.axes.map((axis) => axis.extent);
    const sibling = this.reductionSibling(body, accumulators, loads);
    if (sibling !== undefined) {
      const shift = sibling.accumulators.length;
      sibling.accumulators.push(...accumulators);
      const moved = values.map((value) => rewriteExpression(value, (e) => (e.kind === "accumulator" ? { ...e, index: e.index + shift } : undefined)));
      const axes = domain.map((extent, axis) => (extent === 1 ? -1 : axis));
      this.join(sibling, statement, moved, axes);
      this.attach(sibling, loads, costOf(moved));
      return;
    }
    const group: Group = { ...this.base(domain), form: "reduction", reduced: body.reduced, accumulators };
    this.open(group, statement, values);
    this.attach(group, loads, costOf(accumulators.map((each) => each.value)));
    for (const load of loads) if (isPlain(load.at)) this.readers.set(this.reductionKey(load, body), group.id);
  }

  private reductionKey(load: Load, { axes, reduced }: { readonly axes: readonly Axis[]; readonly reduced: readonly Axis[] }): string {
    let key = `reduction${load.operand}`;
    for (const { index } of load.at) key += `,${affineKey(index)}`;
    for (const { extent } of axes) key += `<${sizeKey(extent)}`;
    for (const { extent } of reduced) key += `>${sizeKey(extent)}`;
    return key;
  }

  private reductionSibling(
    body: Extract<Statement["body"], { form: "reduction" }>,
    accumulators: readonly Accumulator[],
    loads: readonly Load[],
  ): Extract<Group, { form: "reduction" }> | undefined {
    if (!this.target.rules.siblings) return undefined;
    const latest = loads.reduce((last, load) => Math.max(last, this.ready[load.operand] ?? -1), -1);
    const cost = costOf(accumulators.map((each) => each.value));
    for (const load of loads) {
      if (!isPlain(load.at)) continue;
      const group = this.groups[this.readers.get(this.reductionKey(load, body)) ?? -1];
      if (group === undefined || group.id <= latest || group.form !== "reduction") continue;
      if (this.hasRoom(group, loads, cost)) return group;
    }
    return undefined;
  }

  private hasRoom(group: Group, loads: readonly Load[], cost: number): boolean {
    if (group.cost + cost > this.target.maximumCost) return false;
    let operands = group.reads.size + group.members.length + 1;
    for (const load of new Set(loads.map((each) => each.operand))) {
      if (!group.reads.has(load) && this.groupOf[load] !== group.id) operands++;
    }
    return operands <= this.target.maximumOperands;
  }

  private base(domain: readonly Size[]) {
    return { id: this.groups.length, domain, members: [], statements: [], reads: new Set<number>(), cost: 0 };
  }

  /** Begins a group with the statement's results as its first members. */
  private open(group: Group, statement: Statement, values: readonly Expression[]): void {
    this.groups.push(group);
    const axes = group.domain.map((extent, axis) => (extent === 1 ? -1 : axis));
    this.join(group, statement, values, axes);
  }

  private join(group: Group, statement: Statement, values: readonly Expression[], axes: readonly number[]): void {
    group.statements.push(statement.id);
    for (const [k, tensor] of statement.outputs.entries()) {
      const value = values[k];
      invariant(value !== undefined, `result ${k} of statement ${statement.id} has no value`);
      group.members.push({ tensor, axes, value });
      this.groupOf[tensor] = group.id;
      this.ready[tensor] = group.id;
    }
  }

  private attach(group: Group, loads: readonly Load[], cost: number): void {
    group.cost += cost;
    for (const load of loads) {
      if (this.groupOf[load.operand] === group.id) continue;
      group.reads.add(load.operand);
      if (group.form === "pointwise" && isIdentity(load.at, group.domain.length)) {
        this.readers.set(`pointwise${load.operand}`, group.id);
      }
    }
  }

  /** A contraction reads its operand itself, or the base of a view. */
  private addRead(group: Group, tensor: number): void {
    const view = this.inlined.get(tensor);
    group.reads.add(view?.kind === "load" ? view.operand : tensor);
  }

  /** Replaces loads by input position with loads by tensor, or with the value where that is evaluated in place. */
  private resolver(statement: Statement): (e: Expression) => Expression {
    // Bodies are small, and what is inlined is not entered again: no memo is needed to stay linear.
    const resolve = (e: Expression): Expression => {
      if (e.kind !== "load") return mapChildren(e, resolve);
      const tensor = statement.inputs[e.operand];
      invariant(tensor !== undefined, `statement ${statement.id} reads input ${e.operand}, which it does not have`);
      const plain = e.at.every((each) => each.dynamic === undefined);
      const at = plain ? e.at : e.at.map((each) => (each.dynamic === undefined ? each : { ...each, dynamic: resolve(each.dynamic) }));
      const value = this.inlined.get(tensor);
      if (value === undefined) return { kind: "load", operand: tensor, at, fill: e.fill };
      const composed = readAt(value, at, e.fill);
      invariant(composed !== undefined, `statement ${statement.id} cannot evaluate its input ${e.operand} in place`);
      return composed;
    };
    return resolve;
  }

  private tensor(id: number): Tensor {
    const tensor = this.program.tensors[id];
    invariant(tensor !== undefined, `tensor ${id} is missing`);
    return tensor;
  }

  private shapeOf(id: number): readonly Size[] {
    return this.tensor(id).shape;
  }
}

/** The one tensor of full size that the value reads, element by element, if all else that it reads is smaller. */
function prologueBase(value: Expression, shape: readonly Size[], shapeOf: (tensor: number) => readonly Size[]): number | undefined {
  let base: number | undefined;
  for (const load of loadsOf([value])) {
    if (!isPlain(load.at)) return undefined;
    if (isIdentity(load.at, shape.length) && sameShape(shapeOf(load.operand), shape)) {
      if (base !== undefined && base !== load.operand) return undefined;
      base = load.operand;
    } else if (compareSizes(elementsOf(shapeOf(load.operand)), elementsOf(shape)) >= 0) return undefined;
  }
  return base;
}

/**
 * Single numbers, such as the counters of batch norms, are not worth a kernel each: those of one block share one. Of one
 * block only, so that equal blocks have equal kernels however many there are.
 */
function singleKey({ path }: Statement): string {
  return `single ${path.slice(0, Math.max(0, path.lastIndexOf(".")))}`;
}

interface Place {
  readonly group: Group;
  readonly axes: readonly number[];
}

/** The value of a member's copy: the tensor itself. */
export function loadOfTensor(tensor: number, rank: number): Load {
  return { kind: "load", operand: tensor, at: identityIndices(rank).map((index) => ({ index })), fill: 0 };
}
