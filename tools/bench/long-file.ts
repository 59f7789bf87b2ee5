/** The file whose check is timed. Invariant: the same text each time, without errors. */

/** Blocks of five kinds with symbolic widths and strides, and a model that uses each; 500 lines or a few more. */
export function longFile(): string {
  const kinds: readonly ((i: number) => string)[] = [
    (i) => `/// Two convolutions.
block Plain${i}(width: dim, stride: dim = 1) {
  in  x: [N, C, H, W]
  out y: [N, width, ceil(H/stride), ceil(W/stride)]
  x -> conv1: conv(width, 3, stride) -> bn1: batchnorm -> relu
    -> conv2: conv(width, ${3 + 2 * (i % 3)})         -> bn2: batchnorm
    -> join sum: add -> relu -> y
  skip x -> sum via project?
}
`,
    (i) => `/// A bottleneck with groups.
block Narrow${i}(width: dim, stride: dim = 1, groups: dim = 1) {
  in  x: [N, C, H, W]
  out y: [N, 4*width, ceil(H/stride), ceil(W/stride)]
  where width % groups == 0
  x -> conv1: conv(width, 1)                 -> bn1: batchnorm -> relu
    -> conv2: conv(width, 3, stride, groups) -> bn2: batchnorm -> relu
    -> conv3: conv(4*width, 1)               -> bn3: batchnorm
    -> join sum: add -> relu -> y
  skip x -> sum via project?
}
`,
    (i) => `/// A dense block of symbolic length.
block Dense${i}(layers: int, growth: dim) {
  in  x: [N, C, H, W]
  out y: [N, C + layers*growth, H, W]
  x -> repeat layers {
    batchnorm -> relu -> conv(${2 + (i % 3)}*growth, 1) -> batchnorm -> relu -> conv(growth, 3) -> join r: concat(channel)
    skip it -> r
  } -> y
}
`,
    (i) => `/// Down and up again.
block Step${i}(inner: dim) {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  where H % 2 == 0, W % 2 == 0
  x -> maxpool(2) -> conv(inner, 3) -> relu -> upsample(2) -> conv(C, ${1 + 2 * (i % 2)}) -> join sum: add -> y
  skip x -> sum
}
`,
    (i) => `/// Squeeze and excitation.
block Squeeze${i}(reduction: dim = 4) {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  where C % reduction == 0
  let squeezed = reshape(mean(x, axes: spatial), [N, C, 1, 1])
  squeezed -> fc1: conv(C/reduction, 1, bias: true) -> relu -> fc2: conv(C, 1, bias: true) -> gate: sigmoid
  y = x * broadcast(gate, like: x)
}
`,
  ];
  const uses = (i: number): string =>
    [`Plain${i}(${32 + 8 * i}, 2)`, `Narrow${i}(32, 2, groups: 4)`, `Dense${i}(3, 16)`, `Step${i}(32)`, `Squeeze${i}(4)`][i % 5] ?? "relu";
  const blocks = Array.from({ length: 45 }, (_, i) => kinds[i % 5]?.(i) ?? "");
  const stages = Array.from({ length: 45 }, (_, i) => uses(i)).filter((_, i) => i < 12);
  const model = `/// Some of them, one after the other.
model Long(classes: dim = 10) {
  in  image: f32[N, 3, 256, 256]
  out logits: [N, classes]
  image -> conv(32, 3)
${stages.map((stage) => `    -> ${stage}`).join("\n")}
    -> global_avgpool -> fc: linear(classes) -> logits
}
`;
  return ["edition 2026\n", ...blocks, model].join("\n");
}
