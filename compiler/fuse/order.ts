/**
 * The order in which statements are offered to groups: inputs first, and of several inputs the one that an elementwise
 * consumer can ride on last, so that a residual sum joins the deeper convolution and its shortcut is there before.
 * Invariant: the result is a topological order of all statements.
 */
import type { BodyFacts } from "./body-facts.ts";
import type { Statement, Statements } from "./statements.ts";

/** Facts about how deep a statement lies, by statement and by tensor. */
export interface Depths {
  /** Contractions and reductions on the longest path to and including the statement. */
  readonly ofStatement: Int32Array;
  /** Depth of the deepest contraction or reduction that the tensor follows elementwise; 0 if none. */
  readonly ride: Int32Array;
}

/** Whether the statement is computed by a kernel of its own, to which others are attached. */
export function isAnchor(statement: Statement): boolean {
  const { form } = statement.body;
  return form === "reduction" || form === "contraction" || form === "scatter";
}

/** Measures depths; statements come in topological order. */
export function measureDepths({ statements, tensors }: Statements, factsOf: (statement: Statement) => BodyFacts): Depths {
  const ofStatement = new Int32Array(statements.length);
  const ride = new Int32Array(tensors.length);
  for (const statement of statements) {
    let depth = 0;
    for (const input of statement.inputs) depth = Math.max(depth, ofStatement[tensors[input]?.statement ?? 0] ?? 0);
    if (isAnchor(statement)) depth++;
    ofStatement[statement.id] = depth;
    let ridden = isAnchor(statement) ? depth : 0;
    if (statement.body.form === "pointwise") {
      for (const { load, permutes } of factsOf(statement).reads) {
        const below = permutes ? (ride[statement.inputs[load.operand] ?? -1] ?? 0) : 0;
        if (below > ridden) ridden = below;
      }
    }
    for (const output of statement.outputs) ride[output] = ridden;
  }
  return { ofStatement, ride };
}

/** Ids of all statements in the order of grouping. */
export function orderStatements(program: Statements, depths: Depths): readonly number[] {
  const { statements, tensors } = program;
  const order: number[] = [];
  /** 0 unseen, 1 its inputs are being placed, 2 placed. */
  const state = new Uint8Array(statements.length);
  const inputsOf = (id: number): readonly number[] => {
    const inputs = statements[id]?.inputs ?? [];
    if (inputs.length < 2) return inputs.map((input) => tensors[input]?.statement ?? 0);
    const key = (tensor: number): number => depths.ofStatement[tensors[tensor]?.statement ?? 0] ?? 0;
    return [...new Set(inputs)]
      .sort((a, b) => (depths.ride[a] ?? 0) - (depths.ride[b] ?? 0) || key(a) - key(b) || a - b)
      .map((input) => tensors[input]?.statement ?? 0);
  };
  const place = (root: number): void => {
    const stack: { readonly id: number; readonly inputs: readonly number[]; next: number }[] = [];
    const enter = (id: number): void => {
      if (state[id] !== 0) return;
      state[id] = 1;
      stack.push({ id, inputs: inputsOf(id), next: 0 });
    };
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.inputs[top.next++];
      if (input !== undefined) {
        enter(input);
        continue;
      }
      state[top.id] = 2;
      order.push(top.id);
      stack.pop();
    }
  };
  for (const id of rootsOf(program, depths)) place(id);
  for (const { id } of statements) place(id);
  return order;
}

/** What leaves the program, shallow first: a weight gradient is taken as soon as its operands are there. */
function rootsOf({ tensors, outputs, updates }: Statements, depths: Depths): readonly number[] {
  const roots = [...outputs, ...updates].map(({ tensor }) => tensors[tensor]?.statement ?? 0);
  return [...new Set(roots)].sort((a, b) => (depths.ofStatement[a] ?? 0) - (depths.ofStatement[b] ?? 0) || a - b);
}
