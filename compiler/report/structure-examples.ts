/** Examples of RN4xx, structure, and RN5xx, recipes and choices. Invariant: that of `examples.ts`. */
import type { Example } from "./examples.ts";

const NET = `model Net {
  in  x: f32[N, 8]
  out logits: f32[N, 2]
  x -> fc: linear(2) -> logits
}

`;

export const STRUCTURE_EXAMPLES: Readonly<Record<string, Example>> = {
  RN401: {
    bad: `block Loop {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> join early: add -> conv(C, 3) -> late: relu -> y
  skip late -> early
}`,
    change: ["x -> join early: add -> conv(C, 3) -> late: relu", "x -> late: relu -> conv(C, 3) -> join early: add"],
  },
  RN402: {
    bad: `block Lonely {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> conv(C, 3) -> join sum: add -> y
}`,
    change: ["-> y\n", "-> y\n  skip x -> sum\n"],
  },
  RN403: {
    bad: `block Misspelt {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> conv(C, 3) -> join sum: add -> y
  skip x -> sum
  skip x -> som
}`,
    change: ["\n  skip x -> som", ""],
  },
  RN404: {
    bad: `block Silent {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> relu
}`,
    change: ["relu", "relu -> y"],
  },
  RN405: {
    bad: `block Twice {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> relu -> y
  x -> gelu -> y
}`,
    change: ["-> y\n  x -> gelu", "-> gelu"],
  },
  RN406: {
    bad: `block Merged {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> conv(C, 3) -> join sum: plus -> y
  skip x -> sum
}`,
    change: ["plus", "add"],
  },
  RN407: {
    bad: `block Unfed {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  conv(C, 3) -> y
}`,
    change: ["conv(C", "x -> conv(C"],
  },
  RN408: {
    bad: `model Net {
  in  x: f32[N, 8, H, W]
  out y: f32[N, 8, H, W]
  x -> conv(8, 3) -> join sum: add -> y
  skip x -> sum
}

variant Plain of Net { cut skip layer1.*.sum }`,
    change: ["layer1.*.sum", "*.sum"],
  },
  RN409: {
    bad: `model Endless {
  in  x: f32[N, 8]
  out y: f32[N, 8]
  x -> repeat 1000000000 { relu } -> y
}`,
    change: ["1000000000", "10"],
  },
  RN410: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  let half = relu(x)
  x -> conv(C, 3) -> y
}`,
    change: ["x -> conv", "half -> conv"],
  },
  RN501: {
    bad: `${NET}train Net { epoch 3 }`,
    change: ["epoch 3", "epochs 3"],
  },
  RN502: {
    bad: `${NET}train Net { batch 32; batch 64 }`,
    change: ["batch 32; ", ""],
  },
  RN503: {
    bad: `${NET}train Net { batch 0 }`,
    change: ["batch 0", "batch 32"],
  },
  RN504: {
    bad: `${NET}train Net { optimizer sdg(lr: 0.1) }`,
    change: ["sdg", "sgd"],
  },
  RN505: {
    bad: `${NET}train Net { loss cross_entropy(logit, label) }`,
    change: ["(logit,", "(logits,"],
  },
  RN506: {
    bad: "resnet train std/models/cifar --recipe quick --data data/cifar-10",
    change: ["std/models/cifar", "mine.resnet"],
    command: true,
  },
  RN507: {
    bad: "resnet summary std/models/resnet",
    change: ["std/models/resnet", "std/models/resnet --model ResNet50"],
    command: true,
  },
  RN508: {
    bad: "resnet gradients two-heads.resnet --input image=x.npy -o gradients.safetensors",
    change: ["--input", "--loss 'cross_entropy(coarse, label)' --input"],
    command: true,
  },
  RN509: {
    bad: `${NET}train Net {
  optimizer sgd(lr: 0.1)
  sweep lr in [0.1, 0.05]
}`,
    change: ["sgd(lr: 0.1)", "sgd(lr: lr)"],
  },
  RN510: {
    bad: `${NET}train Net {
  sweep batch in [32, 64, 32]
}`,
    change: ["64, 32]", "64, 128]"],
  },
};
