/** `npm run bench`: kernels on the CPU (words of the shapes wanted may follow), or with `--device webgpu` the GPU. */
import { benchGpu } from "./gpu/bench.ts";

const args = process.argv.slice(2);
const at = args.indexOf("--device");
const device = at < 0 ? "wasm" : args[at + 1];
if (device === "webgpu") {
  process.exitCode = await benchGpu(args).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    return 1;
  });
} else if (device === "wasm") await import("./conv.ts");
else {
  process.stderr.write(`--device ${device ?? ""}: expected wasm or webgpu\n`);
  process.exitCode = 2;
}
