/**
 * Base64 (RFC 4648, section 4) to bytes, without a host's help: `atob` is slow on megabytes, and Buffer is Node's alone.
 * Invariant: the text comes from the emitter: padded, without white space.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The bytes that `text` stands for. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128);
  for (let i = 0; i < ALPHABET.length; i++) values[ALPHABET.charCodeAt(i)] = i;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let i = 0, o = 0; i < text.length; i += 4, o += 3) {
    const group =
      (values[text.charCodeAt(i)]! << 18) |
      (values[text.charCodeAt(i + 1)]! << 12) |
      (values[text.charCodeAt(i + 2)]! << 6) |
      values[text.charCodeAt(i + 3)]!;
    // Writes past the end of a typed array do nothing, which drops the padding's bytes.
    bytes[o] = group >> 16;
    bytes[o + 1] = group >> 8;
    bytes[o + 2] = group;
  }
  return bytes;
}
