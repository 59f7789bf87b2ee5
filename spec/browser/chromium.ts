/**
 * Finds the machine's Chromium and starts it for the browser suites.
 * Invariant: browsers see the loopback address alone, everything waited for is bounded, and each is closed by its maker.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import * as assert from "uvu/assert";
import type { Registrar } from "../harness.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PLACES = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];
const LAUNCH_MILLISECONDS = 60_000;

/** CHROMIUM_PATH, else the first of its names in PATH. */
export function findChromium(): string | undefined {
  const given = process.env["CHROMIUM_PATH"];
  if (given !== undefined) return existsSync(given) ? given : undefined;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...PLACES].find(existsSync);
}

export interface LaunchOptions {
  readonly executable: string;
  readonly webgpu: boolean;
}

/** Headless; with WebGPU it has SwiftShader's adapter at least. */
export function launch({ executable, webgpu }: LaunchOptions): Promise<Browser> {
  return chromium.launch({
    executablePath: executable,
    headless: true,
    timeout: LAUNCH_MILLISECONDS,
    // Root, as in containers, has no sandbox. Without the unsafe flag Chromium offers no software adapter.
    args: ["--no-sandbox", ...(webgpu ? ["--enable-unsafe-webgpu"] : ["--disable-features=WebGPU,WebGPUService", "--disable-gpu"])],
  });
}

/** A page whose errors are kept: console errors, uncaught ones, failed requests, and requests to other hosts. */
export interface WatchedPage {
  readonly page: Page;
  readonly problems: readonly string[];
  close(): Promise<void>;
}

export async function openPage(browser: Browser, options: Parameters<Browser["newContext"]>[0] = {}): Promise<WatchedPage> {
  const context: BrowserContext = await browser.newContext(options);
  const problems: string[] = [];
  await context.route(
    (url) => url.hostname !== "127.0.0.1" && /^https?:$/.test(url.protocol),
    (route) => {
      problems.push(`asks another host: ${route.request().url()}`);
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
  page.on("requestfailed", (request) => problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  return { page, problems, close: () => context.close() };
}

/** What the cases of a suite share: pages, and the browsers that show them. */
export interface OpenSite {
  readonly browsers: readonly Browser[];
  close(): Promise<void>;
}

/** Registers cases over a site that the first of them opens; where there is no Chromium they are skipped, loudly. */
export function sharingSite<S extends OpenSite>(
  test: Registrar,
  open: (executable: string) => Promise<S>,
): { readonly inBrowser: (name: string, body: (site: S) => Promise<void>) => void; readonly closing: () => void } {
  const executable = findChromium();
  let opened: Promise<S> | undefined;
  return {
    inBrowser(name, body) {
      if (executable === undefined) test.skip(name, "no Chromium; `.ci/setup.sh` installs it, CHROMIUM_PATH names another");
      else
        test(name, async () => {
          opened ??= open(executable);
          await body(await opened);
        });
    },
    closing() {
      if (executable === undefined) return;
      test("the browsers close", async () => {
        const site = await opened;
        await site?.close();
        assert.ok(site === undefined || site.browsers.every((browser) => !browser.isConnected()));
      });
    },
  };
}
