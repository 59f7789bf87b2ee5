/**
 * Memory order of tensors: channels innermost for those that flow through convolutions, by vote and propagation.
 * Invariant: only tensors of rank 3 and more that live inside the program are reordered; sources, aliases, updates and
 * results of weight gradients are row-major.
 */
import { isAxisParallel } from "./affine.ts";
import { loadsOf } from "./expression.ts";
import type { Group, Partition } from "./partition.ts";
import type { Target } from "./rules.ts";
import type { Statements } from "./statements.ts";

/** Axes in memory order, outermost first. */
export type MemoryOrder = readonly number[];

/** The order of each tensor by id. */
export function chooseOrders(program: Statements, partition: Partition, target: Target): readonly MemoryOrder[] {
  const { tensors, statements } = program;
  const parent = tensors.map((_, id) => id);
  const find = (id: number): number => {
    let root = id;
    while (parent[root] !== root) root = parent[root] ?? root;
    for (let at = id; at !== root; ) {
      const next = parent[at] ?? root;
      parent[at] = root;
      at = next;
    }
    return root;
  };
  const fixed = rowMajorTensors(program, partition);
  const isFree = (id: number): boolean => (tensors[id]?.shape.length ?? 0) >= 3 && fixed[id] !== 1;
  const join = (a: number, b: number): void => {
    if (isFree(a) && isFree(b)) parent[find(a)] = find(b);
  };
  for (const group of partition.groups) joinWithin(group, tensors, join);
  for (const { body, inputs, outputs } of statements) {
    if (body.form !== "concat") continue;
    for (const input of inputs) join(input, outputs[0] ?? input);
  }
  const voted = new Set<number>();
  if (target.rules.channelsLast) {
    for (const tensor of partition.groups.flatMap((group) => votesOf(group, partition))) {
      if (isFree(tensor)) voted.add(find(tensor));
    }
  }
  return tensors.map(({ id, shape }) => {
    const axes = shape.map((_, axis) => axis);
    return isFree(id) && voted.has(find(id)) ? [0, ...axes.slice(2), 1] : axes;
  });
}

function joinWithin(group: Group, tensors: Statements["tensors"], join: (a: number, b: number) => void): void {
  for (const { tensor, value } of group.members) {
    const rank = tensors[tensor]?.shape.length ?? 0;
    if (rank < 3) continue;
    for (const load of loadsOf([value])) if (isAxisParallel(load.at, rank)) join(tensor, load.operand);
  }
  if (group.form !== "reduction" || group.domain.length < 3) return;
  const result = group.members[0]?.tensor ?? -1;
  for (const load of loadsOf(group.accumulators.map((each) => each.value))) {
    if (isAxisParallel(load.at, group.domain.length)) join(result, load.operand);
  }
}

/** Tensors with a spatial role in the group's contraction. */
function votesOf(group: Group, { inlined }: Partition): readonly number[] {
  if (group.form !== "contraction" || group.contraction.window.length === 0) return [];
  const { result, input, output } = group.contraction;
  const base = (position: number): number => {
    const tensor = group.operands[position] ?? -1;
    const view = inlined.get(tensor);
    return view?.kind === "load" && isAxisParallel(view.at, view.at.length) ? view.operand : tensor;
  };
  const own = group.members[0]?.tensor ?? -1;
  return [
    ...(result === "kernel" ? [] : [own]),
    ...(result === "input" ? [] : [base(input.tensor)]),
    ...(result === "output" ? [] : [base(output.tensor)]),
  ];
}

function rowMajorTensors({ statements, tensors, outputs, updates }: Statements, { groups, groupOf }: Partition): Uint8Array {
  const fixed = new Uint8Array(tensors.length);
  for (const { body, outputs: results } of statements) {
    if (body.form === "source" || body.form === "alias" || body.form === "scatter") for (const id of results) fixed[id] = 1;
  }
  for (const { tensor } of updates) fixed[tensor] = 1;
  const read = new Set<number>();
  for (const group of groups) for (const tensor of group.reads) read.add(tensor);
  for (const { tensor } of outputs) {
    // A convolution stores channels innermost much faster; then a copy turns the result.
    const group = groups[groupOf[tensor] ?? -1];
    if (group !== undefined && group.form !== "contraction" && !read.has(tensor)) fixed[tensor] = 1;
  }
  return fixed;
}
