/**
 * The loss curve and the accuracy as SVG that follows the page's colours.
 * Invariant: drawn at most once a frame, from points kept here; losses above the scale are drawn at its edge.
 */
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 520;
const HEIGHT = 240;
const MARGIN = { left: 36, right: 52, top: 12, bottom: 30 };
const PLOT = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
/** Untrained on ten classes the loss is ln 10 = 2.30. */
const MOST_LOSS = 2.5;
/** Weight of the newest loss in the running mean. */
const NEWEST = 0.1;

export interface Chart {
  /** Empties it for a run of so many steps. */
  start(steps: number): void;
  addLoss(step: number, loss: number): void;
  /** From 0 to 1. */
  addAccuracy(step: number, accuracy: number): void;
}

type Pair = readonly [step: number, value: number];

/** Draws into an empty `svg` element. */
export function createChart(svg: SVGSVGElement): Chart {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const add = (name: string, attributes: Readonly<Record<string, string | number>>, text = ""): SVGElement => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    element.textContent = text;
    svg.append(element);
    return element;
  };
  const y = (fraction: number): number => MARGIN.top + PLOT.height * (1 - Math.min(1, Math.max(0, fraction)));
  for (const loss of [0, 0.5, 1, 1.5, 2, 2.5]) {
    const at = y(loss / MOST_LOSS);
    add("line", { x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: at, y2: at, class: "grid" });
    add("text", { x: MARGIN.left - 8, y: at + 4, class: "tick loss", "text-anchor": "end" }, loss.toFixed(1));
    add("text", { x: WIDTH - MARGIN.right + 8, y: at + 4, class: "tick accuracy" }, `${Math.round((loss / MOST_LOSS) * 100)} %`);
  }
  const steps = add("text", { x: WIDTH - MARGIN.right, y: HEIGHT - 8, class: "tick", "text-anchor": "end" });
  add("text", { x: MARGIN.left, y: HEIGHT - 8, class: "tick" }, "step 0");
  const curves = ["raw", "loss", "accuracy"].map((name) => add("polyline", { class: `curve ${name}` }));
  const state = { steps: 1, mean: Number.NaN, raw: [] as Pair[], smooth: [] as Pair[], accuracy: [] as Pair[], isDue: false };

  const draw = (): void => {
    state.isDue = false;
    const points = (pairs: readonly Pair[], most: number): string =>
      pairs.map(([step, value]) => `${(MARGIN.left + (PLOT.width * step) / state.steps).toFixed(1)},${y(value / most).toFixed(1)}`).join(" ");
    curves[0]?.setAttribute("points", points(state.raw, MOST_LOSS));
    curves[1]?.setAttribute("points", points(state.smooth, MOST_LOSS));
    curves[2]?.setAttribute("points", points(state.accuracy, 1));
    steps.textContent = `${state.steps} steps`;
  };
  const drawSoon = (): void => {
    if (!state.isDue) requestAnimationFrame(draw);
    state.isDue = true;
  };
  return {
    start(count) {
      Object.assign(state, { steps: count, mean: Number.NaN, raw: [], smooth: [], accuracy: [] });
      drawSoon();
    },
    addLoss(step, loss) {
      state.mean = Number.isNaN(state.mean) ? loss : state.mean + NEWEST * (loss - state.mean);
      state.raw.push([step, loss]);
      state.smooth.push([step, state.mean]);
      drawSoon();
    },
    addAccuracy(step, accuracy) {
      state.accuracy.push([step, accuracy]);
      drawSoon();
    },
  };
}
