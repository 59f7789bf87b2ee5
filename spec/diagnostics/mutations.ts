/** Seeded changes to source texts, as slips of the hand and broken files make them. */

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const TOKEN = /"[^"\n]*"|[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|->|\.\.|==|<=|>=|&&|\|\||\/\/[^\n]*|\S/g;

const STRANGE: readonly string[] = [
  "0",
  "-1",
  "1",
  "7",
  "1000000000",
  "99999999999999999999",
  "0.5",
  "1e400",
  "(",
  ")",
  "{",
  "}",
  "[",
  "]",
  "->",
  "..",
  ",",
  ":",
  "=",
  ";",
  "\n",
  '"',
  "/*",
  "//",
  "?",
  "%",
  "/",
  "*",
  "N",
  "C",
  "H",
  "x",
  "y",
  "it",
  "relu",
  "conv",
  "join",
  "skip",
  "repeat",
  "stages",
  "if",
  "else",
  "where",
  "block",
  "model",
  "param",
  "let",
  "project",
  "via",
  "add",
  "concat",
  "training",
  "depth",
  "true",
  "é",
  "\u0000",
];

/** The text with one to four changes: tokens deleted, doubled, exchanged, replaced, or a line moved. */
export function mutate(text: string, random: () => number): string {
  let changed = text;
  const times = 1 + Math.floor(random() * 4);
  for (let i = 0; i < times; i++) changed = mutateOnce(changed, random);
  return changed;
}

function mutateOnce(text: string, random: () => number): string {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const tokens = [...text.matchAll(TOKEN)].map((found) => ({ at: found.index, text: found[0] }));
  const one = pick(tokens);
  const other = pick(tokens);
  if (one === undefined || other === undefined) return text;
  const replace = (token: { at: number; text: string }, by: string): string =>
    text.slice(0, token.at) + by + text.slice(token.at + token.text.length);
  switch (Math.floor(random() * 7)) {
    case 0:
      return replace(one, "");
    case 1:
      return replace(one, `${one.text} ${one.text}`);
    case 2:
      return replace(one, other.text);
    case 3:
      return replace(one, pick(STRANGE) ?? "");
    case 4:
      return replace(one, `${one.text} ${pick(STRANGE) ?? ""} `);
    case 5: {
      const number = pick(tokens.filter((token) => /^\d/.test(token.text))) ?? one;
      return replace(number, String(Math.floor(random() * 12)));
    }
    default: {
      const lines = text.split("\n");
      const from = Math.floor(random() * lines.length);
      const [line = ""] = lines.splice(from, 1);
      if (random() < 0.5) lines.splice(Math.floor(random() * lines.length), 0, line);
      return lines.join("\n");
    }
  }
}
