/** Diagnostics to render: built by hand from texts that carry their own places. */
import type { Diagnostic, Fix, Label } from "../../grammar/diagnostic.ts";
import type { Source, Span } from "../../grammar/source.ts";

/** The `nth` (from 0) occurrence of a piece of a source's text. */
export function at(source: Source, piece: string, nth = 0): Span {
  let start = source.text.indexOf(piece);
  for (let i = 0; i < nth; i++) start = source.text.indexOf(piece, start + 1);
  if (start < 0) throw new Error(`${JSON.stringify(piece)} is not in ${source.path}`);
  return { source, start, end: start + piece.length };
}

export function label(span: Span, text: string): Label {
  return { span, text };
}

export function fix(title: string, applicability: Fix["applicability"], ...edits: readonly [Span, string][]): Fix {
  return { title, applicability, edits: edits.map(([span, replacement]) => ({ span, replacement })) };
}

export function diagnostic(span: Span, message: string, rest: Partial<Diagnostic> = {}): Diagnostic {
  return { code: "RN201", severity: "error", message, span, labels: [], help: [], fixes: [], ...rest };
}

export const NET: Source = {
  path: "nets/net.resnet",
  text: `block Bottleneck(w: dim) {
  in  x: [N, C, H, W]
  x -> conv(w, 1)
    -> conv(4*w, 1) -> bn -> join r: add -> y
  skip x -> r
}

model Net() {
  image -> conv(64, 7) -> Bottleneck(64) -> logits
}
`,
};

/** The shape error of a skip, as LANGUAGE.md shows it. */
export function skipMismatch(): Diagnostic {
  return diagnostic(at(NET, "skip x -> r"), "skip `x -> r` carries 64 channels; join `r` has 256", {
    note: "64 ≠ 256 (axis `channel`)",
    labels: [label(at(NET, "C"), "C = 64"), label(at(NET, "4*w"), "256 = 4*w"), label(at(NET, "Bottleneck(64)"), "w = 64")],
    help: ["the join adds its inputs, which must agree in every axis"],
    fixes: [
      fix("project the skip (adds 16 384 weights)", "maybe-incorrect", [
        { ...at(NET, "-> r\n"), start: at(NET, "-> r\n").end - 1, end: at(NET, "-> r\n").end - 1 },
        " via project",
      ]),
    ],
  });
}
