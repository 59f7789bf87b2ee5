/**
 * The one error type of the runtime; its texts are in `problems.ts`.
 * Invariant: whatever a user can cause is one of these, thrown before anything has changed.
 */

/** Errors a user of the runtime can meet; `code` is RN7xx (weights, inputs) or RN6xx (devices). */
export class ResnetError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "ResnetError";
    this.code = code;
  }
}
