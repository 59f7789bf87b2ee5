/**
 * The matrix product of two factors without workgroup memory: an invocation sums `BLOCK` x 4 results in registers, straight
 * from storage. Loops stay loops and nothing waits at a barrier, so the shader is short and quick to compile: the choice
 * where a CPU stands in for the GPU, and there to be measured on any other.
 * Invariant: a sum runs along the depth in order, by chunks; a share of it is a run of the depth's outer positions.
 */
import type { Axis } from "../ir/kernel.ts";
import { type Access, hasPrologue, isFourfold, type Line, lineAt, locateElement, type Shape, type Side, throughPrologue } from "./factor.ts";
import { entryPoint, splitIndex } from "./loops.ts";
import { columnCount, extentsText, PARTS, type ProductTarget } from "./product.ts";
import { countText, type Extent, numberText, type Shader, sizeText, WORKGROUP } from "./shader.ts";

const FOUR = [0, 1, 2, 3] as const;
/** Rows of an invocation. */
const BLOCK = 4;
/** Invocations side by side along the columns, at most. */
const MOST_ACROSS = 16;

/**
 * Steps of the depth that are summed before they join the rest: rounding grows with the number of terms that follow one
 * another, and where nothing is split between invocations all the depth would.
 */
const CHUNK = 64;

/** Results of an invocation. */
export const RESULTS = 4 * BLOCK;

/** Writes the entry point; returns its workgroups. */
export function writeRegisters(shader: Shader, shape: Shape, accesses: Readonly<Record<Side, Access>>, target: ProductTarget): readonly Extent[] {
  const { groups } = shape.contraction;
  const { splits } = target;
  const wide = acrossOf(Math.ceil(columnCount(shape) / 4));
  const [rows, columns] = [(WORKGROUP / wide) * BLOCK, 4 * wide];
  entryPoint(shader, WORKGROUP, () => {
    const across = Math.ceil(columnCount(shape) / columns);
    const own = { rows: countText(rows), columns: countText(columns), wide: countText(wide) };
    shader.line(`let down = (${extentsText(shape.rows)} + ${own.rows} - 1) / ${own.rows};`);
    shader.line(`let tile = group / ${countText(across)};`);
    shader.line(`let groups = tile / down${splits === undefined ? "" : ` % ${sizeText(groups)}`};`);
    if (splits === undefined) shader.line(`if (groups >= ${sizeText(groups)}) { return; }`);
    else {
      shader.line(`let split = tile / (down * ${sizeText(groups)});`);
      shader.line(`if (split >= ${splits}) { return; }`);
    }
    shader.line(`let first_row = tile % down * ${own.rows} + lane / ${own.wide} * ${BLOCK};`);
    shader.line(`let first_column = group % ${countText(across)} * ${own.columns} + lane % ${own.wide} * 4;`);
    shader.line(`if (first_row >= ${extentsText(shape.rows)} || first_column >= ${numberText(columnCount(shape))}) { return; }`);
    for (let i = 0; i < BLOCK; i++) shader.line(`var sum_${i} = vec4<f32>();`);
    const lines = {
      left: linesOf(shader, shape.rows, "first_row", accesses.left),
      right: linesOf(shader, shape.columns, "first_column", accesses.right),
    };
    writeLoops(shader, shape, accesses, lines, splits);
    shader.line(`var sums = array<vec4<f32>, ${BLOCK}>(${FOUR.map((i) => `sum_${i}`).join(", ")});`);
    // A loop: written out, the epilogue would be compiled as often.
    shader.block(`for (var i = 0; i < ${countText(BLOCK)}; i++)`, () => shader.line(target.finish("first_row + i", "first_column", "sums[i]")));
  });
  return [
    { sizes: shape.rows.map((axis) => axis.extent), per: rows },
    { sizes: shape.columns.map((axis) => axis.extent), per: columns },
    { sizes: [groups], per: 1 },
  ];
}

/** Of so many invocations for a row, how many lie side by side in a workgroup: a power of two that leaves few idle. */
function acrossOf(count: number): number {
  for (let wide = MOST_ACROSS; wide > 1; wide /= 2) if (Math.ceil(count / wide) * wide <= 1.125 * count) return wide;
  return 1;
}

/** The lines of an invocation: four, or the first of four that are read as one vector. Beyond the edge the last is read again. */
function linesOf(shader: Shader, axes: readonly Axis[], first: string, { side, grain, vector }: Access): readonly Line[] {
  const whole = vector && grain === "wide";
  return FOUR.slice(0, whole ? 1 : 4).map((j) => {
    const text = `min(${first}${j === 0 ? "" : ` + ${j}`}, ${extentsText(axes)} - ${whole ? 4 : 1})`;
    return lineAt(shader, axes, shader.named({ text, type: "i32" }, side === "left" ? "row" : "column").text);
  });
}

type Lines = Readonly<Record<Side, readonly Line[]>>;

/** Loops over the depth, the last axis innermost. */
function writeLoops(shader: Shader, shape: Shape, accesses: Readonly<Record<Side, Access>>, lines: Lines, splits: string | undefined): void {
  const { depth } = shape;
  const last = depth.length - 1;
  const idle = depth.map(() => "0");
  const locateAll = (parts: readonly string[]): void => {
    for (const side of ["left", "right"] as const) for (const line of lines[side]) locateElement(shader, shape, accesses[side], line, { parts });
  };
  const inner = (outer: readonly string[], from: string, until: string): void => {
    const step = stepOf(accesses, depth[last]);
    const along = shader.fresh("along");
    // Named before the loop, which names the same texts again.
    locateAll([...outer, "0"]);
    shader.block(`for (var chunk = ${from}; chunk < ${until}; chunk += ${CHUNK})`, () => {
      for (let i = 0; i < BLOCK; i++) shader.line(`var part_${i} = vec4<f32>();`);
      shader.line(`let end = min(chunk + ${CHUNK}, ${until});`);
      shader.block(`for (var ${along} = chunk; ${along} < end; ${along} += ${step})`, () =>
        writeStep(shader, shape, accesses, lines, [...outer, along], step),
      );
      for (let i = 0; i < BLOCK; i++) shader.line(`sum_${i} += part_${i};`);
    });
  };
  const extent = sizeText(depth[last]?.extent ?? 1);
  const nest = (k: number, outer: readonly string[]): void => {
    const axis = depth[k];
    if (axis === undefined || k === last) return inner(outer, "0", extent);
    if (axis.extent === 1) return nest(k + 1, [...outer, "0"]);
    const at = shader.fresh(axis.name);
    locateAll([...outer, ...idle.slice(k)]);
    shader.block(`for (var ${at} = 0; ${at} < ${sizeText(axis.extent)}; ${at}++)`, () => nest(k + 1, [...outer, at]));
  };
  locateAll(idle);
  if (splits === undefined) return nest(0, []);
  const shared = last === 0 ? depth : depth.slice(0, last);
  shader.line(`let share = (${extentsText(shared)} + ${splits} - 1) / ${splits};`);
  shader.line(`let until = min(${extentsText(shared)}, (split + 1) * share);`);
  if (last === 0) return inner([], "split * share", "until");
  shader.block("for (var outer = split * share; outer < until; outer++)", () => inner(splitIndex(shader, "outer", shared, undefined), "0", extent));
}

/** Steps of the depth that are read together. */
function stepOf({ left, right }: Readonly<Record<Side, Access>>, axis: Axis | undefined): 1 | 4 {
  const isDeep = [left, right].some(({ grain, vector }) => grain === "deep" && vector);
  return isDeep && axis !== undefined && isFourfold([axis.extent]) ? 4 : 1;
}

/** Adds the products of one or four steps of the depth. */
function writeStep(
  shader: Shader,
  shape: Shape,
  accesses: Readonly<Record<Side, Access>>,
  lines: Lines,
  depth: readonly string[],
  step: 1 | 4,
): void {
  const left = factorsOf(shader, shape, accesses.left, lines.left, depth, step);
  const right = factorsOf(shader, shape, accesses.right, lines.right, depth, step);
  for (let k = 0; k < step; k++) {
    const columns = right.map((each) => each[k] ?? "");
    const quad = accesses.right.vector && accesses.right.grain === "wide" ? wholeOf(columns) : `vec4<f32>(${columns.join(", ")})`;
    const name = shader.fresh("right");
    shader.line(`let ${name} = ${quad};`);
    for (let i = 0; i < BLOCK; i++) shader.line(`part_${i} = fma(vec4<f32>(${left[i]?.[k]}), ${name}, part_${i});`);
  }
}

/** The vector whose parts these are. */
function wholeOf([first = ""]: readonly string[]): string {
  return first.replace(/\.x$/, "");
}

/** By line, then by step of the depth: the elements as text. */
function factorsOf(
  shader: Shader,
  shape: Shape,
  access: Access,
  lines: readonly Line[],
  depth: readonly string[],
  step: 1 | 4,
): readonly (readonly string[])[] {
  const { grain, vector } = access;
  const steps = FOUR.slice(0, step);
  const further = (k: number): readonly string[] => (k === 0 ? depth : [...depth.slice(0, -1), `(${depth.at(-1)} + ${k})`]);
  if (!vector) return lines.map((line) => steps.map((k) => readOne(shader, shape, access, line, further(k))));
  if (grain === "deep") return lines.map((line) => partsOf(readFour(shader, shape, access, line, depth)));
  const [line] = lines;
  const quads = steps.map((k) => (line === undefined ? "" : readFour(shader, shape, access, line, further(k))));
  return FOUR.map((j) => quads.map((quad) => `${quad}.${PARTS[j]}`));
}

function partsOf(quad: string): readonly string[] {
  return PARTS.map((part) => `${quad}.${part}`);
}

/** An element, or 0 where it is padding: read in any case, since storage is safe to read anywhere and a branch costs more. */
function readOne(shader: Shader, shape: Shape, access: Access, line: Line, depth: readonly string[]): string {
  const { address, conditions, at } = locateElement(shader, shape, access, line, { parts: depth });
  const value = shader.named(shader.element(access.operand, address), "x");
  const through = throughPrologue(shader, shape, access.side, at, value);
  return conditions.length === 0 ? through : shader.named({ text: `select(0f, ${through}, ${conditions.join(" && ")})`, type: "f32" }, "x").text;
}

/** The name of four elements that are read together. */
function readFour(shader: Shader, shape: Shape, access: Access, line: Line, depth: readonly string[]): string {
  const { address, conditions, at } = locateElement(shader, shape, access, line, { parts: depth });
  const quad = shader.fresh("quad");
  const held = shader.vector(access.operand, address);
  if (!hasPrologue(shape, access.side)) {
    shader.line(`let ${quad} = ${conditions.length === 0 ? held : `select(vec4<f32>(), ${held}, ${conditions.join(" && ")})`};`);
    return quad;
  }
  const read = shader.fresh("quad");
  shader.line(`let ${read} = ${held};`);
  const channel = at.at(-1) ?? "0";
  const values = FOUR.map((j) => {
    const own = j === 0 ? channel : shader.named({ text: `${channel} + ${j}`, type: "i32" }, "channel").text;
    return throughPrologue(shader, shape, access.side, [...at.slice(0, -1), own], { text: `${read}.${PARTS[j]}`, type: "f32" });
  });
  const four = `vec4<f32>(${values.join(", ")})`;
  shader.line(`let ${quad} = ${conditions.length === 0 ? four : `select(vec4<f32>(), ${four}, ${conditions.join(" && ")})`};`);
  return quad;
}
