/** The GPU benchmark's tables, and the document that holds the same numbers. */
import { describeProfile } from "../../cli/profile.ts";
import { type Alignment, formatTable } from "../../cli/terminal.ts";
import type { Measured, MeasuredLayer } from "./measure.ts";
import type { ConvolutionShape, Sizes } from "./sizes.ts";

/** What pytorch.py prints: milliseconds a call, in the order of the sizes asked for; or why there are none. */
export type PytorchAnswer =
  | { readonly missing: string }
  | {
      readonly device: string;
      readonly version: string;
      readonly products: readonly number[];
      readonly convolutions: readonly number[];
      readonly inference: readonly number[];
      readonly training: readonly number[];
    };

export interface Report {
  readonly adapter: { readonly vendor: string; readonly architecture: string; readonly description: string; readonly isFallback: boolean };
  readonly node: string;
  /** Whether kernels were measured first, and the fastest taken. */
  readonly isTuned: boolean;
  /** GFLOP/s of fp32, as given. */
  readonly peak: number | undefined;
  readonly sizes: Sizes;
  readonly products: readonly MeasuredLayer[];
  readonly convolutions: readonly MeasuredLayer[];
  readonly inference: readonly Measured[];
  readonly training: readonly Measured[];
  readonly pytorch: PytorchAnswer;
}

/** Lines for people. */
export function describeReport(report: Report): string[] {
  const { adapter, node, isTuned, pytorch, peak } = report;
  const device = `${adapter.vendor} ${adapter.architecture} ${adapter.description}`.trim();
  const beside =
    "missing" in pytorch ? `no PyTorch beside it: ${pytorch.missing}` : `PyTorch ${pytorch.version} on ${pytorch.device}, eager, fp32, TF32 off`;
  return [
    `${device}${adapter.isFallback ? " (in software: its speed says nothing)" : ""}, Node ${node}, ${isTuned ? "kernels measured first" : "the compiler's choice of kernels"}`,
    beside,
    ...(peak === undefined ? [] : [`peak given: ${(peak / 1000).toFixed(1)} TFLOP/s`]),
    "",
    ...layerTable(report),
    "",
    ...networkTable(report),
    ...kernelTables(report),
  ];
}

function layerTable({ sizes, products, convolutions, peak, pytorch }: Report): string[] {
  const best = Math.max(0, ...products.map(({ gflops }) => gflops));
  const theirs = (kind: "products" | "convolutions", index: number): number | undefined => ("missing" in pytorch ? undefined : pytorch[kind][index]);
  const row = (name: string, layer: MeasuredLayer | undefined, ofProduct: boolean, other: number | undefined): string[] => {
    const { milliseconds = Number.NaN, gflops = Number.NaN } = layer ?? {};
    return [
      name,
      milliseconds.toFixed(3),
      gflops.toFixed(1),
      peak === undefined ? "" : percent(gflops / peak),
      ofProduct && best > 0 ? percent(gflops / best) : "",
      other === undefined ? "" : other.toFixed(3),
      other === undefined ? "" : (milliseconds / other).toFixed(2),
    ];
  };
  const alignment: Alignment[] = ["left", "right", "right", "right", "right", "right", "right"];
  return formatTable(
    [
      ["kernel", "ms", "GFLOP/s", peak === undefined ? "" : "of peak", "of best product", "PyTorch ms", "ours/theirs"],
      ...sizes.products.map((side, k) => row(`product ${side}x${side}x${side}`, products[k], false, theirs("products", k))),
      ...sizes.convolutions.map((shape, k) => row(shapeName(shape), convolutions[k], true, theirs("convolutions", k))),
    ],
    alignment,
  );
}

function networkTable({ sizes, inference, training, pytorch }: Report): string[] {
  const row = (name: string, measured: Measured | undefined, other: number | undefined): string[] => {
    const { call = Number.NaN, kernels } = measured ?? {};
    return [
      name,
      call.toFixed(2),
      kernels === undefined ? "" : kernels.toFixed(2),
      other === undefined ? "" : other.toFixed(2),
      other === undefined ? "" : (call / other).toFixed(2),
      other === undefined || kernels === undefined ? "" : (kernels / other).toFixed(2),
    ];
  };
  const theirs = (kind: "inference" | "training", index: number): number | undefined => ("missing" in pytorch ? undefined : pytorch[kind][index]);
  return formatTable(
    [
      ["network", "ms a call", "ms in kernels", "PyTorch ms", "call/theirs", "kernels/theirs"],
      ...sizes.inference.map((batch, k) => row(`ResNet-50 ${sizes.side}x${sizes.side}, batch ${batch}`, inference[k], theirs("inference", k))),
      ...sizes.training.map((batch, k) => row(`ResNet-20 training step, batch ${batch}`, training[k], theirs("training", k))),
    ],
    ["left", "right", "right", "right", "right", "right"],
  );
}

/** Of the largest inference batch and of the first training batch. */
function kernelTables({ inference, training }: Report): string[] {
  return [inference.at(-1), training[0]].flatMap((measured) =>
    measured === undefined || measured.kernels === undefined
      ? []
      : ["", ...describeProfile({ device: "webgpu", clock: "timestamps", programs: [], kernels: measured.profile })],
  );
}

function shapeName({ batch, inputs, outputs, size, taps, stride }: ConvolutionShape): string {
  return `conv ${taps}x${taps}${stride === 1 ? "" : `/${stride}`} ${inputs}>${outputs} at ${size}x${size}, batch ${batch}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
