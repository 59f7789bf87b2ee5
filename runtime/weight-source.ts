/**
 * Where weights come from: bytes, a URL, a path, or tensors.
 * Invariant: files are touched only outside browsers, through a module that is imported on demand.
 */
import { ResnetError } from "./error.ts";
import { badOption, unreadableWeights } from "./problems.ts";
import { readShardIndex, tensorsFromSafetensors } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/** Bytes of a safetensors file, a URL or path of one (or of its shard index, `*.index.json`), or tensors by name. */
export type WeightSource = Uint8Array | ArrayBuffer | string | URL | Weights;

/** Reads weights. Throws RN714 (unreadable), RN72x and RN73x (broken file), RN606 (none of the above). */
export async function loadWeights(source: WeightSource): Promise<Weights> {
  if (source instanceof Uint8Array) return tensorsFromSafetensors(source, "the weights");
  if (source instanceof ArrayBuffer) return tensorsFromSafetensors(new Uint8Array(source), "the weights");
  if (typeof source === "string" || source instanceof URL) return readFrom(source);
  if (typeof source === "object" && source !== null) return source;
  throw badOption("weights", "bytes, a URL, a path, or tensors by name", source);
}

async function readFrom(source: string | URL): Promise<Weights> {
  const name = String(source);
  const bytes = await readBytes(source);
  if (!name.endsWith(".index.json")) return tensorsFromSafetensors(bytes, name);
  const all = new Map();
  for (const file of readShardIndex(new TextDecoder().decode(bytes), name)) {
    const shard = source instanceof URL || isUrl(source) ? new URL(file, source) : source.replace(/[^/\\]*$/, file);
    for (const [tensorName, tensor] of Object.entries(tensorsFromSafetensors(await readBytes(shard), String(shard)))) {
      all.set(tensorName, tensor);
    }
  }
  return all;
}

/** Has a scheme; a single letter is a Windows drive. */
function isUrl(source: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(source);
}

async function readBytes(source: string | URL): Promise<Uint8Array> {
  const name = String(source);
  const isFile = isUrl(name) ? name.startsWith("file:") : hasFiles();
  try {
    if (isFile && hasFiles()) {
      // The name is kept from bundlers, which would look for the module in a browser build.
      const moduleName = "node:fs/promises";
      const { readFile } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ moduleName)) as typeof import("node:fs/promises");
      return await readFile(isUrl(name) ? new URL(name) : name);
    }
    const response = await fetch(source);
    if (!response.ok) throw unreadableWeights(name, `the server answered ${response.status} ${response.statusText}`.trim());
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (error instanceof ResnetError) throw error;
    throw unreadableWeights(name, error instanceof Error ? error.message : String(error));
  }
}

function hasFiles(): boolean {
  const host = globalThis as { process?: { versions?: { node?: string } }; Deno?: unknown; Bun?: unknown };
  return host.process?.versions?.node !== undefined || host.Deno !== undefined || host.Bun !== undefined;
}
