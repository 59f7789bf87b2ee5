/**
 * Bytes to base64 (RFC 4648, section 4), the same on every host.
 * Invariant: `decodeBase64` of the runtime gives the bytes back.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** A multiple of 3; parts of this size are joined, as one growing string is slow. */
const PART_BYTES = 3 * 8192;

/** Padded base64 without line breaks. */
export function encodeBase64(bytes: Uint8Array): string {
  const codes = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
  const decoder = new TextDecoder("latin1");
  const parts: string[] = [];
  for (let start = 0; start < bytes.length; start += PART_BYTES) {
    const part = bytes.subarray(start, start + PART_BYTES);
    const text = new Uint8Array(Math.ceil(part.length / 3) * 4);
    for (let i = 0, o = 0; i < part.length; i += 3, o += 4) {
      const group = (part[i]! << 16) | ((part[i + 1] ?? 0) << 8) | (part[i + 2] ?? 0);
      text[o] = codes[group >> 18]!;
      text[o + 1] = codes[(group >> 12) & 63]!;
      text[o + 2] = codes[(group >> 6) & 63]!;
      text[o + 3] = codes[group & 63]!;
    }
    const padding = (3 - (part.length % 3)) % 3;
    text.fill(0x3d, text.length - padding);
    parts.push(decoder.decode(text));
  }
  return parts.join("");
}
