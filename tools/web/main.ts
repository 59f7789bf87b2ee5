/**
 * `npm run web`: builds the web demo and serves it to this machine.
 * Invariant: exit code 2 for wrong usage, 1 for what cannot be built or served; Ctrl-C ends it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildSite } from "./build-site.ts";
import { HEADERS } from "./policy.ts";
import { serve } from "./serve.ts";

const USAGE = `npm run web [-- OPTIONS]   builds the web demo and serves it on 127.0.0.1

  --port N           the port (8080; 0 takes a free one)
  --build-only DIR   writes the page into DIR, for any static host, and ends
  --no-isolation     serves without the headers that allow threads
  --help             this text`;

const say = (text: string): void => console.error(text);

function readOptions() {
  const options = {
    port: { type: "string", default: "8080" },
    "build-only": { type: "string" },
    "no-isolation": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  } as const;
  const { values } = parseArgs({ options, strict: true });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65535) throw new Error(`--port ${values.port}: expected a number from 0 to 65535`);
  return { port, folder: values["build-only"], isIsolated: !values["no-isolation"], isHelp: values.help };
}

async function run({ port, folder, isIsolated }: ReturnType<typeof readOptions>): Promise<void> {
  if (folder !== undefined) {
    await buildSite(resolve(folder), say);
    console.log(`wrote the page into ${folder}`);
    return;
  }
  const temporary = mkdtempSync(join(tmpdir(), "resnet-web-"));
  process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
  await buildSite(temporary, say);
  const { url } = await serve({ folder: temporary, port, headers: isIsolated ? HEADERS : {} });
  console.log(`${url}   (Ctrl-C ends it)`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
}

try {
  const options = readOptions();
  if (options.isHelp) console.log(USAGE);
  else
    await run(options).catch((error: NodeJS.ErrnoException) => {
      say(error.code === "EADDRINUSE" ? `port ${options.port} is taken; give another with --port N` : error.message);
      process.exitCode = 1;
    });
} catch (error) {
  say(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
