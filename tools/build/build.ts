/**
 * `npm run build`: everything that the package ships, into `dist/`.
 * Invariant: quiet unless something is missing or broken; each output is a function of the sources alone.
 */
import { spawn } from "node:child_process";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { parse } from "../../grammar/parse.ts";
import { store } from "../../grammar/stored.ts";
import { STORED_SYNTAX } from "../api/files.ts";
import { bundleRuntime } from "./bundle-runtime.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const dist = join(root, "dist");

/** Used where they are installed, and imported on demand. */
const OPTIONAL_PACKAGES = ["webgpu", "esbuild", "prettier"];

/** CommonJS dependencies inside an ES module bundle ask for Node's modules through `require`. */
const REQUIRE = 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/**
 * The command line and the package's entry, with what they share in chunks that load when they are first needed. White
 * space is left out because Node reads and scans all of a chunk; names stay, for stack traces.
 */
async function bundleForNode(): Promise<void> {
  await build({
    entryPoints: {
      cli: join(root, "tools/cli/main.ts"),
      index: join(root, "tools/api/index.ts"),
      "gpu-probe": join(root, "tools/host/gpu-probe.ts"),
    },
    absWorkingDir: root,
    outdir: dist,
    chunkNames: "chunk-[hash]",
    splitting: true,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    minifyWhitespace: true,
    external: OPTIONAL_PACKAGES,
    banner: { js: REQUIRE },
    legalComments: "none",
    logLevel: "warning",
  });
  await chmod(join(dist, "cli.js"), 0o755);
}

async function writeRuntime(): Promise<void> {
  await writeFile(join(dist, "runtime.js"), await bundleRuntime(false));
  await writeFile(join(dist, "runtime.bundle.txt"), await bundleRuntime(true));
}

/** The library, each file with its syntax tree. */
async function copyLibrary(): Promise<void> {
  const library = join(root, "stdlib");
  for (const file of await readdir(library, { recursive: true })) {
    if (!file.endsWith(".resnet")) continue;
    const name = file.slice(0, -".resnet".length);
    const source = { path: `std/${name.replaceAll("\\", "/")}`, text: await readFile(join(library, file), "utf8") };
    await mkdir(dirname(join(dist, "stdlib", file)), { recursive: true });
    await writeFile(join(dist, "stdlib", file), source.text);
    await writeFile(join(dist, "stdlib", `${name}.${STORED_SYNTAX}`), store(source, parse(source)));
  }
}

/** The compiler's messages where it fails. */
function writeTypes(): Promise<string> {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [compiler, "-p", join(root, "tools/build/tsconfig.types.json")], {
      cwd: root,
    });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    child.on("error", reject);
    child.on("close", (code) => resolve(code === 0 ? "" : output || `tsc ended with ${code}`));
  });
}

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
const [types] = await Promise.all([writeTypes(), bundleForNode(), writeRuntime(), copyLibrary()]);
if (types !== "") {
  console.error(types.trimEnd());
  process.exitCode = 1;
}
