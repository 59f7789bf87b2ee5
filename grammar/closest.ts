/** Names by which other libraries know what ours are called otherwise. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  dense: "linear",
  fc: "linear",
  ln: "layernorm",
  gn: "groupnorm",
  swish: "silu",
  lrelu: "leaky_relu",
  deconv: "conv_transposed",
  convtranspose: "conv_transposed",
  criterion: "loss",
};

/**
 * Spelling suggestions: the name that is meant if it is written otherwise (`BatchNorm2d`), else the nearest by edit
 * distance with transpositions if near enough, else one that it is part of (`optim`, `decay`).
 */
export function closest(name: string, candidates: readonly string[]): string | undefined {
  const plain = plainName(name);
  const others = candidates.filter((candidate) => candidate !== name);
  const elsewhere = ELSEWHERE[plain];
  const same = others.find((candidate) => plainName(candidate) === plain) ?? (others.includes(elsewhere ?? "") ? elsewhere : undefined);
  return same ?? nearest(name, others) ?? others.find((candidate) => isPart(plain, candidate));
}

/** Without case, underscores and a number of dimensions. */
function plainName(name: string): string {
  return name.toLowerCase().replaceAll("_", "").replace(/\d+d$/, "");
}

/** The beginning of a name, or one of its words. */
function isPart(plain: string, candidate: string): boolean {
  return plain.length >= 4 && (plainName(candidate).startsWith(plain) || candidate.split("_").includes(plain));
}

function nearest(name: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(name.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (!comparable(name, candidate)) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Of one or two letters everything is near: only case may differ, or one letter of two. */
function comparable(name: string, candidate: string): boolean {
  if (name.length > 2) return true;
  return name.length === candidate.length && (name.length === 2 || name.toLowerCase() === candidate.toLowerCase());
}

/** Optimal string alignment distance, abandoned above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) value = Math.min(value, (beforeLast[j - 2] ?? 0) + 1);
      row.push(value);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? limit;
}
