/**
 * The order in which groups run. Shallow results first, so that a gradient is consumed soon after it is made and freed;
 * a group that updates a tensor waits for the other readers of the old value where that is possible.
 * Invariant: a topological order; it depends on nothing but the groups.
 */
import type { Group, Partition } from "./partition.ts";
import type { Statements } from "./statements.ts";
import type { StoragePlan } from "./storage.ts";

/** Group ids in running order. */
export function scheduleGroups(program: Statements, partition: Partition, plan: StoragePlan): readonly number[] {
  const needs = dependencies(partition, plan);
  const depth = depthsOf(partition, needs);
  const rank = rankByDepth(partition, needs, depth);
  return settle(rank, needs, updateWaits(program, partition, plan));
}

function dependencies({ groups }: Partition, { producers, operands }: StoragePlan): readonly (readonly number[])[] {
  return groups.map((group) => {
    const found = new Set<number>();
    for (const tensor of tensorsRead(group, operands)) {
      for (const producer of producers(tensor)) if (producer !== group.id) found.add(producer);
    }
    return [...found];
  });
}

/** What a group reads, with what a contraction reads by strides. */
export function tensorsRead(group: Group, operands: StoragePlan["operands"]): readonly number[] {
  return [...group.reads, ...(operands.get(group.id) ?? [])];
}

/** Contractions and reductions on the longest path to each group. */
function depthsOf({ groups }: Partition, needs: readonly (readonly number[])[]): Int32Array {
  const depth = new Int32Array(groups.length).fill(-1);
  const stack: number[] = [];
  for (const { id } of groups) {
    stack.push(id);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const open = (needs[top] ?? []).filter((need) => depth[need] === -1);
      if (open.length > 0) {
        stack.push(...open);
        continue;
      }
      const own = groups[top]?.form === "pointwise" ? 0 : 1;
      depth[top] = own + (needs[top] ?? []).reduce((most, need) => Math.max(most, depth[need] ?? 0), 0);
      stack.pop();
    }
  }
  return depth;
}

/** Depth-first from what nothing needs, shallow first; the inputs of a group shallow first too. */
function rankByDepth({ groups }: Partition, needs: readonly (readonly number[])[], depth: Int32Array): readonly number[] {
  const needed = new Uint8Array(groups.length);
  for (const list of needs) for (const id of list) needed[id] = 1;
  const byDepth = (a: number, b: number): number => (depth[a] ?? 0) - (depth[b] ?? 0) || a - b;
  const order: number[] = [];
  const placed = new Uint8Array(groups.length);
  const sorted = needs.map((list) => [...list].sort(byDepth));
  const sinks = groups.map((group) => group.id).filter((id) => needed[id] === 0);
  for (const sink of sinks.sort(byDepth)) {
    const stack: { readonly id: number; next: number }[] = [{ id: sink, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = placed[top.id] === 1 ? undefined : sorted[top.id]?.[top.next++];
      if (need !== undefined) {
        if (placed[need] !== 1) stack.push({ id: need, next: 0 });
        continue;
      }
      stack.pop();
      if (placed[top.id] === 1) continue;
      placed[top.id] = 1;
      order.push(top.id);
    }
  }
  return order;
}

/** For each group that updates a tensor, the other groups that read its old value. */
function updateWaits(
  { updates }: Statements,
  { groups, groupOf }: Partition,
  { storage, operands }: StoragePlan,
): ReadonlyMap<number, readonly number[]> {
  if (updates.length === 0) return new Map();
  const writers = new Map(updates.map(({ target, tensor }) => [storage[target]?.buffer ?? -1, groupOf[tensor] ?? -1]));
  const waits = new Map<number, number[]>();
  for (const group of groups) {
    for (const tensor of tensorsRead(group, operands)) {
      const writer = writers.get(storage[tensor]?.buffer ?? -2);
      if (writer === undefined || writer === group.id || writer < 0) continue;
      const list = waits.get(writer) ?? [];
      if (list.at(-1) !== group.id) list.push(group.id);
      waits.set(writer, list);
    }
  }
  return waits;
}

/** Follows the ranks, but lets updates wait; a wait that could never end is given up. */
function settle(rank: readonly number[], needs: readonly (readonly number[])[], waits: ReadonlyMap<number, readonly number[]>): readonly number[] {
  if (waits.size === 0) return rank;
  const position = new Int32Array(rank.length);
  for (const [at, id] of rank.entries()) position[id] = at;
  const dependants: number[][] = rank.map(() => []);
  const waiters: number[][] = rank.map(() => []);
  const hard = new Int32Array(rank.length);
  const soft = new Int32Array(rank.length);
  for (const id of rank) {
    for (const need of needs[id] ?? []) dependants[need]?.push(id);
    for (const reader of waits.get(id) ?? []) waiters[reader]?.push(id);
    hard[id] = needs[id]?.length ?? 0;
    soft[id] = waits.get(id)?.length ?? 0;
  }
  const ready = new PositionQueue(position);
  const blocked = new PositionQueue(position);
  const offer = (id: number): void => {
    if (hard[id] !== 0) return;
    if (soft[id] === 0) ready.push(id);
    else blocked.push(id);
  };
  const placed = new Uint8Array(rank.length);
  for (const id of rank) offer(id);
  const order: number[] = [];
  while (order.length < rank.length) {
    const id = ready.pop() ?? blocked.pop();
    if (id === undefined) break;
    if (placed[id] === 1) continue;
    placed[id] = 1;
    order.push(id);
    for (const next of dependants[id] ?? []) {
      hard[next] = (hard[next] ?? 0) - 1;
      offer(next);
    }
    for (const next of waiters[id] ?? []) {
      soft[next] = (soft[next] ?? 0) - 1;
      if (placed[next] !== 1) offer(next);
    }
  }
  return order;
}

/** A binary heap of groups, the earliest position first. */
class PositionQueue {
  private readonly heap: number[] = [];
  private readonly position: Int32Array;

  constructor(position: Int32Array) {
    this.position = position;
  }

  push(id: number): void {
    const { heap } = this;
    heap.push(id);
    let at = heap.length - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.before(above, at)) break;
      this.exchange(above, at);
      at = above;
    }
  }

  pop(): number | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const least = right < heap.length && this.before(right, left) ? right : left;
      if (this.before(at, least)) break;
      this.exchange(at, least);
      at = least;
    }
    return first;
  }

  private before(a: number, b: number): boolean {
    const { heap, position } = this;
    return (position[heap[a] ?? 0] ?? 0) <= (position[heap[b] ?? 0] ?? 0);
  }

  private exchange(a: number, b: number): void {
    const { heap } = this;
    const held = heap[a] ?? 0;
    heap[a] = heap[b] ?? 0;
    heap[b] = held;
  }
}
