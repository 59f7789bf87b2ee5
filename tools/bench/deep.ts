/**
 * The deepest networks of the library, one training step at batch 8: seconds and memory, and whether every layer's gradient
 * is finite. Usage: npx tsx tools/bench/deep.ts [models]; ResNet-1202 and pre-activation ResNet-1001 by default.
 * Invariant: exits with 1 if a gradient is missing, not finite or zero throughout, or the loss is no number.
 */
import { compile, listModels } from "../api/index.ts";

const BATCH = 8;
const DEFAULT = ["CifarResNet1202A", "PreactResNet1001"];

const wanted = process.argv.length > 2 ? process.argv.slice(2) : DEFAULT;
const models = await listModels();

/** CPU seconds since a reading. */
function since(start: NodeJS.CpuUsage): string {
  const { user, system } = process.cpuUsage(start);
  return ((user + system) / 1e6).toFixed(1);
}

function norm(data: ArrayLike<number | bigint>): number {
  let total = 0;
  for (let i = 0; i < data.length; i++) total += Number(data[i]) ** 2;
  return Math.sqrt(total);
}

for (const name of wanted) {
  const found = models.find((model) => model.name === name);
  if (found === undefined) throw new Error(`the library has no model ${name}`);
  let start = process.cpuUsage();
  const program = await compile({
    file: found.path,
    model: name,
    dims: { H: 32, W: 32 },
    mode: "training",
    optimizer: "sgd(lr: 0.1, momentum: 0.9)",
  });
  const bytes = program.wasm.length;
  const built = since(start);
  start = process.cpuUsage();
  const network = await program.load({ device: "wasm", seed: 1, batch: BATCH });
  // A fixed sequence: fractional parts of multiples of the golden ratio, from -2 to 2.
  const image = Float32Array.from({ length: BATCH * 3 * 32 * 32 }, (_, i) => 4 * ((i * 0.6180339887) % 1) - 2);
  const call = { image, label: Int32Array.from({ length: BATCH }, (_, i) => i) };
  const { loss, gradients } = await network.gradients(call);
  const norms = Object.entries(gradients).map(([tensor, { data }]) => ({ tensor, size: norm(data) }));
  const bad = norms.filter(({ size }) => !(Number.isFinite(size) && size > 0));
  const stepped = await network.step(call);
  const after = Object.entries(await network.weights()).filter(([, { data }]) => !Number.isFinite(norm(data)));
  await network.dispose();
  const sizes = norms.map(({ size }) => size);
  console.log(
    `${name}: built in ${built} s of CPU, ${bytes} bytes of Wasm; gradients and a step at batch ${BATCH} in ${since(start)} s, ` +
      `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB; loss ${loss.toFixed(4)}, step ${stepped.loss.toFixed(4)}; ` +
      `${norms.length} gradients, norms ${Math.min(...sizes).toExponential(1)} to ${Math.max(...sizes).toExponential(1)}`,
  );
  for (const { tensor, size } of bad) console.log(`  ${tensor}: ${size}`);
  for (const [tensor] of after) console.log(`  ${tensor} is not finite after the step`);
  if (bad.length > 0 || after.length > 0 || !Number.isFinite(loss) || norms.length < 100) process.exitCode = 1;
}
