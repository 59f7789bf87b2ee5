/** Asserts on the errors that users meet: by code, and by what the message must name. */
import * as assert from "uvu/assert";
import { ResnetError } from "../../runtime/error.ts";

function verify(error: unknown, code: string, parts: readonly (string | RegExp)[]): void {
  if (!(error instanceof ResnetError)) throw error;
  assert.is(error.code, code, `${error.code}: ${error.message}`);
  for (const part of parts) {
    const isThere = typeof part === "string" ? error.message.includes(part) : part.test(error.message);
    assert.ok(isThere, `"${error.message}" does not say ${part}`);
  }
}

/** `action` must throw a ResnetError with this code whose message has all parts. */
export function throwsError(action: () => unknown, code: string, ...parts: readonly (string | RegExp)[]): void {
  try {
    action();
  } catch (error) {
    verify(error, code, parts);
    return;
  }
  assert.unreachable(`no error, expected ${code}`);
}

/** As `throwsError`, for a promise. */
export async function rejects(action: Promise<unknown>, code: string, ...parts: readonly (string | RegExp)[]): Promise<void> {
  try {
    await action;
  } catch (error) {
    verify(error, code, parts);
    return;
  }
  assert.unreachable(`no error, expected ${code}`);
}
