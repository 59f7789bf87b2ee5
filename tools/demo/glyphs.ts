/**
 * The pen strokes of the ten digits, in the ways people write them.
 * Invariant: control points lie in the unit square, x to the right and y down; a curve runs through them in order.
 */

/** x, y. */
export type Point = readonly [number, number];
export type Stroke = readonly Point[];
/** Strokes drawn one after another. */
export type Glyph = readonly Stroke[];

/** A corner: the point twice stops the curve from rounding it. */
function corner(x: number, y: number): readonly [Point, Point] {
  return [
    [x, y],
    [x, y],
  ];
}

/** Points on an ellipse from angle `from` to `to` in turns, clockwise on the page, 0 at the right. */
function arc(x: number, y: number, radiusX: number, radiusY: number, from: number, to: number): Point[] {
  const pieces = Math.max(3, Math.ceil(Math.abs(to - from) * 8));
  return Array.from({ length: pieces + 1 }, (_, i) => {
    const angle = 2 * Math.PI * (from + ((to - from) * i) / pieces);
    return [x + radiusX * Math.cos(angle), y + radiusY * Math.sin(angle)] as const;
  });
}

/** By digit: its variants. */
export const GLYPHS: readonly (readonly Glyph[])[] = [
  // 0: closed, beginning at the top; narrow; not quite closed
  [[arc(0.5, 0.5, 0.42, 0.5, 0.75, -0.27)], [arc(0.5, 0.5, 0.3, 0.5, 0.78, -0.25)], [arc(0.5, 0.5, 0.45, 0.47, 0.82, -0.1)]],
  // 1: a bar; with a flag; with flag and foot
  [
    [
      [
        [0.5, 0],
        [0.5, 0.35],
        [0.5, 0.7],
        [0.5, 1],
      ],
    ],
    [[[0.26, 0.24], [0.42, 0.12], ...corner(0.55, 0), [0.55, 0.5], [0.55, 1]]],
    [
      [[0.3, 0.22], ...corner(0.52, 0), [0.52, 0.5], [0.52, 1]],
      [
        [0.22, 1],
        [0.5, 1],
        [0.82, 1],
      ],
    ],
  ],
  // 2: a pointed foot; with a loop; round with a wave
  [
    [[...arc(0.48, 0.28, 0.4, 0.28, 0.52, 1.08), [0.6, 0.62], [0.3, 0.84], ...corner(0.06, 1), [0.5, 1], [0.95, 0.99]]],
    [[...arc(0.46, 0.28, 0.38, 0.28, 0.55, 1.1), [0.5, 0.72], [0.22, 0.96], [0.06, 0.9], [0.16, 0.78], [0.42, 0.86], [0.7, 1], [0.95, 0.92]]],
    [[[0.1, 0.22], [0.4, 0], [0.8, 0.12], [0.78, 0.42], [0.45, 0.72], ...corner(0.08, 0.98), [0.35, 0.93], [0.65, 1], [0.92, 0.95]]],
  ],
  // 3: two bows; a flat top; small upper bow
  [
    [[...arc(0.42, 0.25, 0.4, 0.25, 0.6, 1.2), ...corner(0.4, 0.48), ...arc(0.42, 0.73, 0.46, 0.27, 0.8, 1.42)]],
    [[[0.12, 0.02], [0.5, 0.02], ...corner(0.86, 0.02), [0.62, 0.25], ...corner(0.44, 0.42), ...arc(0.44, 0.7, 0.44, 0.29, 0.82, 1.42)]],
    [[...arc(0.44, 0.22, 0.32, 0.22, 0.58, 1.22), ...corner(0.36, 0.45), ...arc(0.44, 0.71, 0.48, 0.29, 0.78, 1.45)]],
  ],
  // 4: open; closed; cross bar long
  [
    [
      [[0.2, 0.02], [0.14, 0.3], ...corner(0.08, 0.58), [0.5, 0.58], [0.95, 0.56]],
      [
        [0.72, 0.08],
        [0.7, 0.5],
        [0.68, 1],
      ],
    ],
    [
      [[0.62, 0], [0.34, 0.34], ...corner(0.04, 0.66), [0.5, 0.66], [0.96, 0.66]],
      [
        [0.64, 0],
        [0.65, 0.5],
        [0.65, 1],
      ],
    ],
    [
      [
        [0.3, 0.02],
        [0.16, 0.3],
        [0.14, 0.5],
        [0.4, 0.56],
        [0.8, 0.48],
      ],
      [
        [0.82, 0.02],
        [0.76, 0.5],
        [0.68, 1],
      ],
    ],
  ],
  // 5: neck, bow, then the top bar; in one stroke
  [
    [
      [[0.22, 0.02], ...corner(0.16, 0.44), ...arc(0.42, 0.68, 0.46, 0.31, 0.66, 1.42)],
      [
        [0.22, 0.03],
        [0.55, 0.03],
        [0.9, 0],
      ],
    ],
    [[[0.9, 0.02], [0.5, 0.03], ...corner(0.2, 0.03), [0.16, 0.25], ...corner(0.13, 0.46), ...arc(0.44, 0.69, 0.44, 0.3, 0.64, 1.4)]],
  ],
  // 6: a long neck and a loop; a leaning one
  [
    [[[0.74, 0.02], [0.4, 0.2], [0.14, 0.52], ...arc(0.48, 0.72, 0.38, 0.27, 0.5, -0.56)]],
    [
      [
        [0.58, 0],
        [0.28, 0.3],
        [0.1, 0.68],
        [0.3, 0.98],
        [0.68, 0.96],
        [0.86, 0.74],
        [0.62, 0.54],
        [0.3, 0.6],
        [0.14, 0.76],
      ],
    ],
  ],
  // 7: plain; with a bar; with a serif
  [
    [[[0.06, 0.04], [0.5, 0.03], ...corner(0.92, 0.02), [0.66, 0.4], [0.4, 1]]],
    [
      [[0.08, 0.04], [0.5, 0.03], ...corner(0.92, 0.02), [0.64, 0.45], [0.42, 1]],
      [
        [0.3, 0.5],
        [0.58, 0.49],
        [0.86, 0.47],
      ],
    ],
    [[[0.08, 0.2], ...corner(0.1, 0.04), [0.5, 0.06], ...corner(0.94, 0), [0.72, 0.35], [0.54, 0.7], [0.48, 1]]],
  ],
  // 8: one crossing stroke; two circles
  [
    [
      [
        [0.72, 0.12],
        [0.5, 0],
        [0.22, 0.12],
        [0.26, 0.34],
        [0.52, 0.48],
        [0.82, 0.68],
        [0.74, 0.94],
        [0.48, 1],
        [0.2, 0.92],
        [0.16, 0.7],
        [0.46, 0.5],
        [0.74, 0.32],
        [0.74, 0.12],
      ],
    ],
    [[...arc(0.5, 0.23, 0.3, 0.23, 0.25, -0.76)], [...arc(0.5, 0.73, 0.38, 0.27, 0.75, 1.77)]],
  ],
  // 9: a loop with a straight leg; with a curved tail
  [
    [[...arc(0.46, 0.27, 0.36, 0.26, 0.98, 0), [0.84, 0.3], [0.8, 0.65], [0.72, 1]]],
    [[...arc(0.5, 0.28, 0.36, 0.27, 0.96, -0.02), [0.86, 0.4], [0.8, 0.78], [0.52, 1], [0.18, 0.92]]],
  ],
];
