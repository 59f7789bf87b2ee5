/**
 * Line charts as standalone SVG text: panels one above another that share the horizontal axis.
 * Invariant: well-formed XML whatever the titles and values; values that are no finite number leave a gap.
 */
import { type Axis, countAxis, niceAxis } from "./scale.ts";

export interface Series {
  readonly name: string;
  readonly color: string;
  /** Drawn dashed, e.g. for the training part beside the held-out part. */
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  readonly percent?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly xTitle: string;
  readonly panels: readonly Panel[];
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const WIDTH = 760;
const HEADER = 96;
const PANEL_HEIGHT = 250;
const PANEL_GAP = 52;
const FOOTER = 54;
const LEFT = 62;
const RIGHT = 128;
/** Lines of text at the right end of the curves stay this far apart. */
const LABEL_SPACING = 16;

const STYLE = `
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #334155; font-size: 12px; }
  .title { font-size: 18px; font-weight: 600; fill: #0f172a; }
  .subtitle { font-size: 13px; fill: #64748b; }
  .panel { font-size: 13px; font-weight: 600; fill: #0f172a; }
  .tick { fill: #64748b; }
  .label { font-weight: 600; }
  .grid { stroke: #e2e8f0; stroke-width: 1; }
  .axis { stroke: #94a3b8; stroke-width: 1; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
`;

/** The chart as SVG text. */
export function renderChart(chart: Chart): string {
  const height = HEADER + chart.panels.length * PANEL_HEIGHT + (chart.panels.length - 1) * PANEL_GAP + FOOTER;
  const xs = chart.panels.flatMap((panel) => panel.series.flatMap((series) => series.points.map(([x]) => x)));
  const low = xs.length === 0 ? 0 : Math.min(...xs);
  const high = xs.length === 0 ? 1 : Math.max(...xs);
  const xAxis = countAxis(low, high > low ? high : low + 1, 10);
  const panels = chart.panels.map((panel, index) => {
    const top = HEADER + index * (PANEL_HEIGHT + PANEL_GAP);
    return renderPanel(panel, xAxis, { left: LEFT, right: WIDTH - RIGHT, top, bottom: top + PANEL_HEIGHT });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escapeText(chart.title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text class="title" x="24" y="34">${escapeText(chart.title)}</text>`,
    `<text class="subtitle" x="24" y="54">${escapeText(chart.subtitle)}</text>`,
    ...panels,
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${height - 14}" text-anchor="middle">${escapeText(chart.xTitle)}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function renderPanel(panel: Panel, xAxis: Axis, frame: Frame): string {
  const yAxis = niceAxis(
    panel.series.flatMap((series) => series.points.map(([, y]) => y)),
    5,
  );
  const toX = (x: number): number => frame.left + ((x - xAxis.low) / (xAxis.high - xAxis.low)) * (frame.right - frame.left);
  const toY = (y: number): number => frame.bottom - ((y - yAxis.low) / (yAxis.high - yAxis.low)) * (frame.bottom - frame.top);
  const horizontal = yAxis.ticks.map((tick) => {
    const y = place(toY(tick));
    const text = panel.percent === true ? `${(tick * 100).toFixed(Math.max(0, yAxis.decimals - 2))} %` : tick.toFixed(yAxis.decimals);
    return (
      `<line class="grid" x1="${frame.left}" x2="${frame.right}" y1="${y}" y2="${y}"/>` +
      `<text class="tick" x="${frame.left - 8}" y="${y}" dy="0.35em" text-anchor="end">${text}</text>`
    );
  });
  const vertical = xAxis.ticks.map((tick) => {
    const x = place(toX(tick));
    return (
      `<line class="axis" x1="${x}" x2="${x}" y1="${frame.bottom}" y2="${frame.bottom + 4}"/>` +
      `<text class="tick" x="${x}" y="${frame.bottom + 18}" text-anchor="middle">${tick}</text>`
    );
  });
  return [
    `<g>`,
    `<text class="panel" x="${frame.left}" y="${frame.top - 8}">${escapeText(panel.title)}</text>`,
    ...horizontal,
    ...vertical,
    `<line class="axis" x1="${frame.left}" x2="${frame.right}" y1="${frame.bottom}" y2="${frame.bottom}"/>`,
    ...panel.series.map((series) => renderSeries(series, toX, toY)),
    ...renderLabels(panel, toY, frame),
    "</g>",
  ].join("\n");
}

function renderSeries(series: Series, toX: (x: number) => number, toY: (y: number) => number): string {
  let path = "";
  let drawing = false;
  for (const [x, y] of series.points) {
    if (Number.isFinite(y)) path += `${drawing ? "L" : "M"}${place(toX(x))} ${place(toY(y))}`;
    drawing = Number.isFinite(y);
  }
  const dash = series.dashed === true ? ' stroke-dasharray="5 5"' : "";
  const shown = series.points.length <= 40 ? series.points.filter(([, y]) => Number.isFinite(y)) : [];
  const dots = shown.map(([x, y]) => `<circle cx="${place(toX(x))}" cy="${place(toY(y))}" r="2.5" fill="${series.color}"/>`);
  return `<path class="line" stroke="${series.color}"${dash} d="${path}"/>${dots.join("")}`;
}

/** Names and last values at the right end of the curves, pushed apart where they would overlap. */
function renderLabels(panel: Panel, toY: (y: number) => number, frame: Frame): string[] {
  const labels = panel.series
    .flatMap((series) => {
      const last = series.points.findLast(([, y]) => Number.isFinite(y));
      return last === undefined ? [] : [{ series, value: last[1], y: toY(last[1]) }];
    })
    .sort((a, b) => a.y - b.y);
  let previous = Number.NEGATIVE_INFINITY;
  return labels.map(({ series, value, y }) => {
    const at = Math.max(y, previous + LABEL_SPACING);
    previous = at;
    const text = panel.percent === true ? `${(value * 100).toFixed(2)} %` : value.toFixed(4);
    return `<text class="label" x="${frame.right + 10}" y="${place(at)}" dy="0.35em" style="fill:${series.color}">${escapeText(series.name)} ${text}</text>`;
  });
}

function place(value: number): string {
  return (Math.round(value * 100) / 100).toString();
}

function escapeText(text: string): string {
  const plain = [...text].filter((character) => character >= " ").join("");
  return plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
