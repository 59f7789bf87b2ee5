/**
 * Packs the GPU benchmark with all it needs into one folder, for a Linux x64 machine without npm or network:
 * `npm run bench:pack -- FOLDER`, then there `FOLDER/run.sh`.
 * Invariant: what is packed is this checkout and this Node; a part that cannot be found is said, never left out in silence.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { writeFileAtomic } from "../../data/write.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Of the package `webgpu`; its other binaries are for other systems. */
const DAWN = ["package.json", "index.js", "LICENSE.md", "dist/linux-x64/dawn.node"];
const LOADER = "libvulkan.so.1";
const LOADER_FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/chromium", "/usr/lib/chromium-browser"];

const RUN = `#!/bin/sh
# The GPU benchmark: run.sh [--quick] [--peak TFLOPS] [--out FILE] [--no-pytorch]
here=$(cd "$(dirname "$0")" && pwd)
# Mesa's layer that chooses devices complains where there is no desktop.
export NODEVICE_SELECT=1
if [ -z "\${VK_DRIVER_FILES:-}\${VK_ICD_FILENAMES:-}" ]; then
  for icd in /usr/share/vulkan/icd.d/nvidia_icd.json /etc/vulkan/icd.d/nvidia_icd.json /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json; do
    [ -e "$icd" ] && export VK_DRIVER_FILES="$icd" && break
  done
fi
exec "$here/bin/node" "$here/bench.js" --out "$here/result.json" "$@"
`;

async function pack(folder: string): Promise<void> {
  const dawn = join(root, "node_modules/webgpu");
  for (const file of DAWN) if (!existsSync(join(dawn, file))) throw new Error(`${join(dawn, file)} is missing: npm install webgpu`);
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: [join(root, "tools/bench/gpu/bench.ts")],
    absWorkingDir: root,
    outfile: join(folder, "bench.js"),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["webgpu", "esbuild", "prettier"],
    banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
    legalComments: "none",
    logLevel: "warning",
  });
  writeFileAtomic(join(folder, "package.json"), '{ "type": "module" }\n');
  for (const file of ["layers.resnet", "pytorch.py"]) cpSync(join(root, "tools/bench/gpu", file), join(folder, file));
  cpSync(join(root, "stdlib"), join(folder, "stdlib"), { recursive: true });
  for (const file of DAWN) cpSync(join(dawn, file), join(folder, "node_modules/webgpu", file));
  // Dawn looks for the loader in its own folder first.
  const loader = LOADER_FOLDERS.map((each) => join(each, LOADER)).find(existsSync);
  if (loader !== undefined) cpSync(realpathSync(loader), join(folder, "node_modules/webgpu/dist/linux-x64", LOADER));
  else process.stderr.write(`no ${LOADER} here (apt-get install libvulkan1): the other machine must have it\n`);
  mkdirSync(join(folder, "bin"), { recursive: true });
  cpSync(process.execPath, join(folder, "bin/node"));
  writeFileAtomic(join(folder, "run.sh"), RUN);
  chmodSync(join(folder, "run.sh"), 0o755);
}

const [folder] = process.argv.slice(2);
if (folder === undefined || process.argv.length > 3) {
  process.stderr.write("usage: npm run bench:pack -- FOLDER\n");
  process.exitCode = 2;
} else if (`${process.platform} ${process.arch}` !== "linux x64") {
  process.stderr.write("bench:pack packs this machine's Node, which must be for Linux x64\n");
  process.exitCode = 1;
} else {
  try {
    await pack(folder);
    const archive = `${folder.replace(/\/+$/, "")}.tar.gz`;
    rmSync(archive, { force: true });
    execFileSync("tar", ["-czf", archive, "-C", folder, "."]);
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    process.stdout.write(
      `${folder} (resnet-lang ${version}) and ${archive}, ${(statSync(archive).size / 1e6).toFixed(0)} MB; there: ${folder}/run.sh\n`,
    );
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
