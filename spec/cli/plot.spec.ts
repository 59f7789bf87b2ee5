/** The picture of a training run. */
import * as assert from "uvu/assert";
import { renderChart } from "../../tools/plot/line-chart.ts";
import { countAxis, niceAxis } from "../../tools/plot/scale.ts";
import { suite } from "../harness.ts";

/** Throws unless the text is well-formed XML of elements, attributes in double quotes, and text. */
function requireWellFormed(xml: string): void {
  const open: string[] = [];
  let at = 0;
  for (const match of xml.matchAll(/<(\/?)([a-z][\w-]*)((?:\s+[\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)\s*(\/?)>/g)) {
    const between = xml.slice(at, match.index);
    assert.not.match(between, /[<>]/);
    assert.not.match(between, /&(?!(amp|lt|gt|quot);)/);
    at = match.index + match[0].length;
    if (match[1] === "/") assert.is(open.pop(), match[2]);
    else if (match[4] !== "/") open.push(match[2] ?? "");
  }
  assert.equal(open, []);
  assert.is(xml.slice(at).trim(), "");
}

const chart = (points: readonly (readonly [number, number])[], title = "loss"): string =>
  renderChart({
    title,
    subtitle: "",
    xTitle: "epoch",
    panels: [
      { title: "loss", series: [{ name: "training", color: "#000", points }] },
      { title: "accuracy", percent: true, series: [{ name: "held out", color: "#f00", dashed: true, points }] },
    ],
  });

suite("cli/plot", (test) => {
  test("well-formed, also with one epoch, none, many, and awkward titles", () => {
    requireWellFormed(chart([[1, 0.5]]));
    requireWellFormed(chart([]));
    requireWellFormed(chart(Array.from({ length: 500 }, (_, i) => [i + 1, 1 / (i + 1)] as const)));
    const odd = chart([[1, 0.5]], 'a <b> & "c"\u0007');
    requireWellFormed(odd);
    assert.match(odd, "a &lt;b&gt; &amp; &quot;c&quot;<");
  });
  test("values that are no number leave a gap and no NaN in the text", () => {
    const svg = chart([
      [1, 3],
      [2, Number.NaN],
      [3, 1],
      [4, Infinity],
      [5, 2],
    ]);
    requireWellFormed(svg);
    assert.not.match(svg, /NaN|Infinity/);
    assert.match(svg, /d="M[\d. ]+M[\d. ]+M[\d. ]+"/);
  });
  test("points lie at their places between the axis ends", () => {
    const svg = chart([
      [1, 0],
      [3, 1],
    ]);
    const [, path = ""] = /d="([^"]+)"/.exec(svg) ?? [];
    const [left, bottom, right, top] = path.match(/[\d.]+/g)?.map(Number) ?? [];
    assert.equal([left, right], [62, 632]);
    assert.ok((bottom ?? 0) - (top ?? 0) === 250);
  });
  test("axes", () => {
    assert.equal(
      niceAxis([0.03, 0.97], 5).ticks.map((tick) => tick.toFixed(1)),
      ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"],
    );
    const flat = niceAxis([0.9, 0.9], 5);
    assert.ok(flat.low <= 0.9 && flat.high >= 0.9 && flat.low < flat.high);
    assert.equal(countAxis(1, 3, 10).ticks, [1, 2, 3]);
    assert.equal(countAxis(1, 200, 10).ticks, [1, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200]);
  });
});
