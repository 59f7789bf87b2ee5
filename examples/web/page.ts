/**
 * The page: wires the controls to two workers, one that classifies and one that trains.
 * Invariant: all computing happens in workers; an answer to an older picture never replaces a newer one's.
 */
import { DIGIT_SIZE, drawDigit } from "../../tools/demo/digits.ts";
import { createChart } from "./chart.ts";
import type { Choice, FromWorker, Path, ToWorker } from "./messages.ts";
import { createPad, drawPicture } from "./pad.ts";
import { greyOfFile, pictureOfGrey } from "./picture.ts";

function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page lacks #${id}`);
  return found;
}

const paragraph = (id: string): HTMLElement => element(id, HTMLElement);
const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
const percent = (value: number, digits = 0): string => `${(100 * value).toFixed(digits)} %`;
const duration = (milliseconds: number): string =>
  milliseconds < 1000 ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
const deviceName = ({ device, name }: Path): string => (device === "webgpu" ? `WebGPU (${name})` : `WebAssembly (${name})`);

function startWorker(name: string, hear: (message: FromWorker) => void): { send: (message: ToWorker) => void; end: () => void } {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name });
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => hear(data));
  worker.addEventListener("error", (event) => hear({ kind: "failed", message: event.message || "the worker did not start" }));
  return { send: (message) => worker.postMessage(message), end: () => worker.terminate() };
}

const choice = (): Choice => {
  const chosen = document.querySelector<HTMLInputElement>('input[name="device"]:checked')?.value;
  return chosen === "wasm" || chosen === "webgpu" ? chosen : "auto";
};

function setUpClassifier(): { useWeights: (bytes: Uint8Array) => void; reopen: () => void } {
  const [verdict, timing, path, announced] = [paragraph("verdict"), paragraph("timing"), paragraph("path"), paragraph("announced")];
  const seen = element("seen", HTMLCanvasElement);
  const context = seen.getContext("2d");
  const state = { id: 0, picture: undefined as Float32Array | undefined, device: "", speak: 0 };
  const bars = createBars(element("bars", HTMLOListElement));
  const ask = (): void => {
    state.id++;
    if (state.picture === undefined || state.device === "") return;
    classifier.send({ kind: "classify", id: state.id, pixels: state.picture });
  };
  const show = (probabilities: readonly number[], milliseconds: number): void => {
    const best = probabilities.indexOf(Math.max(...probabilities));
    bars(probabilities);
    verdict.textContent = String(best);
    timing.textContent = `${percent(probabilities[best] ?? 0, 1)} sure, ${duration(milliseconds)} on ${state.device}`;
    // While a stroke is being drawn, a listener would be flooded.
    clearTimeout(state.speak);
    state.speak = window.setTimeout(() => {
      announced.textContent = `Looks like ${best}, ${percent(probabilities[best] ?? 0)} sure`;
    }, 600);
  };
  const classifier = startWorker("classifier", (message) => {
    if (message.kind === "opened") {
      state.device = message.path.device === "webgpu" ? "WebGPU" : "WebAssembly";
      path.textContent = `${deviceName(message.path)}: ${message.path.reason}. Ready after ${duration(message.path.milliseconds)}.`;
      document.body.dataset["device"] = message.path.device;
      ask();
    } else if (message.kind === "classified" && message.id === state.id) show(message.probabilities, message.milliseconds);
    else if (message.kind === "weights set") ask();
    else if (message.kind === "failed") path.textContent = `It failed: ${message.message}`;
  });
  const pad = createPad(paragraph("pad"), {
    changed(picture) {
      state.picture = picture;
      if (context !== null) {
        context.fillStyle = "#10151a";
        context.fillRect(0, 0, seen.width, seen.height);
        if (picture !== undefined) drawPicture(context, picture);
      }
      if (picture !== undefined) return ask();
      state.id++;
      bars([]);
      verdict.textContent = "–";
      timing.textContent = "Draw a digit, take a sample, or open an image.";
    },
    said: (text) => {
      announced.textContent = text;
    },
  });
  button("clear").addEventListener("click", () => pad.clear());
  setUpSamples(pad.show);
  setUpFiles(pad.show, (text) => {
    timing.textContent = text;
    announced.textContent = text;
  });
  const reopen = (): void => {
    state.device = "";
    path.textContent = "Loading the network…";
    delete document.body.dataset["device"];
    classifier.send({ kind: "open", choice: choice() });
  };
  reopen();
  return { useWeights: (bytes) => classifier.send({ kind: "weights", bytes }), reopen };
}

/** One bar a class; without probabilities all are empty. */
function createBars(list: HTMLOListElement): (probabilities: readonly number[]) => void {
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const row = document.createElement("li");
    const [label, track, fill, value] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
    if (label === undefined || track === undefined || fill === undefined || value === undefined) throw new Error("no elements");
    [label.className, track.className, fill.className, value.className] = ["class", "track", "fill", "value"];
    label.textContent = String(digit);
    track.append(fill);
    row.append(label, track, value);
    list.append(row);
    return { row, fill, value };
  });
  return (probabilities) => {
    const highest = Math.max(...probabilities);
    for (const [digit, { row, fill, value }] of rows.entries()) {
      const probability = probabilities[digit];
      fill.style.setProperty("--share", String(probability ?? 0));
      value.textContent = probability === undefined ? "" : percent(probability, probability > 0.0005 && probability < 0.9995 ? 1 : 0);
      row.classList.toggle("best", probability !== undefined && probability === highest);
    }
  };
}

/** Ten buttons; each press of one gives another hand's digit. */
function setUpSamples(show: (picture: Float32Array) => void): void {
  const group = element("samples", HTMLDivElement);
  const state = { index: 20_000_000 };
  for (let digit = 0; digit < 10; digit++) {
    const sample = document.createElement("button");
    sample.type = "button";
    sample.textContent = String(digit);
    sample.setAttribute("aria-label", `sample ${digit}`);
    sample.addEventListener("click", () => show(Float32Array.from(drawDigit(digit, 7, state.index++), (value) => value / 255)));
    group.append(sample);
  }
}

function setUpFiles(show: (picture: Float32Array) => void, say: (text: string) => void): void {
  const input = element("file", HTMLInputElement);
  const zone = paragraph("drop");
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      const { grey, width, height } = await greyOfFile(file);
      const picture = pictureOfGrey(grey, width, height);
      if (picture === undefined) say(`${file.name} shows no ink.`);
      else show(picture);
    } catch {
      say(`${file.name} is no image that this browser reads.`);
    }
  };
  input.addEventListener("change", () => {
    void take(input.files?.[0]);
    input.value = "";
  });
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  for (const leaving of ["dragleave", "drop"] as const) zone.addEventListener(leaving, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    void take(event.dataTransfer?.files[0]);
  });
}

function setUpTraining(useWeights: (bytes: Uint8Array) => void): void {
  const [start, stop, use] = [button("start"), button("stop"), button("use")];
  const [step, loss, accuracy, speed] = [paragraph("step"), paragraph("loss"), paragraph("accuracy"), paragraph("speed")];
  const [status, figure] = [paragraph("training-status"), element("chart", SVGSVGElement)];
  const chart = createChart(figure);
  const state = { worker: undefined as ReturnType<typeof startWorker> | undefined, weights: undefined as Uint8Array | undefined, mean: Number.NaN };
  const setRunning = (isRunning: boolean): void => {
    // The focus goes to the button that now works, not to nowhere.
    const [from, to] = isRunning ? [start, stop] : [stop, start];
    const hadFocus = document.activeElement === from;
    start.disabled = isRunning;
    stop.disabled = !isRunning;
    if (hadFocus) to.focus();
    document.body.dataset["training"] = isRunning ? "running" : "idle";
  };
  const finish = (text: string): void => {
    state.worker?.end();
    state.worker = undefined;
    status.textContent = text;
    setRunning(false);
  };
  const hear = (steps: number, message: FromWorker): void => {
    if (message.kind === "opened") {
      status.textContent = `Training on ${deviceName(message.path)}: ${message.path.reason}.`;
    } else if (message.kind === "step") {
      state.mean = Number.isNaN(state.mean) ? message.milliseconds : state.mean + 0.1 * (message.milliseconds - state.mean);
      step.textContent = `${message.step} / ${steps}`;
      loss.textContent = message.loss.toFixed(3);
      speed.textContent = duration(state.mean);
      chart.addLoss(message.step, message.loss);
    } else if (message.kind === "evaluated") {
      accuracy.textContent = percent(message.accuracy, 1);
      chart.addAccuracy(message.step, message.accuracy);
      figure.setAttribute("aria-label", `Loss curve. Accuracy after ${message.step} steps: ${percent(message.accuracy, 1)}.`);
    } else if (message.kind === "ended") {
      state.weights = message.weights;
      use.disabled = false;
      finish(`${message.stopped ? "Stopped" : "Done"}. Accuracy on held-out digits: ${accuracy.textContent}.`);
    } else if (message.kind === "failed") finish(`It failed: ${message.message}`);
  };
  start.addEventListener("click", () => {
    const steps = Number(element("steps", HTMLSelectElement).value);
    const seed = Math.abs(Math.trunc(Number(element("seed", HTMLInputElement).value))) || 0;
    chart.start(steps);
    state.mean = Number.NaN;
    for (const each of [step, loss, accuracy, speed]) each.textContent = "–";
    status.textContent = "Loading the network…";
    setRunning(true);
    state.worker = startWorker("trainer", (message) => hear(steps, message));
    state.worker.send({ kind: "train", choice: choice(), steps, seed });
  });
  stop.addEventListener("click", () => {
    status.textContent = "Stopping after this step…";
    state.worker?.send({ kind: "stop" });
  });
  use.addEventListener("click", () => {
    if (state.weights !== undefined) useWeights(state.weights);
    status.textContent = "What you draw is now recognised with these weights.";
  });
  setRunning(false);
}

paragraph("isolation").textContent = crossOriginIsolated
  ? "The page is cross-origin isolated: shared memory and threads are allowed."
  : "The page is not cross-origin isolated: no shared memory, and nothing here needs it.";
const seenCanvas = element("seen", HTMLCanvasElement);
[seenCanvas.width, seenCanvas.height] = [2 * DIGIT_SIZE, 2 * DIGIT_SIZE];
const classifier = setUpClassifier();
setUpTraining(classifier.useWeights);
for (const radio of document.querySelectorAll('input[name="device"]')) radio.addEventListener("change", classifier.reopen);
