/**
 * Writes a compiled network as one ES module without dependencies, and its declarations.
 * Invariant: the text is a pure function of the arguments; it evaluates no text itself, and touches files or the network
 * only to fetch weights.
 */
import type { Manifest } from "../../runtime/manifest.ts";
import { invariant } from "../ir/invariant.ts";
import { encodeBase64 } from "./base64.ts";
import { emitDeclarations } from "./declarations.ts";
import { packShaders } from "./shader-lines.ts";

export interface ModuleParts {
  readonly manifest: Manifest;
  readonly wasm: Uint8Array;
  /** The bundled runtime: ES module text without imports whose last statement is its one `export { .. }`. */
  readonly runtimeText: string;
  /** A safetensors file to embed, at most `MAX_EMBEDDED_BYTES`. */
  readonly weights?: Uint8Array;
  /** Where default weights lie, relative to the written module, or absolute. Not together with `weights`. */
  readonly weightsUrl?: string;
  /** Lines of the comment at the top: what was compiled, and from where. */
  readonly banner: string;
}

export interface EmittedModule {
  readonly javascript: string;
  readonly declarations: string;
}

/** Beyond this a module would outgrow the longest string that engines take; weights then go into a file of their own. */
export const MAX_EMBEDDED_BYTES = 256 * 1024 * 1024;

/** Module exports: `manifest`, `load`, `ResnetError`, and `train`, `createSchedule` where the network can be trained. */
export function emitModule(parts: ModuleParts): EmittedModule {
  const { manifest, wasm, runtimeText, weights, weightsUrl } = parts;
  invariant(weights === undefined || weightsUrl === undefined, "weights are embedded or referred to, not both");
  invariant((weights?.byteLength ?? 0) <= MAX_EMBEDDED_BYTES, "embedded weights are too large");
  const banner = commentLines(parts.banner);
  const packed = packShaders(manifest);
  const trains = manifest.step !== undefined;
  const defaults =
    weights !== undefined ? "decode(weights)" : weightsUrl !== undefined ? `new URL(${literal(weightsUrl)}, import.meta.url)` : "undefined";
  const javascript = [
    banner,
    `const runtime = ${wrapRuntime(runtimeText)};`,
    "const decode = runtime.decodeBase64;",
    `const wasm = "${encodeBase64(wasm)}";`,
    ...(weights === undefined ? [] : [`const weights = "${encodeBase64(weights)}";`]),
    "",
    "/** The network's tensors, programs and memory. */",
    `export const manifest = ${packed === undefined ? literal(manifest) : `runtime.restoreShaders(${literal(packed)})`};`,
    "",
    "/** Errors carry a `code` (RN6xx device, RN7xx inputs and weights). */",
    "export const ResnetError = runtime.ResnetError;",
    ...(trains ? ["export const train = runtime.train;", "export const createSchedule = runtime.createSchedule;"] : []),
    "",
    "/** Instantiates the network; see the declarations for options and methods. */",
    "export async function load(options = {}) {",
    `  const chosen = options.weights === undefined ? ${defaults} : options.weights;`,
    "  return runtime.loadNetwork({ manifest, wasm: decode(wasm) }, { ...options, weights: chosen });",
    "}",
    "",
  ].join("\n");
  return { javascript, declarations: emitDeclarations(manifest, banner, defaults !== "undefined") };
}

/** JSON is JavaScript; `<` is escaped so that the text may stand in a page's script element. */
function literal(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

function commentLines(text: string): string {
  return text
    .trimEnd()
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => `// ${line}`.trimEnd())
    .join("\n");
}

/** Turns the runtime's module text into an expression: its names stay its own, its exports become an object. */
function wrapRuntime(text: string): string {
  const clause = /export\s*\{([^{}]*)\};?\s*$/.exec(text);
  invariant(clause !== null, "the bundled runtime ends in an export clause");
  const members = clause[1]!
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [local, exported] = entry.split(/\s+as\s+/);
      return exported === undefined ? local : `${exported}: ${local}`;
    });
  const body = text.slice(0, clause.index).trimEnd();
  invariant(!/^\s*(import|export)\s*[{*"a-z]/m.test(body), "the bundled runtime has no other imports or exports");
  return `(() => {\n${body}\nreturn { ${members.join(", ")} };\n})()`;
}
