/** `npm run bench`: kernels on the CPU (words of the shapes wanted may follow), or the GPU with `--device webgpu` or `auto`. */
import { chooseDevice, describeChoice } from "../host/choose-device.ts";
import { benchGpu } from "./gpu/bench.ts";

const args = process.argv.slice(2);
const at = args.indexOf("--device");
const wanted = at < 0 ? "wasm" : args[at + 1];
if (wanted !== "wasm" && wanted !== "webgpu" && wanted !== "auto") {
  process.stderr.write(`--device ${wanted ?? ""}: expected wasm, webgpu or auto\n`);
  process.exit(2);
}
const choice = await chooseDevice(wanted).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
const line = describeChoice(choice);
if (line !== undefined) process.stderr.write(`${line}\n`);
if (choice.device === "webgpu") {
  process.exitCode = await benchGpu(args).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    return 1;
  });
} else await import("./conv.ts");
