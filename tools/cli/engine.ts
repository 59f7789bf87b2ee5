/**
 * How soon V8 optimizes what a command runs. Must be imported before anything that computes.
 * A command is short and runs much of its code some thousand times: at V8's own setting (66 KB of bytecode, three times)
 * compiling that code twice over costs more than it saves. Optimized fifteen times later, what runs for long, such as
 * training, loses some tens of milliseconds once. Measured by `tools/bench/check.ts` and `tools/bench/build.ts`.
 */
import { setFlagsFromString } from "node:v8";

const INTERRUPT_BUDGET_BYTES = 1_000_000;

// Other engines with Node's modules have no such setting, and say so by an exception.
if (process.versions["bun"] === undefined && process.versions["deno"] === undefined) {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`);
}
