/**
 * Which doc comments belong to which declaration.
 * Invariant: a doc comment documents the declaration on the next line of code; a blank line keeps the two together.
 */
import type { Comment } from "./ast.ts";
import type { Context } from "./cst.ts";

/** The `///` lines right before a declaration that begins at `start`, or undefined. */
export function docBefore(context: Context, start: number): string | undefined {
  const { comments, source } = context;
  const lines: string[] = [];
  let next = start;
  for (let i = lastBefore(comments, start); i >= 0; i--) {
    const comment = comments[i];
    if (comment === undefined || !onlySpace(source.text, comment.span.end, next)) break;
    if (!comment.doc || !beginsLine(source.text, comment.span.start)) break;
    lines.unshift(trimDoc(comment.text));
    next = comment.span.start;
  }
  return lines.length === 0 ? undefined : lines.join("\n").trim();
}

/**
 * The comment block at the very top of a file, provided a blank line or an `edition` or `import` parts it from the
 * first declaration (else it is that declaration's own).
 */
export function fileDoc(context: Context, firstToken: number, firstItem: number): string | undefined {
  const { comments, source } = context;
  const block: Comment[] = [];
  for (const comment of comments) {
    if (comment.span.start > firstToken) break;
    const last = block.at(-1);
    if (last !== undefined && /\n[^\S\n]*\r?\n/.test(source.text.slice(last.span.end, comment.span.start))) break;
    block.push(comment);
  }
  const last = block.at(-1);
  if (last === undefined) return undefined;
  const gap = source.text.slice(last.span.end, firstToken);
  if (firstToken === firstItem && !/\n[^\S\n]*\n/.test(gap.replaceAll("\r", ""))) return undefined;
  return (
    block
      .map((comment) => trimDoc(comment.text))
      .join("\n")
      .trim() || undefined
  );
}

function trimDoc(text: string): string {
  return text.replace(/^ /, "").trimEnd();
}

function beginsLine(text: string, offset: number): boolean {
  return onlySpace(text, text.lastIndexOf("\n", offset - 1) + 1, offset);
}

/** Reads backwards: usually the first character tells. */
function onlySpace(text: string, start: number, end: number): boolean {
  let i = end - 1;
  while (i >= start && " \t\r\n".includes(text.charAt(i))) i--;
  return i < start;
}

function lastBefore(comments: readonly Comment[], offset: number): number {
  let low = 0;
  let high = comments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((comments[middle]?.span.end ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
