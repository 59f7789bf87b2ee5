/**
 * Asks Dawn what it can give, as a program of its own: `gpu-probe URL first|all`, URL being the package `webgpu`'s.
 * Invariant: the last line on standard output is a `ProbeAnswer` as JSON; Dawn's own warnings go to standard error.
 */
import { isSoftwareAdapter } from "../../runtime/webgpu/device.ts";

/** One adapter, as WebGPU and Dawn describe it. */
export interface AdapterFacts {
  /** The card's own; where Dawn does not tell it, what WebGPU tells of its kind. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** `vulkan`, `metal`, `d3d12`, …, where Dawn names it. */
  readonly backend?: string;
  /** Computed by the CPU. */
  readonly software: boolean;
  readonly features: readonly string[];
  /** In the specification's order; bytes or counts. */
  readonly limits: Readonly<Record<string, number>>;
  /** Why it gives no device; absent where it gives one. */
  readonly refusal?: string;
}

export interface ProbeAnswer {
  /** Why the package does not load; absent where it does. */
  readonly unloadable?: string;
  /** What a network would run on. */
  readonly first: AdapterFacts | undefined;
  /** All there are, with `all`; else the first alone. */
  readonly adapters: readonly AdapterFacts[];
}

interface Dawn {
  create(flags: readonly string[]): GPU;
}

/** No adapter is called so: Dawn answers with the list of those there are. */
const NOBODY = "adapter=no adapter has this name";
/** Dawn answers for every backend in turn, and nobody has more adapters than this. */
const MOST_ADAPTERS = 16;

async function describe(adapter: GPUAdapter, listed: Listed | undefined): Promise<AdapterFacts> {
  const { vendor, architecture, device, description } = adapter.info;
  const limits: Record<string, number> = {};
  // They are getters of the prototype, which only `in` sees.
  for (const name in adapter.limits) {
    const value = (adapter.limits as unknown as Readonly<Record<string, unknown>>)[name];
    if (typeof value === "number") limits[name] = value;
  }
  const parts = [vendor, architecture, device].filter((part) => part !== "");
  const facts = {
    name: listed?.name ?? (parts.join(" ") || description || "an adapter without a name"),
    ...{ vendor, architecture, device, description },
    ...(listed === undefined ? {} : { backend: listed.backend }),
    software: isSoftwareAdapter(adapter.info),
    features: [...adapter.features].sort(),
    limits,
  };
  try {
    (await adapter.requestDevice()).destroy();
    return facts;
  } catch (error) {
    return { ...facts, refusal: (error as Error).message };
  }
}

interface Listed {
  readonly backend: string;
  readonly name: string;
}

/** From the answer to a name that nobody has. */
async function listAdapters(dawn: Dawn, keep: (gpu: GPU) => GPU): Promise<readonly Listed[]> {
  const message = await keep(dawn.create([NOBODY]))
    .requestAdapter()
    .then(
      () => "",
      (error: Error) => error.message,
    );
  return [...message.matchAll(/backend: '([^']*)', name: '([^']*)'/g)].map((found) => ({ backend: found[1] ?? "", name: found[2] ?? "" }));
}

/** `GPUAdapterInfo.device` is the name in small letters and hyphens (WebGPU, section 4.3.1). */
function isCalled(name: string, device: string): boolean {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-") === device;
}

async function probe(url: string, wantsAll: boolean): Promise<ProbeAnswer> {
  const dawn = (await import(url).catch((error: Error) => error)) as Dawn | Error;
  if (dawn instanceof Error) return { unloadable: dawn.message.split("\n")[0] ?? "", first: undefined, adapters: [] };
  const kept: GPU[] = [];
  // What is collected takes its adapters with it, and crashes the process.
  (globalThis as { keptGpus?: GPU[] }).keptGpus = kept;
  const keep = (gpu: GPU): GPU => {
    kept.push(gpu);
    return gpu;
  };
  const adapter = await keep(dawn.create([])).requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) return { first: undefined, adapters: [] };
  const listed = await listAdapters(dawn, keep);
  const first = await describe(
    adapter,
    listed.find(({ name }) => isCalled(name, adapter.info.device)),
  );
  if (!wantsAll) return { first, adapters: [first] };
  const adapters: AdapterFacts[] = [];
  for (const each of listed.slice(0, MOST_ADAPTERS)) {
    if (adapters.some(({ name, backend }) => name === each.name && backend === each.backend)) continue;
    const found = await keep(dawn.create([`backend=${each.backend}`, `adapter=${each.name}`]))
      .requestAdapter()
      .catch(() => null);
    if (found !== null) adapters.push(await describe(found, each));
  }
  return { first, adapters: adapters.length === 0 ? [first] : adapters };
}

const [url = "", wanted = "first"] = process.argv.slice(2);
const answer = await probe(url, wanted === "all");
process.stdout.write(`\n${JSON.stringify(answer)}\n`);
