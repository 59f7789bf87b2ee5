/**
 * Reads whole files, unpacking gzip by its first two bytes.
 * Invariant: every failure leaves as a ResnetError that names the file.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { brokenGzip, unreadable } from "./problems.ts";

/** Past this a single data file does not fit one array buffer comfortably. */
const MAX_UNPACKED_BYTES = 2 ** 31 - 1;

/** The file's bytes, unpacked if they are gzip. */
export function readBytes(path: string): Uint8Array {
  const bytes = readRaw(path);
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (!packed) {
    if (path.endsWith(".gz")) throw brokenGzip(path, new Error("the first bytes are not 1f 8b"));
    return bytes;
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    throw brokenGzip(path, error);
  }
}

/** The file's bytes as they lie on disk. */
export function readRaw(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** `folder`, `file`; throws if there is neither. */
export function kindOf(path: string): "folder" | "file" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Names of the plain files in a folder, sorted. */
export function fileNames(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith("."))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    throw unreadable(folder, error);
  }
}
