/**
 * The web demo in a real Chromium: classifies and trains, with and without WebGPU and isolation, by keyboard and on a
 * phone, under its policy. Screenshots go to `runs/browser`.
 * Invariant: a page that logs an error, throws, or asks another host fails its case.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import * as assert from "uvu/assert";
import { buildSite } from "../../tools/web/build-site.ts";
import { HEADERS } from "../../tools/web/policy.ts";
import { serve } from "../../tools/web/serve.ts";
import { suite } from "../harness.ts";
import { launch, type OpenSite, openPage, sharingSite, type WatchedPage } from "./chromium.ts";

const LIMIT_MILLISECONDS = 240_000;
const PICTURES = fileURLToPath(new URL("../../runs/browser/", import.meta.url));

interface Site extends OpenSite {
  readonly withWebgpu: Browser;
  readonly without: Browser;
  /** With the headers of `npm run web`, and as a static host serves it. */
  readonly isolated: string;
  readonly plain: string;
}

async function openSite(executable: string): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), "resnet-web-"));
  mkdirSync(PICTURES, { recursive: true });
  await buildSite(folder, () => undefined);
  const [isolated, plain] = await Promise.all([serve({ folder, port: 0, headers: HEADERS }), serve({ folder, port: 0, headers: {} })]);
  const [withWebgpu, without] = await Promise.all([launch({ executable, webgpu: true }), launch({ executable, webgpu: false })]);
  return {
    browsers: [withWebgpu, without],
    withWebgpu,
    without,
    isolated: isolated.url,
    plain: plain.url,
    async close() {
      await Promise.all([withWebgpu.close(), without.close(), isolated.close(), plain.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Opens the demo and waits for its network. */
async function openDemo(browser: Browser, url: string, options: Parameters<typeof openPage>[1] = {}): Promise<WatchedPage> {
  const watched = await openPage(browser, options);
  watched.page.setDefaultTimeout(LIMIT_MILLISECONDS);
  await watched.page.goto(url);
  await watched.page.waitForSelector("body[data-device]");
  return watched;
}

async function finish({ page, problems, close }: WatchedPage, name: string): Promise<void> {
  try {
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
    assert.equal(problems, []);
  } finally {
    await close();
  }
}

const textOf = async (page: Page, selector: string): Promise<string> => (await page.textContent(selector)) ?? "";
const verdictIs = (page: Page, digit: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.querySelector("#verdict")?.textContent === wanted, digit);
const probabilities = (page: Page): Promise<number[]> =>
  page.$$eval("#bars .fill", (fills) => fills.map((fill) => Number((fill as HTMLElement).style.getPropertyValue("--share"))));
const isIdle = (page: Page): Promise<unknown> => page.waitForSelector('body[data-training="idle"]');

suite("web demo", (test) => {
  const { inBrowser, closing } = sharingSite(test, openSite);

  inBrowser("a sample is the same on Wasm and on WebGPU; the page says which it took, and why", async ({ withWebgpu, isolated }) => {
    const watched = await openDemo(withWebgpu, isolated, { viewport: { width: 1280, height: 900 } });
    const { page } = watched;
    await page.check('input[value="wasm"]');
    await page.waitForSelector('body[data-device="wasm"]');
    await page.click('button[aria-label="sample 7"]');
    await verdictIs(page, "7");
    const onWasm = await probabilities(page);
    assert.match(await textOf(page, "#path"), /^WebAssembly .*you chose it/);
    assert.match(await textOf(page, "#timing"), /ms on WebAssembly/);
    await page.check('input[value="webgpu"]');
    await page.waitForSelector('body[data-device="webgpu"]');
    await page.waitForFunction(() => / on WebGPU/.test(document.querySelector("#timing")?.textContent ?? ""));
    const onWebgpu = await probabilities(page);
    assert.match(await textOf(page, "#path"), /^WebGPU \(.+\): you chose it/);
    assert.is(await textOf(page, "#verdict"), "7");
    assert.is(onWebgpu.length, 10);
    for (const [digit, value] of onWasm.entries())
      assert.ok(Math.abs(value - (onWebgpu[digit] ?? Number.NaN)) < 1e-4, `${digit}: ${value}, ${onWebgpu[digit]}`);
    assert.match(await textOf(page, "#isolation"), /is cross-origin isolated/);
    await finish(watched, "webgpu");
  });

  inBrowser("trains live, its accuracy rises, and its weights can be used", async ({ without, isolated }) => {
    const watched = await openDemo(without, isolated, { viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
    const { page } = watched;
    await page.selectOption("#steps", "200");
    await page.click("#start");
    await page.waitForFunction(() => /^1\d\d \/ 200/.test(document.querySelector("#step")?.textContent ?? ""));
    await page.screenshot({ path: join(PICTURES, "training-dark.png"), fullPage: true });
    await isIdle(page);
    assert.match(await textOf(page, "#training-status"), /^Done\. Accuracy on held-out digits: /);
    // Chance is 10 %.
    assert.ok(Number.parseFloat(await textOf(page, "#accuracy")) > 50, await textOf(page, "#accuracy"));
    const losses = await page.getAttribute("#chart .curve.raw", "points");
    assert.is(losses?.trim().split(" ").length, 200);
    await page.click("#use");
    await page.click('button[aria-label="sample 4"]');
    await page.waitForFunction(() => /^\d$/.test(document.querySelector("#verdict")?.textContent ?? ""));
    await finish(watched, "trained-dark");
  });

  inBrowser("stops when asked, without WebGPU and without isolation, and says so", async ({ without, plain }) => {
    const watched = await openDemo(without, plain);
    const { page } = watched;
    assert.match(await textOf(page, "#path"), /^WebAssembly .*WebGPU/);
    assert.match(await textOf(page, "#isolation"), /not cross-origin isolated/);
    await page.check('input[value="webgpu"]');
    await page.waitForSelector('body[data-device="wasm"]');
    await page.click('button[aria-label="sample 2"]');
    await verdictIs(page, "2");
    await page.selectOption("#steps", "800");
    await page.click("#start");
    await page.waitForFunction(() => /^[1-9]\d* \/ 800/.test(document.querySelector("#step")?.textContent ?? ""));
    await page.click("#stop");
    await isIdle(page);
    assert.match(await textOf(page, "#training-status"), /^Stopped\./);
    assert.ok(Number.parseInt(await textOf(page, "#step"), 10) < 800);
    await finish(watched, "plain");
  });

  inBrowser("an image file, however large and whichever way round, is read; another file is refused in words", async ({ without, isolated }) => {
    const watched = await openDemo(without, isolated);
    const { page } = watched;
    // A thick black 1 on white, drawn by the browser itself.
    const drawn = await page.evaluate(async () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [900, 700];
      const context = canvas.getContext("2d");
      if (context === null) return [];
      context.fillStyle = "white";
      context.fillRect(0, 0, 900, 700);
      context.fillStyle = "black";
      context.fillRect(600, 100, 60, 500);
      const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
      return blob === null ? [] : Array.from(new Uint8Array(await blob.arrayBuffer()));
    });
    await page.setInputFiles("#file", { name: "one.png", mimeType: "image/png", buffer: Buffer.from(drawn) });
    await verdictIs(page, "1");
    await page.setInputFiles("#file", { name: "no.png", mimeType: "image/png", buffer: Buffer.from("no image") });
    await page.waitForFunction(() => /no image/.test(document.querySelector("#timing")?.textContent ?? ""));
    await finish(watched, "file");
  });

  inBrowser("by keyboard alone: reach the pad, draw a one, leave it, start and stop training", async ({ without, isolated }) => {
    const watched = await openDemo(without, isolated);
    const { page } = watched;
    const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.id ?? "");
    const tabTo = async (id: string): Promise<void> => {
      for (let presses = 0; presses < 40 && (await focused()) !== id; presses++) await page.keyboard.press("Tab");
      assert.is(await focused(), id);
    };
    await tabTo("pad");
    for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Space");
    for (let i = 0; i < 18; i++) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    await verdictIs(page, "1");
    await page.waitForFunction(() => /Looks like 1/.test(document.querySelector("#announced")?.textContent ?? ""));
    await page.screenshot({ path: join(PICTURES, "keyboard.png"), fullPage: true });
    await page.keyboard.press("Delete");
    await verdictIs(page, "–");
    await tabTo("start");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "stop");
    await page.keyboard.press("Enter");
    await isIdle(page);
    assert.is(await focused(), "start");
    await finish(watched, "keyboard-end");
  });

  inBrowser("fits a phone of 360 pixels, and a finger draws", async ({ without, isolated }) => {
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, reducedMotion: "reduce" } as const;
    const watched = await openDemo(without, isolated, phone);
    const { page } = watched;
    assert.is(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const box = await page.locator("#pad").boundingBox();
    assert.ok(box !== null);
    if (box === null) return;
    await page.locator("#pad").tap({ position: { x: box.width / 2, y: box.height / 2 } });
    await page.waitForFunction(() => /^\d$/.test(document.querySelector("#verdict")?.textContent ?? ""));
    await page.click('button[aria-label="sample 3"]');
    await verdictIs(page, "3");
    assert.is(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    await finish(watched, "phone");
  });
  closing();
});
