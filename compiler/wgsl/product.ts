/**
 * The matrix product of two factors through workgroup memory: a tile of `rows` x `columns` results, summed in steps of
 * `deep`, `block` x 4 results for each invocation; both tiles hold vectors of four, along the depth or along the lines.
 * Invariant: a sum runs in an order that the tiling alone fixes.
 */
import type { Axis, Size } from "../ir/kernel.ts";
import { type Access, type Depth, depthAt, hasPrologue, type Line, lineAt, locateElement, type Shape, type Side, throughPrologue } from "./factor.ts";
import { entryPoint } from "./loops.ts";
import { countText, type Extent, productText, type Shader, sizeText } from "./shader.ts";
import { invocationsOf, type Tiling } from "./tiling.ts";

export const PARTS = ["x", "y", "z", "w"] as const;
const FOUR = [0, 1, 2, 3] as const;

/** Where a product's results go. */
export interface ProductTarget {
  /** How many shares of the depth are summed apart, as text; one if undefined. */
  readonly splits?: string;
  /** The statement that takes four sums of columns side by side. */
  readonly finish: (row: string, column: string, sums: string) => string;
}

export function extentsText(axes: readonly Axis[]): string {
  return productText(axes.map((axis) => axis.extent));
}

/** Writes the entry point; returns its workgroups. */
export function writeProduct(
  shader: Shader,
  shape: Shape,
  accesses: Readonly<Record<Side, Access>>,
  tiling: Tiling,
  target: ProductTarget,
): readonly Extent[] {
  const { rows, columns, deep, slices } = tiling;
  const size = invocationsOf(tiling);
  const lanes = { rows: rows / tiling.block, columns: columns / 4 };
  const groups: Size = shape.contraction.groups;
  const { splits } = target;
  declareTiles(shader, accesses, tiling);
  entryPoint(shader, size, () => {
    const across = Math.ceil(columnCount(shape) / columns);
    shader.line(`let down = (${extentsText(shape.rows)} + ${rows - 1}) / ${rows};`);
    shader.line(`let tile = group / ${countText(across)};`);
    if (splits === undefined) {
      shader.line("let groups = tile / down;");
      shader.line(`if (groups >= ${sizeText(groups)}) { return; }`);
    } else {
      shader.line(`let groups = tile / down % ${sizeText(groups)};`);
      shader.line(`let split = tile / (down * ${sizeText(groups)});`);
      shader.line(`if (split >= ${splits}) { return; }`);
    }
    shader.line(`let first_row = tile % down * ${rows};`);
    shader.line(`let first_column = group % ${countText(across)} * ${columns};`);
    const part = slices > 1 ? `lane % ${size / slices}` : "lane";
    if (slices > 1) shader.line(`let slice = lane / ${size / slices};`);
    shader.line(`let my_row = ${slices > 1 ? `(${part})` : part} / ${lanes.columns};`);
    shader.line(`let my_column = ${part} % ${lanes.columns};`);
    const loads = [...loadsOfSide(shader, shape, accesses.left, tiling), ...loadsOfSide(shader, shape, accesses.right, tiling)];
    shader.line(`var sums: array<vec4<f32>, ${tiling.block}>;`);
    const total = extentsText(shape.depth);
    shader.line(`let deep = ${total};`);
    let [from, until] = ["0", "deep"];
    if (splits !== undefined) {
      shader.line(`let share = (deep + ${deep} * ${splits} - 1) / (${deep} * ${splits}) * ${deep};`);
      shader.line("let until = min(deep, (split + 1) * share);");
      [from, until] = ["split * share", "until"];
    }
    shader.block(`for (var start = ${from}; start < ${until}; start += ${deep})`, () => {
      for (const load of loads) load();
      shader.line("workgroupBarrier();");
      writeSums(shader, accesses, tiling);
      shader.line("workgroupBarrier();");
    });
    if (slices > 1) joinSlices(shader, tiling);
    const wide = accesses.left.grain === "wide";
    // A loop, which GPU compilers unroll: written out, the epilogue took software adapters several times as long to compile.
    shader.block(`for (var i = 0; i < ${tiling.block}; i++)`, () => {
      const row = wide ? `(my_row + i / 4 * ${lanes.rows}) * 4 + i % 4` : `my_row + i * ${lanes.rows}`;
      shader.line(target.finish(`first_row + ${row}`, "first_column + my_column * 4", "sums[i]"));
    });
  });
  return [
    { sizes: shape.rows.map((axis) => axis.extent), per: rows },
    { sizes: shape.columns.map((axis) => axis.extent), per: columns },
    { sizes: [groups], per: 1 },
  ];
}

export function columnCount({ columns }: Shape): number {
  return columns.reduce((product, { extent }) => product * (typeof extent === "number" ? extent : extent.batch), 1);
}

/** Vectors between lines of a tile whose vectors lie along the depth: odd, so that eight lanes meet different banks. */
function pitchOf({ deep }: Tiling): number {
  return deep / 4 + 1;
}

function declareTiles(shader: Shader, accesses: Readonly<Record<Side, Access>>, tiling: Tiling): void {
  for (const side of ["left", "right"] as const) {
    const lines = side === "left" ? tiling.rows : tiling.columns;
    const vectors = accesses[side].grain === "deep" ? lines * pitchOf(tiling) : (lines / 4) * tiling.deep;
    shader.declarations.push(`var<workgroup> ${side}_tile: array<vec4<f32>, ${vectors}>;`);
  }
}

/** Statements before the loop, and those that fill a tile inside it. */
function loadsOfSide(shader: Shader, shape: Shape, access: Access, tiling: Tiling): readonly (() => void)[] {
  const { side, grain, vector } = access;
  const size = invocationsOf(tiling);
  const axes = side === "left" ? shape.rows : shape.columns;
  const [lines, first] = side === "left" ? [tiling.rows, "first_row"] : [tiling.columns, "first_column"];
  const along = grain === "deep" ? tiling.deep / 4 : lines / 4;
  const count = (lines * tiling.deep) / 4;
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const position = shader.named({ text: i === 0 ? "lane" : `lane + ${i * size}`, type: "i32" }, `${side}_load`).text;
    const far = shader.named({ text: `${position} / ${along}`, type: "i32" }, "far").text;
    const near = shader.named({ text: `${position} % ${along}`, type: "i32" }, "near").text;
    // Beyond the edge the last line is read again: its sums are not stored.
    const clamped = (text: string): string =>
      shader.named({ text: `min(${text}, ${edge(axes, vector && grain === "wide")})`, type: "i32" }, side === "left" ? "row" : "column").text;
    const lineOf = (text: string): Line => lineAt(shader, axes, clamped(text));
    const whole: readonly Line[] =
      grain === "deep"
        ? [lineOf(`${first} + ${far}`)]
        : (vector ? [0] : FOUR).map((j) => lineOf(`${first} + ${near} * 4${j === 0 ? "" : ` + ${j}`}`));
    // Named before the loop, which names the same texts again.
    const idle: Depth = { parts: shape.depth.map(() => "0") };
    for (const line of whole) hoist(shader, shape, access, line, idle);
    const to =
      grain === "wide"
        ? position
        : side === "left"
          ? `${far} * ${pitchOf(tiling)} + ${near}`
          : `(${far} % 4 * ${lines / 4} + ${far} / 4) * ${pitchOf(tiling)} + ${near}`;
    const slot = shader.named({ text: to, type: "i32" }, `${side}_slot`).text;
    const guard = count % size === 0 || i < Math.floor(count / size) ? undefined : `${position} < ${count}`;
    return () => {
      const write = (): void => writeQuad(shader, shape, access, tiling, whole, { far, near }, `${side}_tile[${slot}]`);
      if (guard === undefined) shader.block("", write);
      else shader.block(`if (${guard})`, write);
    };
  });
}

function edge(axes: readonly Axis[], fourfold: boolean): string {
  return `${extentsText(axes)} - ${fourfold ? 4 : 1}`;
}

/** Gives what depends on the line alone its names. */
function hoist(shader: Shader, shape: Shape, access: Access, line: Line, idle: Depth): void {
  locateElement(shader, shape, access, line, idle);
}

function writeQuad(
  shader: Shader,
  shape: Shape,
  access: Access,
  tiling: Tiling,
  lines: readonly Line[],
  { far, near }: { readonly far: string; readonly near: string },
  target: string,
): void {
  const { side, grain, vector, operand } = access;
  const whole = isWhole(shape, tiling);
  const inTile = grain === "deep" ? `${near} * 4` : far;
  const elements = (vector ? ([0] as const) : FOUR).map((j) => {
    const offset = grain === "deep" && j > 0 ? `${inTile} + ${j}` : inTile;
    const depth =
      uniformDepth(shader, shape, tiling, offset) ??
      depthAt(shader, shape.depth, shader.named({ text: `start + ${offset}`, type: "i32" }, "depth").text);
    const line = lines[grain === "wide" ? j : 0] ?? lines[0] ?? { parts: [] };
    const { address, conditions, at } = locateElement(shader, shape, access, line, depth);
    const beyond = whole ? [] : [`start + ${offset} < deep`];
    return { address, conditions: [...beyond, ...conditions], at };
  });
  const quad = shader.fresh("quad");
  const [first] = elements;
  if (first === undefined) return;
  const prologue = hasPrologue(shape, side);
  if (vector) {
    if (first.conditions.length === 0 && !prologue) {
      shader.line(`${target} = ${shader.vector(operand, first.address)};`);
      return;
    }
    shader.line(`var ${quad} = vec4<f32>();`);
    const read = (): void => {
      shader.line(`${quad} = ${shader.vector(operand, first.address)};`);
      if (!prologue) return;
      const channel = first.at.at(-1) ?? "0";
      const values = FOUR.map((j) => {
        const at = [...first.at.slice(0, -1), j === 0 ? channel : shader.named({ text: `${channel} + ${j}`, type: "i32" }, "channel").text];
        return throughPrologue(shader, shape, side, at, { text: `${quad}.${PARTS[j]}`, type: "f32" });
      });
      shader.line(`${quad} = vec4<f32>(${values.join(", ")});`);
    };
    if (first.conditions.length === 0) read();
    else shader.block(`if (${first.conditions.join(" && ")})`, read);
  } else {
    shader.line(`var ${quad} = vec4<f32>();`);
    for (const [j, { address, conditions, at }] of elements.entries()) {
      const read = (): void => {
        const value = shader.named(shader.element(operand, address), "x");
        shader.line(`${quad}.${PARTS[j]} = ${throughPrologue(shader, shape, side, at, value)};`);
      };
      if (conditions.length === 0) read();
      else shader.block(`if (${conditions.join(" && ")})`, read);
    }
  }
  shader.line(`${target} = ${quad};`);
}

/** Whether every tile is full: then nothing is asked about the depth. */
function isWhole({ depth }: Shape, { deep }: Tiling): boolean {
  return depth.reduce((product, { extent }) => product * (typeof extent === "number" ? extent : extent.batch), 1) % deep === 0;
}

/** Where a tile lies inside one tap, the taps are the same for the whole workgroup. */
function uniformDepth(shader: Shader, { depth }: Shape, { deep }: Tiling, inTile: string): Depth | undefined {
  const channels = depth.at(-1)?.extent;
  if (depth.every(({ extent }, k) => extent === 1 || k === depth.length - 1) || typeof channels !== "number" || channels % deep !== 0)
    return undefined;
  const parts = depthAt(shader, depth, "start").parts;
  const channel = shader.named({ text: `${parts.at(-1)} + ${inTile}`, type: "i32" }, "channel").text;
  return { parts: [...parts.slice(0, -1), channel] };
}

/** Adds the products of a tile, four steps of the depth at a time. */
function writeSums(shader: Shader, { left, right }: Readonly<Record<Side, Access>>, tiling: Tiling): void {
  const { rows, columns, deep, block, slices } = tiling;
  const quads = deep / 4 / slices;
  const lanes = { rows: rows / block, columns: columns / 4 };
  shader.block(`for (var step = 0; step < ${quads}; step++)`, () => {
    shader.line(`let quad = ${slices > 1 ? `slice * ${quads} + step` : "step"};`);
    if (left.grain === "deep") {
      for (let i = 0; i < block; i++) shader.line(`let left_${i} = left_tile[(my_row${plus(i * lanes.rows)}) * ${pitchOf(tiling)} + quad];`);
    } else {
      for (const k of FOUR)
        for (let v = 0; v < block / 4; v++)
          shader.line(`let left_${k}_${v} = left_tile[(quad * 4${plus(k)}) * ${rows / 4} + my_row${plus(v * lanes.rows)}];`);
    }
    if (right.grain === "wide") for (const k of FOUR) shader.line(`let right_${k} = right_tile[(quad * 4${plus(k)}) * ${columns / 4} + my_column];`);
    else {
      for (const j of FOUR) shader.line(`let column_${j} = right_tile[(my_column${plus(j * lanes.columns)}) * ${pitchOf(tiling)} + quad];`);
      for (const k of FOUR) shader.line(`let right_${k} = vec4<f32>(${FOUR.map((j) => `column_${j}.${PARTS[k]}`).join(", ")});`);
    }
    for (const k of FOUR) {
      for (let i = 0; i < block; i++) {
        const factor = left.grain === "deep" ? `left_${i}.${PARTS[k]}` : `left_${k}_${i >> 2}.${PARTS[FOUR[i & 3] ?? 0]}`;
        shader.line(`sums[${i}] = fma(vec4<f32>(${factor}), right_${k}, sums[${i}]);`);
      }
    }
  });
}

function plus(n: number): string {
  return n === 0 ? "" : ` + ${n}`;
}

/** Slices add up in order, through the left tile; the first one holds the sums. */
function joinSlices(shader: Shader, tiling: Tiling): void {
  const size = invocationsOf(tiling) / tiling.slices;
  const places = Array.from({ length: tiling.block }, (_, i) => `left_tile[${i * size} + lane % ${size}]`);
  shader.block(`for (var other = 1; other < ${tiling.slices}; other++)`, () => {
    shader.block("if (slice == other)", () => places.forEach((place, i) => shader.line(`${place} = sums[${i}];`)));
    shader.line("workgroupBarrier();");
    shader.block("if (slice == 0)", () => places.forEach((place, i) => shader.line(`sums[${i}] += ${place};`)));
    shader.line("workgroupBarrier();");
  });
  shader.line("if (slice > 0) { return; }");
}
