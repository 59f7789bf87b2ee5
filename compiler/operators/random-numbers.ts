/**
 * The name under which operators know the generator of `ir/random.ts`. Invariant: one definition for every back end.
 */
export { randomUniform as uniformAt } from "../ir/random.ts";
