/**
 * Program → Graph: instances are flattened along their paths; a path names a tensor, so a shared label shares weights.
 * Invariant: every size is a constant or holds the batch symbol alone; the caller has fixed all others.
 */
import type { Attributes, OpName } from "../ir/attributes.ts";
import { symbolsOf } from "../ir/dim.ts";
import type { Graph, GraphUpdate, NamedValue, Value } from "../ir/graph.ts";
import { invariant } from "../ir/invariant.ts";
import type { Entry, Instance, Program } from "../ir/program.ts";
import { createGraphBuilder, type GraphBuilder } from "../graph/builder.ts";

/** A program walked into a builder. */
export interface Built {
  readonly builder: GraphBuilder;
  readonly inputs: readonly NamedValue[];
  readonly outputs: readonly NamedValue[];
  /** In checkpoint order: parameters and states by path. */
  readonly tensors: readonly BuiltTensor[];
  /** Of states, as the blocks' `update` statements say. */
  readonly updates: readonly GraphUpdate[];
}

export interface BuiltTensor {
  readonly name: string;
  readonly kind: "param" | "state";
  readonly value: Value;
}

interface Walk {
  readonly builder: GraphBuilder;
  readonly tensors: Map<string, BuiltTensor>;
  readonly updates: Map<string, GraphUpdate>;
  /** Random draws, each a stream of its own. */
  streams: number;
}

/** Flattens the program's root. */
export function buildProgram(program: Program): Built {
  const builder = createGraphBuilder(program.batch);
  const { root } = program;
  const inputs = root.inputs.map(({ name, value }): NamedValue => {
    const type = root.types[value];
    invariant(type !== undefined, `input ${name} has no type`);
    return { name, value: builder.emit("input", [], { name, dtype: type.dtype, shape: type.shape }) };
  });
  const walk: Walk = { builder, tensors: new Map(), updates: new Map(), streams: 0 };
  const results = walkInstance(
    walk,
    root,
    "",
    inputs.map((input) => input.value),
  );
  const outputs = root.outputs.map(({ name }, i): NamedValue => {
    const value = results[i];
    invariant(value !== undefined, `output ${name} was not built`);
    return { name, value };
  });
  return { builder, inputs, outputs, tensors: [...walk.tensors.values()], updates: [...walk.updates.values()] };
}

/** The loss over a built program; targets become inputs of their own. */
export function buildLoss({ builder, inputs, outputs }: Built, loss: Instance): Value {
  const known = new Map([...inputs, ...outputs].map(({ name, value }) => [name, value]));
  const given = loss.inputs.map(({ name, value }) => {
    const type = loss.types[value];
    invariant(type !== undefined, `input ${name} of the loss has no type`);
    return known.get(name) ?? builder.emit("input", [], { name, dtype: type.dtype, shape: type.shape });
  });
  const [value] = walkInstance({ builder, tensors: new Map(), updates: new Map(), streams: LOSS_STREAMS }, loss, "loss", given);
  invariant(value !== undefined, "a loss has a value");
  return value;
}

/** Random draws of a loss are streams apart from those of its model, however many these are. */
const LOSS_STREAMS = 2 ** 20;

/** The inference graph: the out ports, nothing updated. */
export function buildInference(program: Program): { readonly graph: Graph; readonly tensors: readonly BuiltTensor[] } {
  const built = buildProgram(program);
  return { graph: built.builder.finish(built.outputs, []), tensors: built.tensors };
}

/** Free symbols other than the batch that the program's values hold: what must be fixed before it can be built. */
export function freeSizes(program: Program): string[] {
  const names = new Map<string, string>();
  for (const port of [...program.root.inputs, ...program.root.outputs])
    for (const dim of program.root.types[port.value]?.shape ?? [])
      for (const [id, atom] of symbolsOf(dim)) if (id !== program.batch) names.set(id, atom.name);
  return [...names.values()];
}

function join(path: string, components: readonly string[]): string {
  return [path, ...components].filter((part) => part !== "").join(".");
}

function walkInstance(walk: Walk, instance: Instance, path: string, inputs: readonly Value[]): Value[] {
  const values = new Map<number, Value>();
  for (const [i, port] of instance.inputs.entries()) {
    const value = inputs[i];
    invariant(value !== undefined, `${instance.block} misses input ${port.name}`);
    values.set(port.value, value);
  }
  walk.builder.withPath(path, () => {
    for (const entry of instance.entries) walkEntry(walk, entry, path, values);
  });
  return instance.outputs.map((port) => read(values, port.value));
}

function read(values: ReadonlyMap<number, Value>, id: number): Value {
  const value = values.get(id);
  invariant(value !== undefined, `value ${id} was not built`);
  return value;
}

function walkEntry(walk: Walk, entry: Entry, path: string, values: Map<number, Value>): void {
  const { builder } = walk;
  switch (entry.kind) {
    case "op": {
      const inputs = entry.inputs.map((id) => read(values, id));
      const attributes = entry.op === "random" ? { ...entry.attributes, stream: walk.streams++ } : entry.attributes;
      const results = builder.emitAll(entry.op, inputs, attributes as Attributes[OpName]);
      for (const [i, id] of entry.outputs.entries()) {
        const result = results[i];
        invariant(result !== undefined, `${entry.op} has no output ${i}`);
        values.set(id, result);
      }
      return;
    }
    case "parameter":
    case "state": {
      const name = join(path, [entry.name]);
      const known = walk.tensors.get(name);
      if (known !== undefined) {
        values.set(entry.output, known.value);
        return;
      }
      const { shape, dtype, initializer } = entry;
      const value =
        entry.kind === "parameter"
          ? builder.emit("parameter", [], { name, shape, initializer })
          : builder.emit("state", [], { name, dtype, shape, initializer });
      walk.tensors.set(name, { name, kind: entry.kind === "parameter" ? "param" : "state", value });
      values.set(entry.output, value);
      return;
    }
    case "update": {
      const name = join(path, [entry.name]);
      const target = walk.tensors.get(name);
      invariant(target !== undefined, `update of ${name}, which is no tensor`);
      walk.updates.set(name, { target: target.value.node, value: read(values, entry.value) });
      return;
    }
    case "call": {
      const results = walkInstance(
        walk,
        entry.instance,
        join(path, entry.path),
        entry.inputs.map((id) => read(values, id)),
      );
      for (const [i, id] of entry.outputs.entries()) {
        const result = results[i];
        invariant(result !== undefined, `${entry.instance.block} has no output ${i}`);
        values.set(id, result);
      }
      return;
    }
    case "join":
      return;
    default:
      entry satisfies never;
  }
}
