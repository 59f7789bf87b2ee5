/**
 * `npm run build`: everything that the package ships, into `dist/`.
 * Invariant: quiet unless something is missing or broken; each output is a function of the sources alone.
 */
import { spawn } from "node:child_process";
import { chmod, cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleRuntime } from "./bundle-runtime.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const dist = join(root, "dist");

/** Used where they are installed, and imported on demand. */
const OPTIONAL_PACKAGES = ["webgpu", "esbuild", "prettier"];

/** CommonJS dependencies inside an ES module bundle ask for Node's modules through `require`. */
const REQUIRE = 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function bundleForNode(entry: string, output: string, isExecutable: boolean): Promise<void> {
  const source = join(root, entry);
  if (!(await exists(source))) {
    console.error(`build: ${entry} is not there, ${output} is left out`);
    return;
  }
  const hasShebang = (await readFile(source, "utf8")).startsWith("#!");
  await build({
    entryPoints: [source],
    absWorkingDir: root,
    outfile: join(dist, output),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: OPTIONAL_PACKAGES,
    banner: { js: isExecutable && !hasShebang ? `#!/usr/bin/env node\n${REQUIRE}` : REQUIRE },
    legalComments: "none",
    logLevel: "warning",
  });
  if (isExecutable) await chmod(join(dist, output), 0o755);
}

async function writeRuntime(): Promise<void> {
  await writeFile(join(dist, "runtime.js"), await bundleRuntime(false));
  await writeFile(join(dist, "runtime.bundle.txt"), await bundleRuntime(true));
}

async function copyLibrary(): Promise<void> {
  const from = join(root, "stdlib");
  if (!(await exists(from))) return;
  const filter = async (path: string): Promise<boolean> => path.endsWith(".resnet") || (await stat(path)).isDirectory();
  await cp(from, join(dist, "stdlib"), { recursive: true, filter });
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
const [types] = await Promise.all([
  writeTypes(),
  bundleForNode("tools/cli/main.ts", "cli.js", true),
  bundleForNode("tools/api/index.ts", "index.js", false),
  writeRuntime(),
  copyLibrary(),
]);
if (types !== "") {
  console.error(types.trimEnd());
  process.exitCode = 1;
}
