/** A folder for one test's files, removed afterwards. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ResnetError } from "../../runtime/error.ts";

/** Runs `body` with a fresh folder. */
export async function inFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "resnet-spec-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes a file of the folder and returns its path. */
export function put(folder: string, name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Asserts that `body` throws a ResnetError of this code on one line that holds each of the parts. */
export function failsWith(body: () => unknown, code: string, ...parts: readonly string[]): void {
  try {
    body();
  } catch (error) {
    assert.instance(error, ResnetError);
    const { code: found, message } = error as ResnetError;
    assert.is(found, code, message);
    assert.not.match(message, "\n");
    for (const part of parts) assert.ok(message.includes(part), `${JSON.stringify(message)} lacks ${JSON.stringify(part)}`);
    return;
  }
  assert.unreachable(`no error; expected ${code}`);
}

/** An IDX file: magic, sizes, then bytes. */
export function idxFile(magic: number, sizes: readonly number[], bytes: readonly number[]): Uint8Array {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.writeUInt32BE(magic, 0);
  sizes.forEach((size, axis) => header.writeUInt32BE(size, 4 + 4 * axis));
  return Buffer.concat([header, Buffer.from(bytes)]);
}

/** The numbers 0, 1, 2, … modulo 256. */
export function ramp(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => (i + from) % 256);
}
