/**
 * The GPU benchmark, beside PyTorch on the same GPU where that is installed: `npm run bench -- --device webgpu`.
 * Invariant: tables go to standard output; with `--out` the same numbers are written as JSON.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { nodeGpu } from "../../api/node-gpu.ts";
import { writeFileAtomic } from "../../data/write.ts";
import { type Effort, measureConvolution, measureInference, measureProduct, measureTraining } from "./measure.ts";
import { describeReport, type PytorchAnswer, type Report } from "./report.ts";
import { FULL, QUICK, type Sizes } from "./sizes.ts";

const USAGE = `usage: npm run bench -- --device webgpu [options]
  --tune           measure the ways to compute each kernel first, and run the fastest
  --quick          tiny sizes: does it run?
  --peak TFLOPS    the card's fp32 peak, e.g. 67 for an H200: shares of it are shown
  --seconds S      time for each measurement; 1 by default, 0.1 with --quick
  --out FILE       write the numbers as JSON too
  --no-pytorch     do not ask python3 for PyTorch's times`;

const PYTORCH = fileURLToPath(new URL("pytorch.py", import.meta.url));
const PYTORCH_MILLISECONDS = 900_000;

interface Options {
  readonly sizes: Sizes;
  readonly effort: Effort;
  readonly peak: number | undefined;
  readonly out: string | undefined;
  readonly pytorch: boolean;
}

function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        device: { type: "string" },
        quick: { type: "boolean" },
        tune: { type: "boolean" },
        peak: { type: "string" },
        seconds: { type: "string" },
        out: { type: "string" },
        "no-pytorch": { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    const { quick = false, out } = values;
    const number = (text: string | undefined, otherwise: number | undefined): number | undefined => (text === undefined ? otherwise : Number(text));
    const peak = number(values.peak, undefined);
    const seconds = number(values.seconds, quick ? 0.1 : 1) ?? 1;
    if (values.help === true) return USAGE;
    if (!(seconds > 0) || (peak !== undefined && !(peak > 0))) return `--seconds and --peak take numbers above 0\n${USAGE}`;
    const tuned = values.tune === true ? { tunings: new Map<string, string>() } : {};
    const effort: Effort = { seconds, ...tuned, ...(quick ? { warmUp: 1, calls: 1 } : { warmUp: 2, calls: 3 }) };
    return { sizes: quick ? QUICK : FULL, effort, peak: peak === undefined ? undefined : 1000 * peak, out, pytorch: values["no-pytorch"] !== true };
  } catch (error) {
    return `${(error as Error).message}\n${USAGE}`;
  }
}

/** Measures one after another, saying what is under way. */
async function each<T, R>(what: string, items: readonly T[], measure: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const [k, item] of items.entries()) {
    process.stderr.write(`${what} ${k + 1} of ${items.length}\n`);
    results.push(await measure(item));
  }
  return results;
}

function askPytorch(sizes: Sizes, seconds: number): Promise<PytorchAnswer> {
  process.stderr.write("PyTorch\n");
  const options = { timeout: PYTORCH_MILLISECONDS, killSignal: "SIGKILL", maxBuffer: 1 << 24 } as const;
  return new Promise((resolve) => {
    execFile("python3", [PYTORCH, JSON.stringify({ ...sizes, seconds })], options, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout) as PytorchAnswer);
      } catch {
        resolve({ missing: stderr.trim().split("\n").at(-1) || error?.message || "python3 gave no answer" });
      }
    });
  });
}

/** Returns the exit code: 0, 1 without a GPU, 2 for wrong usage. */
export async function benchGpu(args: readonly string[], say = (text: string): void => void process.stderr.write(text)): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    say(`${options}\n`);
    return options === USAGE ? 0 : 2;
  }
  const { sizes, effort, peak } = options;
  const adapter = await (await nodeGpu()).requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    say("no WebGPU adapter was found: install a Vulkan driver, or name one by VK_DRIVER_FILES (Dawn says above what it missed)\n");
    return 1;
  }
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const report: Report = {
    adapter: { vendor, architecture, description, isFallback: isFallbackAdapter },
    node: process.versions.node,
    isTuned: effort.tunings !== undefined,
    peak,
    sizes,
    products: await each("matrix product", sizes.products, (side) => measureProduct(side, effort)),
    convolutions: await each("convolution", sizes.convolutions, (shape) => measureConvolution(shape, effort)),
    inference: await each("ResNet-50", sizes.inference, (batch) => measureInference(batch, sizes.side, effort)),
    training: await each("ResNet-20 training", sizes.training, (batch) => measureTraining(batch, effort)),
    pytorch: options.pytorch ? await askPytorch(sizes, effort.seconds) : { missing: "not asked for" },
  };
  for (const line of describeReport(report)) process.stdout.write(`${line}\n`);
  if (options.out !== undefined) writeFileAtomic(options.out, `${JSON.stringify(report, undefined, 2)}\n`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await benchGpu(process.argv.slice(2)).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    return 1;
  });
}
