/**
 * Finds keys that a JSON object has twice, which `JSON.parse` silently merges.
 * Invariant: the text has passed `JSON.parse`, so only strings and brackets need to be told apart.
 */

/** The first key that occurs twice in one object of `text`, at any depth; undefined if none does. */
export function findDuplicateKey(text: string): string | undefined {
  const seen: (Set<string> | undefined)[] = [];
  let position = 0;
  let expectsKey = false;
  while (position < text.length) {
    const character = text[position];
    if (character === '"') {
      const end = endOfString(text, position);
      const keys = seen.at(-1);
      if (expectsKey && keys !== undefined) {
        const key = JSON.parse(text.slice(position, end)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
        expectsKey = false;
      }
      position = end;
      continue;
    }
    if (character === "{") {
      seen.push(new Set());
      expectsKey = true;
    } else if (character === "[") {
      seen.push(undefined);
    } else if (character === "}" || character === "]") {
      seen.pop();
    } else if (character === ",") {
      expectsKey = seen.at(-1) !== undefined;
    }
    position++;
  }
  return undefined;
}

/** The position after the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let position = start + 1;
  while (text[position] !== '"') position += text[position] === "\\" ? 2 : 1;
  return position + 1;
}
