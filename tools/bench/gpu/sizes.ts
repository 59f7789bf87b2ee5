/** What the GPU benchmark measures. Invariant: pytorch.py is asked for the same, under these names. */

export interface ConvolutionShape {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Height and width of the input. */
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
}

export interface Sizes {
  /** Square matrix products. */
  readonly products: readonly number[];
  readonly convolutions: readonly ConvolutionShape[];
  /** Batches of ResNet-50 on images of `side`. */
  readonly inference: readonly number[];
  readonly side: number;
  /** Batches of a training step of CIFAR ResNet-20 (projections, He et al. 2015 option B). */
  readonly training: readonly number[];
}

function convolution(batch: number, inputs: number, outputs: number, size: number, taps: number, stride = 1): ConvolutionShape {
  return { batch, inputs, outputs, size, taps, stride };
}

/** Layers of ResNet-50 and of CIFAR ResNet-20, where their time goes. */
export const FULL: Sizes = {
  products: [512, 1024, 2048, 4096],
  convolutions: [
    convolution(32, 3, 64, 224, 7, 2),
    convolution(32, 64, 64, 56, 3),
    convolution(32, 128, 128, 28, 3),
    convolution(32, 256, 256, 14, 3),
    convolution(32, 512, 512, 7, 3),
    convolution(32, 64, 256, 56, 1),
    convolution(32, 1024, 256, 14, 1),
    convolution(32, 256, 256, 28, 3, 2),
    convolution(128, 16, 16, 32, 3),
    convolution(128, 64, 64, 8, 3),
    convolution(1, 256, 256, 14, 3),
  ],
  inference: [1, 8, 32],
  side: 224,
  training: [128],
};

/** Enough to see that all of it runs, on a software adapter too. */
export const QUICK: Sizes = {
  products: [64, 128],
  convolutions: [convolution(2, 16, 16, 16, 3), convolution(1, 8, 32, 16, 1, 2)],
  inference: [1],
  side: 32,
  training: [2],
};
