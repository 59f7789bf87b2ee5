/** Sources that between them use every construct of the language; shared by the tests of robustness and spans. */

export const RESIDUAL = `edition 2026
import { Basic, Bottleneck as Deep } from "std/residual"
import "std/layers" as layers

/// How many channels a dense layer adds.
const growth = 12
const scheme = "torch\\"vision"

/// Bottleneck residual block, ResNet v1.5: the stride sits on the 3×3 convolution.
block Bottleneck(width: dim, stride: int = 1, groups: int = 1, p: prob = 0, sizes: [(dim, int)] = [(64, 3)]) {
  in  x: [N, C, H, W]
  out y: [N, 4*width, ceil(H/stride), ceil(W/stride)]
  where width % groups == 0

  x -> conv1: conv(width, 1)                 -> bn1: batchnorm -> relu
    -> conv2: conv(width, 3, stride, groups) -> bn2: batchnorm -> relu
    -> conv3: conv(4*width, 1)               -> bn3: batchnorm
    -> join sum: add(drop: p) -> relu -> y

  skip downsample: x -> sum via project?            // identity where the shapes are proved equal
}
`;

export const MODEL = `/// The network of the paper.
model ResNet50(classes: dim = 1000, deep: bool = true) {
  /// An image, channels first.
  in  image: f32[N, 3, H, W] where H >= 32, W >= 32
  out logits: f32[N, classes]
  image -> stem: { conv1: conv(64, 7, stride: 2) -> bn1: batchnorm -> relu } -> maxpool(3, stride: 2)
    -> stages layer of [(64, 3), (128, 4), (256, 6), (512, 3)] as i, (width, depth) {
         "block{i}_end": repeat depth as j { Bottleneck(width, stride: i > 0 && j == 0 ? 2 : 1) }
       }
    -> if deep { layers.Extra(-1.5e-3) } else if classes != 10 { relu; } else { }
    -> global_avgpool -> fc: linear(classes) -> logits
  names torchvision
}

variant NoSkips of ResNet50 { cut skip *.sum, layer1.**.sum; set classes = 10
  replace relu with gelu }

train ResNet50 as imagenet {
  loss     cross_entropy(logits, label: i64[N], smoothing: 0.1)
  optimizer sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4)
  schedule warmup(5) -> cosine(90)
  normalize(mean: [0.2860], std: [0.3530])
  batch 256
  sweep deep in [true, false]
  sweep model in [ResNet50, NoSkips]
}
`;

export const LAYERS = `/* Layers written
   in the language. */
block BatchNorm(momentum: real = 0.1, eps: real = 1e-5, gamma: init = ones) {
  in x: [N, C, ..S]
  out y: [N, C, ..ceil(S/2)]
  param weight: [C] = gamma
  state running_mean: f32[C] = zeros
  let (mean, variance) = moments(x, axes: [0, ..rest(S)])
  let scale = !frozen || C % 2 == 0 ? weight[0] / 2 : -weight[C - 1]
  update running_mean = (1 - momentum) * running_mean + momentum * mean
  (a, b) = split(x, parts: 2)
  if training { y = normalize(x, mean, variance) } else { y = (x + a) * b <= 3 }
  skip it -> r via pad(1)
  skip x -> r via identity
  skip x -> r via project(norm: false) -> relu
  skip (a + b) -> r via conv(3, 1) -> shortcut: batchnorm
}
`;

export const SAMPLES: readonly string[] = [RESIDUAL, MODEL, LAYERS];
