/**
 * The drawing pad: pointer, touch or keyboard leave strokes; a sample or an image file may lie on it instead.
 * Invariant: strokes are in the unit square; a change is reported once a frame at most, and after every finished stroke.
 */
import { DIGIT_SIZE } from "../../tools/demo/digits.ts";
import type { Point } from "../../tools/demo/glyphs.ts";
import { pictureOfStrokes } from "./picture.ts";

export interface Pad {
  clear(): void;
  /** Lays a 28×28 picture on the pad, as it is. */
  show(picture: Float32Array): void;
}

/** What the page hears: the picture for the network, or that there is none; and words for who cannot see the pad. */
export interface PadListener {
  changed(picture: Float32Array | undefined): void;
  said(text: string): void;
}

const SIDE = 560;
const KEY_STEP = 1 / DIGIT_SIZE;
const ARROWS: Readonly<Record<string, Point>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Makes a pad of a focusable element that holds a canvas. */
export function createPad(frame: HTMLElement, listener: PadListener): Pad {
  const canvas = frame.querySelector("canvas");
  if (canvas === null) throw new Error("the pad has no canvas");
  [canvas.width, canvas.height] = [SIDE, SIDE];
  frame.tabIndex = 0;
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("the browser gives no canvas");
  const state = {
    strokes: [] as Point[][],
    picture: undefined as Float32Array | undefined,
    pointer: undefined as number | undefined,
    cursor: [0.5, 0.5] as Point,
    isPenDown: false,
    isDue: false,
  };

  const changedSoon = (): void => {
    if (state.isDue) return;
    state.isDue = true;
    requestAnimationFrame(() => {
      state.isDue = false;
      draw();
      listener.changed(state.picture ?? pictureOfStrokes(state.strokes));
    });
  };
  const draw = (): void => {
    context.fillStyle = "#10151a";
    context.fillRect(0, 0, SIDE, SIDE);
    if (state.picture !== undefined) drawPicture(context, state.picture);
    drawStrokes(context, state.strokes);
    if (document.activeElement === frame && frame.matches(":focus-visible")) drawCursor(context, state.cursor, state.isPenDown);
  };
  const begin = (point: Point): void => {
    state.picture = undefined;
    state.strokes.push([point]);
    changedSoon();
  };
  const extend = (point: Point): void => {
    state.strokes.at(-1)?.push(point);
    changedSoon();
  };
  const clear = (): void => {
    Object.assign(state, { strokes: [], picture: undefined, isPenDown: false });
    changedSoon();
  };

  const pointOf = (event: PointerEvent): Point => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [clamp((event.clientX - left) / width), clamp((event.clientY - top) / height)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (state.pointer !== undefined || event.button !== 0) return;
    state.pointer = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    begin(pointOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== state.pointer) return;
    // Fast hands move further than one event a frame tells.
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const each of moves.length > 0 ? moves : [event]) extend(pointOf(each));
  });
  for (const end of ["pointerup", "pointercancel"] as const) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === state.pointer) state.pointer = undefined;
    });
  }

  frame.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow !== undefined) {
      const [x, y] = state.cursor;
      state.cursor = [clamp(x + arrow[0] * KEY_STEP), clamp(y + arrow[1] * KEY_STEP)];
      if (state.isPenDown) extend(state.cursor);
      else draw();
    } else if (event.key === " " || event.key === "Enter") {
      state.isPenDown = !state.isPenDown;
      listener.said(state.isPenDown ? "pen down" : "pen up");
      if (state.isPenDown) begin(state.cursor);
      else draw();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      clear();
      listener.said("pad cleared");
    } else return;
    event.preventDefault();
  });
  frame.addEventListener("focus", draw);
  frame.addEventListener("blur", () => {
    state.isPenDown = false;
    draw();
  });
  draw();
  return {
    clear,
    show(picture) {
      Object.assign(state, { strokes: [], picture, isPenDown: false });
      changedSoon();
    },
  };
}

/** A 28×28 picture over the whole of a canvas, its pixels smoothed. */
export function drawPicture(context: CanvasRenderingContext2D, picture: Float32Array): void {
  const small = document.createElement("canvas");
  [small.width, small.height] = [DIGIT_SIZE, DIGIT_SIZE];
  const pixels = new ImageData(DIGIT_SIZE, DIGIT_SIZE);
  const [dark, light] = [
    [16, 21, 26],
    [244, 241, 234],
  ] as const;
  for (const [i, value] of picture.entries()) {
    for (const channel of [0, 1, 2] as const) pixels.data[4 * i + channel] = dark[channel] + (light[channel] - dark[channel]) * value;
    pixels.data[4 * i + 3] = 255;
  }
  small.getContext("2d")?.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = context.canvas.width > 4 * DIGIT_SIZE;
  context.drawImage(small, 0, 0, context.canvas.width, context.canvas.height);
}

function drawStrokes(context: CanvasRenderingContext2D, strokes: readonly (readonly Point[])[]): void {
  Object.assign(context, { strokeStyle: "#f4f1ea", lineWidth: SIDE / 13, lineCap: "round", lineJoin: "round" });
  for (const stroke of strokes) {
    context.beginPath();
    const [[x, y] = [0, 0]] = stroke;
    context.moveTo(x * SIDE, y * SIDE);
    for (const [toX, toY] of stroke) context.lineTo(toX * SIDE, toY * SIDE + 0.01);
    context.stroke();
  }
}

function drawCursor(context: CanvasRenderingContext2D, [x, y]: Point, isDown: boolean): void {
  Object.assign(context, { strokeStyle: "#5fd3c0", fillStyle: "#5fd3c0", lineWidth: 4 });
  context.beginPath();
  context.arc(x * SIDE, y * SIDE, SIDE / 28, 0, 2 * Math.PI);
  if (isDown) context.fill();
  else context.stroke();
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
