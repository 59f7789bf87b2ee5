/**
 * Weights for the page's classifier: trained on generated digits the first time, then taken from the cache.
 * Invariant: the cache's name holds all that the weights depend on; a file that cannot be read is made anew.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSchedule, train } from "../../runtime/train.ts";
import type { Network } from "../../runtime/network.ts";
import { compile, type Program, type Recipe } from "../api/index.ts";
import { permutation } from "../data/counter-random.ts";
import { writeFileAtomic } from "../data/write.ts";
import { DIGIT_SIZE, generateDigits } from "../demo/digits.ts";

export interface TrainedDigits {
  /** A safetensors file. */
  readonly weights: Uint8Array;
  /** On held-out digits, from 0 to 1. */
  readonly accuracy: number;
}

const SEED = 1;
const PICTURES = 12_000;
const HELD_OUT = 2_000;
const PIXELS = DIGIT_SIZE * DIGIT_SIZE;

/** Trains as the recipe says, or reads what an earlier call left in the folder `cache`. */
export async function trainedDigits(
  file: string,
  program: Program,
  recipe: Recipe,
  cache: string,
  say: (text: string) => void,
): Promise<TrainedDigits> {
  const key = JSON.stringify([program.dump("graph"), recipe, SEED, PICTURES, HELD_OUT, drawnHash()]);
  const name = join(cache, `digits-${createHash("sha256").update(key).digest("hex").slice(0, 16)}`);
  const inference = await compile({ file, mode: "inference" });
  if (existsSync(`${name}.safetensors`)) {
    try {
      const weights = new Uint8Array(readFileSync(`${name}.safetensors`));
      return { weights, accuracy: await accuracyOf(await inference.load({ weights }), recipe) };
    } catch {
      say(`${name}.safetensors cannot be read and is made anew`);
    }
  }
  const epochs = recipe.epochs ?? 4;
  say(`training ${program.model} on ${PICTURES} generated digits, once…`);
  const began = performance.now();
  const network = await program.load({ seed: SEED });
  const { images, labels } = generateDigits(PICTURES, SEED);
  const schedule = createSchedule(recipe.schedule, Math.ceil(PICTURES / recipe.batch));
  await train(network, (epoch) => batchesOf(images, labels, recipe, epoch), { epochs, learningRate: recipe.learningRate, schedule });
  const weights = await network.saveWeights();
  await network.dispose();
  const accuracy = await accuracyOf(await inference.load({ weights }), recipe);
  writeFileAtomic(`${name}.safetensors`, weights);
  say(`${(100 * accuracy).toFixed(1)} % of ${HELD_OUT} held-out digits after ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return { weights, accuracy };
}

/** A change of the generator changes its pictures, and so the name. */
function drawnHash(): string {
  return createHash("sha256").update(generateDigits(20, SEED).images).digest("hex");
}

function normalized(pixels: Uint8Array, { normalize }: Recipe): Float32Array {
  const [mean, std] = [normalize?.mean[0] ?? 0, normalize?.std[0] ?? 1];
  return Float32Array.from(pixels, (value) => (value / 255 - mean) / std);
}

function* batchesOf(images: Uint8Array, labels: Uint8Array, recipe: Recipe, epoch: number) {
  const order = permutation(labels.length, SEED, epoch);
  for (let first = 0; first < order.length; first += recipe.batch) {
    const chosen = order.subarray(first, first + recipe.batch);
    const pixels = new Uint8Array(chosen.length * PIXELS);
    for (const [i, index] of chosen.entries()) pixels.set(images.subarray(index * PIXELS, (index + 1) * PIXELS), i * PIXELS);
    yield { image: normalized(pixels, recipe), label: Int32Array.from(chosen, (index) => labels[index] ?? 0) };
  }
}

/** Disposes of the network. */
async function accuracyOf(network: Network, recipe: Recipe): Promise<number> {
  const { images, labels } = generateDigits(HELD_OUT, SEED, PICTURES);
  const { logits } = await network.run({ image: normalized(images, recipe) });
  await network.dispose();
  const values = Array.from(logits?.data ?? [], Number);
  const classes = values.length / HELD_OUT;
  const correct = Array.from(labels).filter((label, i) => {
    const row = values.slice(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row)) === label;
  });
  return correct.length / HELD_OUT;
}
