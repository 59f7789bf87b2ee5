/** Grids of more workgroups than a dimension takes: how they are folded, and that kernels count in them as they are folded. */
import * as assert from "uvu/assert";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import { emitWgsl } from "../../compiler/wgsl/emit.ts";
import { callSpec } from "../../compiler/emit/webgpu-manifest.ts";
import { gridOf } from "../../runtime/webgpu/dispatches.ts";
import { fixedText } from "../../runtime/webgpu/shader-text.ts";
import { suite } from "../harness.ts";

/** `maxComputeWorkgroupsPerDimension` of every device (WebGPU specification, limits). */
const MOST = 65535;

function copyOf(elements: number): Kernel {
  const at = [{ index: { constant: 0, terms: [{ axis: 0, coefficient: 1 }] } }];
  const operand = { type: "f32", offset: 0, strides: [1] } as const;
  return {
    form: "pointwise",
    name: "copy",
    serves: [],
    operands: [
      { ...operand, buffer: 0 },
      { ...operand, buffer: 1 },
    ],
    axes: [{ name: "i", extent: elements }],
    lets: [],
    stores: [{ operand: 1, at, value: { kind: "load", operand: 0, at, fill: 0 } }],
  };
}

suite("grids", (test) => {
  test("no dimension is too large, no workgroup is missing, and fewer than a row are too many", () => {
    for (const count of [0, 1, 2, MOST, MOST + 1, 2 * MOST, 2 * MOST + 1, 1_000_003, 2 ** 27 + 1]) {
      const [x, y] = gridOf({ workgroups: [{ sizes: [count], per: 1 }] }, 1, MOST);
      assert.ok(x <= MOST && y <= MOST, `${x} x ${y}`);
      assert.ok(x * y >= count && x * y - count < Math.max(1, y), `${count} workgroups as ${x} x ${y}`);
    }
    assert.equal(
      gridOf(
        {
          workgroups: [
            { sizes: [3, { batch: 2 }], per: 4 },
            { sizes: [5], per: 2 },
          ],
        },
        7,
        100,
      ),
      [33, 1],
    );
  });

  test("an elementwise kernel of 65,535 * 256 elements and more is folded, and counts workgroups along x, then y", () => {
    const elements = 65_535 * 256 + 1;
    const { shaders, calls } = emitWgsl([copyOf(elements)], { memory: (_, buffer) => buffer, name: () => "x" });
    const [dispatch] = calls.map(callSpec)[0]?.variants[0]?.dispatches ?? [];
    assert.ok(dispatch !== undefined);
    const [shader] = shaders.slice(dispatch.shader);
    assert.ok(shader !== undefined);
    const code = fixedText(shader);
    const size = Number(/@workgroup_size\((\d+)\)/.exec(code)?.[1]);
    const [x, y] = gridOf(dispatch, 1, MOST);
    assert.ok(y > 1 && x <= MOST && x * y * size >= elements, `${x} x ${y} workgroups of ${size}`);
    assert.match(code, /let group = i32\(id\.y \* grid\.x \+ id\.x\);/);
    assert.match(code, new RegExp(`let element = group \\* ${size} \\+ lane;\\s+if \\(element >= ${elements}\\) \\{ return; \\}`));
  });
});
