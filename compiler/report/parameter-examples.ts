/** Examples of RN3xx, parameters and values. Invariant: that of `examples.ts`. */
import type { Example } from "./examples.ts";

export const PARAMETER_EXAMPLES: Readonly<Record<string, Example>> = {
  RN301: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, 8, H, W]
  x -> conv(8, 3) -> dropout(1.5) -> y
}`,
    change: ["1.5", "0.15"],
  },
  RN302: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, 8, H, W]
  x -> conv(8, kernal: 3) -> y
}`,
    change: ["kernal", "kernel"],
  },
  RN303: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, 8, H, W]
  x -> conv(8) -> y
}`,
    change: ["conv(8)", "conv(8, 3)"],
  },
  RN304: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, 8, H, W]
  x -> conv(8, 3, out: 8) -> y
}`,
    change: [", out: 8", ""],
  },
  RN305: {
    bad: `block Layer {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x -> 3 -> y
}`,
    change: ["3 ->", "conv(C, 3) ->"],
  },
  RN306: {
    bad: `block Shifted {
  in  x: f32[N, T]
  in  by: i64[N, T]
  out y: f32[N, T]
  y = x + by
}`,
    change: ["+ by", '+ cast(by, "f32")'],
  },
  RN307: {
    bad: `model Adaptive {
  in  image: f32[N, 3, H, W]
  out y: [N, 8, H, W]
  image -> if H > 32 { conv(8, 3) } else { conv(8, 5) } -> y
}`,
    change: ["W]\n  out", "W] where H > 32\n  out"],
  },
  RN308: {
    bad: `model Deep {
  in  image: f32[N, 3, H, W]
  out y
  image -> repeat H { relu } -> y
}`,
    change: ["repeat H", "repeat 3"],
  },
  RN309: {
    bad: "resnet summary std/models/resnet --model ResNet18 --dim HH=224,W=224",
    change: ["HH=224", "H=224"],
    command: true,
  },
};
