/**
 * The only way this project writes files.
 * Invariant: a reader sees the old file or the whole new one, never a part: written beside, then renamed.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ResnetError } from "../../runtime/error.ts";

/**
 * Writes text or bytes; makes the folder. Throws RN811 with the reason and leaves no file of its own behind.
 * `flush` waits for the disk, so that a loss of power leaves the old file or the new one; what can be made again need not.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, flush = true): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(temporary, "w");
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
      if (flush) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary, { force: true });
    throw new ResnetError("RN811", `${path}: cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
