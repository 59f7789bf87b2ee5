/**
 * The wording of everything that can be wrong with data files (RN80x).
 * Invariant: each message is one line that names the file, the place inside it, what was found and what was expected.
 */
import { ResnetError } from "../../runtime/error.ts";

/** The operating system refuses the file or folder. */
export function unreadable(path: string, cause: unknown): ResnetError {
  return new ResnetError("RN801", `${path}: cannot be read: ${systemReason(cause)}`);
}

/** The bytes end before, or go on after, what the header promises. */
export function wrongLength(path: string, expected: number, found: number, what: string): ResnetError {
  const fault = found < expected ? "truncated" : "too long";
  return new ResnetError("RN802", `${path}: ${fault}: expected ${expected} bytes (${what}), found ${found}`);
}

/** A compressed file that ends early or is damaged. */
export function brokenGzip(path: string, cause: unknown): ResnetError {
  const reason = systemReason(cause);
  const hint = reason.includes("unexpected end") ? "the gzip stream is truncated" : `not a sound gzip stream (${reason})`;
  return new ResnetError("RN802", `${path}: ${hint}; fetch the file again`);
}

/** The file is not in the format its name or place says. */
export function wrongFormat(path: string, message: string): ResnetError {
  return new ResnetError("RN803", `${path}: ${message}`);
}

export function countsDiffer(images: string, imageCount: number, labels: string, labelCount: number): ResnetError {
  return new ResnetError("RN804", `${images} has ${imageCount} images but ${labels} has ${labelCount} labels; expected one label an image`);
}

/** `record` counts from 0. */
export function labelOutOfRange(path: string, record: number, label: number, classes: number, why: string): ResnetError {
  return new ResnetError("RN805", `${path}: record ${record} has label ${label}; expected 0 to ${classes - 1} (${why})`);
}

export function wrongImageSize(name: string, found: readonly number[], expected: readonly (number | string)[]): ResnetError {
  return new ResnetError(
    "RN806",
    `${name}: images are ${found.join("×")} (channels×height×width), but the model's input takes ${expected.join("×")}`,
  );
}

/** `line` counts from 1. */
export function badRow(path: string, line: number, message: string): ResnetError {
  return new ResnetError("RN807", `${path}: line ${line}: ${message}`);
}

export function missingPart(message: string): ResnetError {
  return new ResnetError("RN808", message);
}

export function emptyData(path: string, what: string): ResnetError {
  return new ResnetError("RN809", `${path}: holds no ${what}`);
}

/** A tensor or picture file whose content cannot be used as the input named. */
export function unusableInput(path: string, message: string): ResnetError {
  return new ResnetError("RN810", `${path}: ${message}`);
}

function systemReason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "no such file or folder";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "EISDIR") return "it is a folder";
  if (code === "ENOTDIR") return "a part of the path is a file, not a folder";
  return cause.message;
}
