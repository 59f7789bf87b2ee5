/**
 * For each code of the compiler the smallest file that is given it, and the change that mends the file.
 * Invariant: tests compile both: `bad` reports exactly its code (hints aside), mended it is clean.
 */
import { PARAMETER_EXAMPLES } from "./parameter-examples.ts";
import { STRUCTURE_EXAMPLES } from "./structure-examples.ts";

/** What is wrong and what to write instead: all of `bad` stays but one stretch of text. */
export interface Example {
  readonly bad: string;
  /** The text in `bad` that is wrong, and what takes its place. */
  readonly change: readonly [from: string, to: string];
  /** Other files that the example imports, by path. */
  readonly others?: Readonly<Record<string, string>>;
  /** `bad` is a command, not a file. */
  readonly command?: boolean;
}

/** The example without its mistake. */
export function mended({ bad, change: [from, to] }: Example): string {
  return bad.replace(from, () => to);
}

/** The example of a code; codes that arise while running have none. */
export function exampleOf(code: string): Example | undefined {
  return Object.hasOwn(EXAMPLES, code) ? EXAMPLES[code] : undefined;
}

const TEXT_EXAMPLES: Readonly<Record<string, Example>> = {
  RN001: {
    bad: `block Quoted {
  in  x: [..S]
  out y: [..S]
  x → relu -> y
}`,
    change: ["→", "->"],
  },
  RN002: {
    bad: `import { Basic } from "std/residual

const width = 16`,
    change: ['"std/residual', '"std/residual"'],
  },
  RN003: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> conv(C, 3) -> -> y
}`,
    change: ["-> ->", "->"],
  },
  RN004: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> conv(C, 3) -> y
`,
    change: ["-> y\n", "-> y\n}\n"],
  },
  RN005: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, 8, H, W]
  x -> conv(8, 3) -> dropout(0.5e) -> y
}`,
    change: ["0.5e", "0.5"],
  },
  RN006: {
    bad: `/* The widths of the stages.
const widths = [16, 32, 64]`,
    change: ["stages.", "stages. */"],
  },
  RN007: {
    bad: `edition 2031

const width = 16`,
    change: ["2031", "2026"],
  },
  RN101: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, 8, H, W]
  x -> conv(8, 3) -> batchnrm -> y
}`,
    change: ["batchnrm", "batchnorm"],
  },
  RN102: {
    bad: `block Pair(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, H, W]
  x -> conv1: conv(width, 3) -> relu -> conv1: conv(width, 3) -> y
}`,
    change: ["relu -> conv1", "relu -> conv2"],
  },
  RN103: {
    bad: `import { Gate } from "blocks/gates"`,
    change: ["blocks/gates", "blocks/gate"],
    others: { "blocks/gate.resnet": "block Gate {\n  in  x: [..S]\n  out y: [..S]\n  x -> sigmoid -> y\n}" },
  },
  RN104: {
    bad: `block Deep(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> conv(C, 3) -> relu -> Deep(width) -> y
}`,
    change: ["conv(C, 3) -> relu -> Deep(width)", "repeat width { conv(C, 3) -> relu }"],
  },
  RN105: {
    bad: `import { Gate } from "gate"

block Layer {
  in  x: [..S]
  out y: [..S]
  x -> Gate -> y
}`,
    change: ['from "gate"', 'from "plain-gate"'],
    others: {
      "gate.resnet": `import { Layer } from "example"\n\nblock Gate {\n  in  x: [..S]\n  out y: [..S]\n  x -> sigmoid -> y\n}`,
      "plain-gate.resnet": "block Gate {\n  in  x: [..S]\n  out y: [..S]\n  x -> sigmoid -> y\n}",
    },
  },
  RN106: {
    bad: `import { Basics } from "std/residual"`,
    change: ["Basics", "Basic"],
  },
};

const SHAPE_EXAMPLES: Readonly<Record<string, Example>> = {
  RN201: {
    bad: `block Widened {
  in  x: [N, C, H, W]
  out y: [N, 2*C, H, W]
  x -> conv(2*C, 3) -> batchnorm -> join sum: add -> y
  skip x -> sum
}`,
    change: ["x -> sum", "x -> sum via project"],
  },
  RN202: {
    bad: `block Halved(width: dim) {
  in  x: [N, width, T]
  out y: [N, width, ceil(T/2)]
  where T >= 2
  x -> conv(width, 9, stride: 2) -> join sum: add -> y
  skip x -> sum via maxpool(2)
}`,
    change: ["maxpool(2)", "maxpool(2, ceil: true)"],
  },
  RN203: {
    bad: `block Halved(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, ceil(H/2), ceil(W/2)]
  x -> conv(width, 3, stride: 2) -> join sum: add -> y
  skip x -> sum via project(stride: 4)
}`,
    change: ["project(stride: 4)", "project"],
  },
  RN204: {
    bad: `block UNet {
  in  x: [N, C, H, W]
  out y
  where H >= 2, W >= 2
  x -> maxpool(2) -> conv(C, 3) -> upsample(2) -> join cat: concat(channel) -> y
  skip x -> cat
}`,
    change: ["where H >= 2, W >= 2", "where H % 2 == 0, W % 2 == 0"],
  },
  RN205: {
    bad: `model Head {
  in  features: f32[N, 64]
  out logits: f32[N, 10]
  features -> linear(10, in: 32) -> logits
}`,
    change: ["in: 32", "in: 64"],
  },
  RN206: {
    bad: `block Scores {
  in  x: [N, C, H, W]
  in  weight: [C]
  out y: [N, C, H, W]
  y = x * weight
}`,
    change: ["x * weight", "x * broadcast(weight, like: x, axes: [1])"],
  },
  RN207: {
    bad: `model Small {
  in  image: f32[N, 3, 28, 28]
  out y
  image -> maxpool(4) -> maxpool(4) -> maxpool(2) -> y
}`,
    change: ["-> maxpool(2) ", ""],
  },
  RN208: {
    bad: `model Price {
  in  features: f32[N, 8]
  out value: f32[N, 1]
  features -> linear(1) -> value
}

train Price { loss mse(value, target: f32[N]) }`,
    change: ["f32[N])", "f32[N, 1])"],
  },
  RN209: {
    bad: `block Halved {
  in  x: [N, C, H, W]
  out y: [N, C, ceil(H/2), ceil(W/2)]
  where H >= 2, W >= 2
  x -> maxpool(2) -> y
}`,
    change: ["maxpool(2)", "maxpool(2, ceil: true)"],
  },
  RN210: {
    bad: `block Rgb {
  in  x: [N, 3, H, W]
  out y: [N, 8, H, W]
  x -> conv(8, 3) -> y
}

model Gray {
  in  image: f32[N, 1, 28, 28]
  out y
  image -> Rgb -> y
}`,
    change: ["image: f32[N, 1", "image: f32[N, 3"],
  },
  RN211: {
    bad: `model Grouped {
  in  image: f32[N, 10, 32, 32]
  out y
  image -> conv(20, 3, groups: 4) -> y
}`,
    change: ["groups: 4", "groups: 5"],
  },
  RN212: {
    bad: `block Heads(heads: dim) {
  in  x: [N, T, D]
  out y: [N, T, heads, D/heads]
  y = reshape(x, [N, T, heads, D/heads])
}`,
    change: ["D/heads]\n  y", "D/heads]\n  where D % heads == 0\n  y"],
  },
  RN213: {
    bad: `block Groups {
  in  x: [N, 48, H, W]
  out y
  param weight: [10, 16, 3, 3] = kaiming_normal
  y = convolution(x, weight, padding: 1, groups: 3)
}`,
    change: ["[10, 16, 3, 3]", "[12, 16, 3, 3]"],
  },
  RN214: {
    bad: `block Pooled(c: dim) {
  in  x: [N, C, H, W]
  out y: [N, c]
  x -> conv(c, 3) -> global_avgpool -> join sum: add -> y
  skip x -> sum
}`,
    change: ["x -> sum", "x -> sum via global_avgpool -> linear(c)"],
  },
  RN215: {
    bad: `block Shrunk(width: dim) {
  in  x: [N, C, H, W]
  out y: [N, width, H, W]
  x -> conv(width, 1, padding: -1) -> y
}`,
    change: ["padding: -1", "padding: 0"],
  },
  RN220: {
    bad: `block Squares(a: dim, b: dim) {
  in  x: [N, a*a*a + b*b*b]
  out y: [N, a*a*b + a*b*b]
  where (a*a + b*b) % (a*b + 11) == 0
  x -> relu -> y
}`,
    change: ["== 0", "== 0, a*a*a + b*b*b == a*a*b + a*b*b"],
  },
};

const EXAMPLES: Readonly<Record<string, Example>> = { ...TEXT_EXAMPLES, ...SHAPE_EXAMPLES, ...PARAMETER_EXAMPLES, ...STRUCTURE_EXAMPLES };
