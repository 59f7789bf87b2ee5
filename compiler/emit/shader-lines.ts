/** Shaders of a network, whose lines are mostly the same, for a written module: each line once. See `runtime/shader-lines.ts`. */
import type { Manifest, PackedManifest } from "../../runtime/manifest.ts";

/** The manifest with lines in place of texts; undefined where it has no shaders. */
export function packShaders({ webgpu, ...manifest }: Manifest): PackedManifest | undefined {
  if (webgpu === undefined) return undefined;
  const positions = new Map<string, number>();
  const positionOf = (line: string): number => {
    const known = positions.get(line) ?? positions.size;
    positions.set(line, known);
    return known;
  };
  const shaders = webgpu.shaders.map(({ name, template, sizes }) => ({ name, template: template.split("\n").map(positionOf), sizes }));
  return { ...manifest, webgpu: { ...webgpu, shaders, lines: [...positions.keys()] } };
}
