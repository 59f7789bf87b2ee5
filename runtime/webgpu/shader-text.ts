/**
 * A shader's text from its template: with its sizes as numbers, or with sizes that each dispatch gives.
 * Why two: numbers let a GPU's compiler unroll loops and divide by multiplying. A software adapter takes seconds for what it
 * unrolls, and one text that takes its sizes from the uniform serves all layers that differ in sizes alone.
 */
import type { WebgpuShaderSpec } from "../manifest.ts";

export interface ShaderText {
  readonly code: string;
  /** Values that the uniform must hold behind the dispatch's offsets. */
  readonly sizes: readonly number[];
}

/** i32 fields of the uniform: so many fit into the alignment that every device has. */
const FIELDS = 64;

/** The text with numbers. */
export function fixedText({ template, sizes }: WebgpuShaderSpec): string {
  return filled(template, (k) => `${sizes[k]}`);
}

/**
 * Texts with sizes from the uniform, one for all shaders that differ in sizes and names alone. Sizes that are equal in each
 * of them share a field; where even so the uniform is too short, the text has numbers.
 */
export function sizedTexts(shaders: readonly WebgpuShaderSpec[]): readonly ShaderText[] {
  const alike = new Map<string, WebgpuShaderSpec[]>();
  const keys = shaders.map((shader) => {
    const key = withoutNames(shader.template);
    const known = alike.get(key) ?? [];
    alike.set(key, known);
    known.push(shader);
    return key;
  });
  const codes = new Map([...alike].map(([template, served]) => [template, sizedCode(template, served)] as const));
  return shaders.map((shader, k): ShaderText => {
    const { code, firsts } = codes.get(keys[k] ?? "") ?? { code: undefined, firsts: [] };
    if (code === undefined) return { code: fixedText(shader), sizes: [] };
    return { code, sizes: firsts.map((place) => shader.sizes[place] ?? 0) };
  });
}

/** A template's text, and for each field a place among the sizes that it stands for; no text where they are too many. */
function sizedCode(template: string, served: readonly WebgpuShaderSpec[]): { readonly code: string | undefined; readonly firsts: readonly number[] } {
  const fields = new Map<string, number>();
  const firsts: number[] = [];
  const fieldOf = (served[0]?.sizes ?? []).map((_, place) => {
    const key = served.map(({ sizes }) => sizes[place]).join();
    const known = fields.get(key) ?? firsts.push(place) - 1;
    fields.set(key, known);
    return known;
  });
  const own = /^struct Call \{(.*?)\}/m.exec(template)?.[1]?.split(",").length ?? FIELDS;
  if (own + firsts.length > FIELDS) return { code: undefined, firsts: [] };
  const declared = template.replace(/^(struct Call \{.*?) \}/m, `$1${firsts.map((_, k) => `, size${k}: i32`).join("")} }`);
  return { code: filled(declared, (place) => `call.size${fieldOf[place]}`), firsts };
}

/**
 * Without what differs between kernels of one structure: comments, the names of buffers, and which of the kernel's operands
 * a field or buffer is of, of which the shader may use but a few.
 */
export function withoutNames(code: string): string {
  const numbers = new Map<string, number>();
  const numberOf = (name: string, kind: string): string => {
    const key = `${kind} ${name}`;
    const count = [...numbers.keys()].filter((each) => each.startsWith(kind)).length;
    const known = numbers.get(key) ?? count;
    numbers.set(key, known);
    return `${kind}${known}`;
  };
  return code
    .replaceAll(/^\/\/.*\n/gm, "")
    .replaceAll(/\bbase\d+\b|\b\w+_b\d+\b/g, (name) => numberOf(name, name.startsWith("base") && !name.includes("_b") ? "base" : "binding"));
}

function filled(template: string, of: (place: number) => string): string {
  let place = 0;
  return template.replaceAll("$", () => of(place++));
}
