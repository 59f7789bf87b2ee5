/**
 * Texts of shaders in a written module: kernels of one network are mostly made of the same lines.
 * Invariant: `restoreShaders` gives back the manifest that `compiler/emit/shader-lines.ts` took apart.
 */
import type { Manifest, PackedManifest } from "./manifest.ts";

export function restoreShaders({ webgpu, ...manifest }: PackedManifest): Manifest {
  const { lines, shaders, ...programs } = webgpu;
  const restored = shaders.map(({ name, template, sizes }) => ({ name, template: template.map((line) => lines[line] ?? "").join("\n"), sizes }));
  return { ...manifest, webgpu: { ...programs, shaders: restored } };
}
