/**
 * Bytes of a source file → its text, or why they are none.
 * Invariant: nothing is replaced on the way: the text encodes to the same bytes.
 */

/** UTF-8 with or without a byte order mark, which stays. `problem` completes "cannot read FILE: ". */
export function decodeText(bytes: Uint8Array): { readonly text: string } | { readonly problem: string } {
  const archive = ARCHIVES.find(({ magic }) => magic.every((byte, i) => bytes[i] === byte));
  if (archive !== undefined) return { problem: `it is ${archive.what}, not a text file` };
  if (isUtf16(bytes)) return { problem: "it is a text in UTF-16; save it as UTF-8" };
  const zero = bytes.indexOf(0);
  if (zero >= 0) return { problem: `it is no text file: there is a NUL byte ${placeOf(bytes, zero)}` };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { problem: badByte(bytes) };
  }
}

const ARCHIVES = [
  { magic: [0x1f, 0x8b], what: "compressed by gzip" },
  { magic: [0x50, 0x4b, 3, 4], what: "a zip archive, as PyTorch's checkpoints are" },
  { magic: [0x89, 0x50, 0x4e, 0x47], what: "a PNG picture" },
  { magic: [0x25, 0x50, 0x44, 0x46], what: "a PDF document" },
] as const;

/** By its mark, or because every second byte of its beginning is zero, as with ASCII letters. */
function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  const start = bytes.subarray(0, 64);
  const zeros = [0, 1].map((odd) => start.filter((byte, i) => i % 2 === odd && byte === 0).length);
  return start.length >= 8 && zeros.includes(Math.floor(start.length / 2)) && zeros.includes(0);
}

/** The first byte that UTF-8 does not allow where it stands, and what it would be elsewhere. */
function badByte(bytes: Uint8Array): string {
  const at = firstBad(bytes);
  const byte = bytes[at] ?? 0;
  const where = placeOf(bytes, at);
  const shown = `0x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  const second = bytes[at + 1] ?? 0;
  if (byte === 0xed && second >= 0xa0) return `it is not UTF-8: half of a character, a lone surrogate, is encoded ${where}`;
  const latin = new TextDecoder("windows-1252").decode(bytes.subarray(at, at + 1));
  const meant = byte >= 0xa0 ? `; in Latin-1 that is \`${latin}\`` : "";
  return `it is not UTF-8: the byte ${shown} ${where} is not allowed there${meant}; save it as UTF-8`;
}

/** By halves: the longest beginning that is well-formed, but for a last character that goes on. */
function firstBad(bytes: Uint8Array): number {
  const isGood = (length: number): boolean => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isGood(middle)) good = middle;
    else bad = middle;
  }
  // The character that it breaks off began some bytes before.
  let start = good - 1;
  while (start > 0 && start > good - 3 && isContinuation(bytes[start] ?? 0)) start--;
  return start >= 0 && start + sequenceLength(bytes[start] ?? 0) > good ? start : good;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** Bytes of the character that begins with this one. */
function sequenceLength(lead: number): number {
  if (lead < 0xc2) return 1;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

function placeOf(bytes: Uint8Array, at: number): string {
  const before = new TextDecoder("utf-8").decode(bytes.subarray(0, at));
  const lines = before.split(/\r\n?|\n/);
  return `at line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}
