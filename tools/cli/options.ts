/**
 * Reads the values of options: assignments, sizes, counts.
 * Invariant: a value that is not understood fails with the option's name, what was given and what is expected.
 */
import { CommandFailure } from "./failure.ts";

/** Options that name the model and its sizes, shared by most commands. */
export interface ModelOptions {
  readonly model?: string;
  readonly dim?: readonly string[];
  readonly set?: readonly string[];
}

/** Collects an option given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** `model`, `dims` and `set` of the compiler's options, left out where not given. */
export function modelSelection(options: ModelOptions): {
  model?: string;
  dims?: Record<string, number>;
  set?: Record<string, unknown>;
} {
  return {
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.dim === undefined ? {} : { dims: parseDims(options.dim) }),
    ...(options.set === undefined ? {} : { set: parseSet(options.set) }),
  };
}

/** `["N=1,H=224", "W=224"]` to `{N: 1, H: 224, W: 224}`. */
export function parseDims(texts: readonly string[]): Record<string, number> {
  const dims: Record<string, number> = {};
  for (const [name, text] of assignments("--dim", texts, "H=224")) {
    const size = Number(text);
    if (text === "" || !Number.isInteger(size) || size < 1) throw wrongValue("--dim", `${name}=${text}`, "a whole number from 1, as in --dim H=224");
    dims[name] = size;
  }
  return dims;
}

/** `["classes=10,wide=true"]` to `{classes: 10, wide: true}`; lists in brackets; anything else stays text. */
export function parseSet(texts: readonly string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, text] of assignments("--set", texts, "classes=10")) values[name] = parseValue(name, text);
  return values;
}

/** `["image=a.npy", "label=b.npy"]` to pairs of input name and path; a path may hold `=` and commas. */
export function parseInputs(texts: readonly string[]): Record<string, string> {
  const inputs: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 1 || at === text.length - 1) throw wrongValue("--input", text, "NAME=FILE, as in --input image=cat.png");
    const name = text.slice(0, at);
    if (name in inputs) throw wrongValue("--input", text, `each input once; ${name} was given before`);
    inputs[name] = text.slice(at + 1);
  }
  return inputs;
}

/** A whole number of at least `least`. */
export function parseCount(option: string, least: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(count) || count < least) {
      throw wrongValue(option, text, `a whole number${least > -Infinity ? ` from ${least}` : ""}`);
    }
    return count;
  };
}

/** A positive number. */
export function parsePositive(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0) throw wrongValue(option, text, "a number above 0");
    return value;
  };
}

/** One of a closed list. */
export function parseChoice<T extends string>(option: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((each) => each === text);
    if (choice === undefined) throw wrongValue(option, text, `one of ${choices.join(", ")}`);
    return choice;
  };
}

/** Splits at commas outside brackets, then each at its first `=`. */
function assignments(option: string, texts: readonly string[], example: string): [name: string, value: string][] {
  const result: [string, string][] = [];
  for (const text of texts) {
    for (const part of splitOutsideBrackets(text)) {
      const match = /^\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/s.exec(part);
      if (match === null) throw wrongValue(option, part, `NAME=VALUE, as in ${option} ${example}`);
      const name = match[1] ?? "";
      if (result.some(([known]) => known === name)) throw wrongValue(option, part, `each name once; ${name} was given before`);
      result.push([name, match[2] ?? ""]);
    }
  }
  return result;
}

function splitOutsideBrackets(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "[" || character === "(") depth++;
    if (character === "]" || character === ")") depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts;
}

function parseValue(name: string, text: string): unknown {
  if (text === "") throw wrongValue("--set", `${name}=`, "a value after the equals sign");
  if (text === "true" || text === "false") return text === "true";
  if (Number.isFinite(Number(text))) return Number(text);
  if (!/^[[(]/.test(text)) return text;
  try {
    return JSON.parse(text.replaceAll("(", "[").replaceAll(")", "]"));
  } catch {
    throw wrongValue("--set", `${name}=${text}`, "a list like [3, 4, 6, 3]");
  }
}

function wrongValue(option: string, given: string, expected: string): CommandFailure {
  return new CommandFailure(`${option} ${given}: expected ${expected}`);
}
