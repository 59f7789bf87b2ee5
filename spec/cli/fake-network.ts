/**
 * A compiler and a network small enough to follow by hand: softmax regression with momentum, in plain f64 loops.
 * It stands in for the real ones where only the command line is under test.
 */
import type { Inputs } from "../../runtime/inputs.ts";
import type { Manifest, PortSpec } from "../../runtime/manifest.ts";
import type { Network } from "../../runtime/network.ts";
import { writeSafetensors } from "../../runtime/safetensors.ts";
import type { Tensor } from "../../runtime/tensor.ts";
import { loadWeights } from "../../runtime/weight-source.ts";
import type { Api, CompileOptions, Program, Recipe, SweepListing } from "../../tools/cli/api.ts";

export const FEATURES = 4;
export const CLASSES = 3;
const MOMENTUM = 0.9;

export interface FakeOptions {
  readonly sweep?: SweepListing;
  /** Called before each training step; may set signals or throw. */
  readonly onStep?: (step: number) => void;
  /** Returned as the loss of this step (1-based). */
  readonly brokenStep?: number;
}

/** The network: weight [CLASSES, FEATURES], zero at first. */
export function fakeNetwork(options: FakeOptions = {}): Network {
  let weight = new Float32Array(CLASSES * FEATURES);
  let velocity = new Float32Array(CLASSES * FEATURES);
  let steps = 0;
  const tensor = (data: Float32Array): Tensor => ({ dtype: "f32", shape: [CLASSES, FEATURES], data: data.slice() });
  const logitsOf = (images: Float32Array): Float32Array => {
    const count = images.length / FEATURES;
    return Float32Array.from({ length: count * CLASSES }, (_, i) => {
      const [sample, c] = [Math.floor(i / CLASSES), i % CLASSES];
      let sum = 0;
      for (let f = 0; f < FEATURES; f++) sum += (images[sample * FEATURES + f] ?? 0) * (weight[c * FEATURES + f] ?? 0);
      return sum;
    });
  };
  const read = (inputs: Inputs, name: string): ArrayLike<number> => (inputs[name] as { data: ArrayLike<number> }).data;
  const outputs = (logits: Float32Array) => ({
    logits: { dtype: "f32" as const, shape: [logits.length / CLASSES, CLASSES], data: logits },
  });
  return {
    model: "Fake",
    device: "wasm",
    inputs: [],
    outputs: [],
    get stepsDone() {
      return steps;
    },
    run: async (inputs) => outputs(logitsOf(Float32Array.from(read(inputs, "image")))),
    gradients: async (inputs) => ({
      loss: 1.5,
      outputs: outputs(logitsOf(Float32Array.from(read(inputs, "image")))),
      gradients: { weight: tensor(weight) },
      inputGradients: {},
    }),
    async step(inputs, hyper = {}) {
      const images = Float32Array.from(read(inputs, "image"));
      const labels = read(inputs, "label");
      const count = labels.length;
      options.onStep?.(steps + 1);
      const logits = logitsOf(images);
      const gradient = new Float64Array(weight.length);
      let loss = 0;
      for (let sample = 0; sample < count; sample++) {
        const row = logits.subarray(sample * CLASSES, (sample + 1) * CLASSES);
        const sum = row.reduce((total, value) => total + Math.exp(value), 0);
        loss -= Math.log(Math.exp(row[labels[sample] ?? 0] ?? 0) / sum) / count;
        row.forEach((value, c) => {
          const error = (Math.exp(value) / sum - (c === labels[sample] ? 1 : 0)) / count;
          for (let f = 0; f < FEATURES; f++) gradient[c * FEATURES + f]! += error * (images[sample * FEATURES + f] ?? 0);
        });
      }
      velocity = velocity.map((value, i) => MOMENTUM * value + (gradient[i] ?? 0));
      weight = weight.map((value, i) => value - (hyper["learningRate"] ?? 0) * (velocity[i] ?? 0));
      steps++;
      return { loss: steps === options.brokenStep ? Number.NaN : loss, outputs: outputs(logits) };
    },
    weights: async () => ({ weight: tensor(weight) }),
    saveWeights: async (metadata) => writeSafetensors({ weight: tensor(weight) }, metadata),
    async setWeights(source) {
      const weights = (await loadWeights(source)) as Record<string, Tensor>;
      weight = Float32Array.from(weights["weight"]?.data as Float32Array);
    },
    optimizerState: async () => ({ step: steps, slots: { "weight.momentum": tensor(velocity) } }),
    async setOptimizerState(state) {
      steps = state.step;
      velocity = Float32Array.from(state.slots["weight.momentum"]?.data as Float32Array);
    },
    profile: async () => ({
      device: "wasm",
      clock: "host",
      programs: [{ program: "step", calls: steps, milliseconds: 4 * steps }],
      kernels: [{ program: "step", kernel: "fc_1", calls: steps, milliseconds: 2 * steps, flops: 6e6 * steps, bytes: 8e6 * steps, serves: ["fc"] }],
    }),
    dispose: async () => {},
  };
}

export const RECIPE: Recipe = {
  name: "fake",
  loss: "cross_entropy(logits, label)",
  optimizer: { kind: "sgd", lr: 0.5, momentum: 0.9 },
  learningRate: 0.5,
  schedule: [{ kind: "cosine", epochs: 4 }],
  batch: 8,
  epochs: 3,
};

export interface FakeApi extends Api {
  /** The options of each call of `compile`. */
  readonly calls: CompileOptions[];
}

/** A compiler that knows one model: image f32[N, 1, 2, 2] to logits f32[N, 3]. */
export function fakeApi(options: FakeOptions & { readonly free?: boolean } = {}): FakeApi {
  const calls: CompileOptions[] = [];
  const port = (name: string, dtype: PortSpec["dtype"], shape: PortSpec["shape"]): PortSpec => ({
    name,
    dtype,
    shape,
    place: [0, 0],
  });
  const image = port("image", "f32", [{ batch: 1 }, 1, 2, 2]);
  const label = port("label", "i64", [{ batch: 1 }]);
  const spec = { inputs: [image, label], scalars: [], outputs: [], steps: [], fixedBytes: 0, batchBytes: 0 };
  const manifest: Manifest = {
    format: 1,
    model: "Fake",
    kernels: [],
    persistentBytes: 0,
    scratchBytes: 0,
    batch: undefined,
    tensors: [
      {
        name: "weight",
        kind: "param",
        dtype: "f32",
        shape: [CLASSES, FEATURES],
        offset: 0,
        initializer: { kind: "constant", value: 0 },
      },
    ],
    prepare: undefined,
    infer: undefined,
    gradients: spec,
    step: spec,
    scalars: { learning_rate: 0.5 },
    guards: [],
  } as unknown as Manifest;
  return {
    calls,
    check: async (paths) => ({ diagnostics: [], files: paths.length, unreadable: [] }),
    listModels: async () => [{ name: "ResNet50", path: "std/models/resnet", reference: "resnet50", source: "He et al. 2015" }],
    signatures: async () => [],
    recipes: async () => [],
    chooseDevice: async (wanted) => ({ device: wanted === "auto" ? "wasm" : wanted }),
    sweep: async () => options.sweep,
    starter: async () => ({ model: "Fake", text: "" }),
    compile: async (compileOptions) => {
      calls.push(compileOptions);
      const free = options.free === true && compileOptions.dims === undefined;
      const program: Program = {
        model: "Fake",
        summary: () => ({
          model: "Fake",
          inputs: [{ name: "image", dtype: "f32", shape: ["N", 1, ...(free ? ["H", "W"] : [2, 2])] }],
          outputs: [{ name: "logits", dtype: "f32", shape: ["N", CLASSES] }],
          parameters: 12,
          macs: 12,
          activation_bytes: 1234,
          tensors: [],
          layers: [
            {
              path: "fc",
              operator: "linear",
              output: ["N", CLASSES],
              parameters: 12,
              macs: 12,
              activation_bytes: 1234,
            },
          ],
        }),
        recipe: RECIPE,
        get manifest() {
          if (free) throw new Error("sizes are not fixed");
          return manifest;
        },
        graphs: () => {
          throw new Error("this program has no graphs");
        },
        dump: (stage) => `the ${stage}\n`,
        load: async (loadOptions = {}) => {
          const network = fakeNetwork(options);
          if (loadOptions.weights) await network.setWeights(loadOptions.weights);
          return network;
        },
        module: (moduleOptions) => ({
          javascript: `// ${moduleOptions.weights?.length ?? 0} ${moduleOptions.weightsUrl ?? ""}\n`,
          declarations: "export {};\n",
        }),
      };
      return program;
    },
  };
}
