/**
 * Bundles the runtime into the text that emitted modules carry.
 * Invariant: one ES module without imports, ending in its one export clause, the same bytes for the same sources.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The runtime as ES module text, minified unless told otherwise. */
export async function bundleRuntime(minify = true): Promise<string> {
  const result = await build({
    entryPoints: [join(root, "runtime/load.ts")],
    absWorkingDir: root,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    minify,
    legalComments: "none",
    external: ["node:*"],
    write: false,
  });
  return result.outputFiles[0]!.text;
}
