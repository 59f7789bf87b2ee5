/**
 * Networks as someone new to the language writes them, from LANGUAGE.md alone: they check clean, Wasm agrees with the f64
 * interpreter on outputs and gradients, gradients agree with central differences, and training steps stay finite.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { parse } from "../../grammar/parse.ts";
import { check } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";
import { compare } from "../stdlib/against-reference.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".resnet"));
const TOLERANCE = 1e-4;
const SLOPE_TOLERANCE = 1e-5;

/** Sizes that a model leaves free. */
const DIMS: Readonly<Record<string, Readonly<Record<string, number>>>> = { UNet: { H: 8, W: 8 }, Audio: { T: 50 } };

function modelsOf(path: string): readonly string[] {
  const { module } = parse({ path, text: readFileSync(path, "utf8") });
  return module.items.flatMap((item) => (item.kind === "Block" && item.model ? [item.name.text] : []));
}

suite("programs", (test) => {
  test("check clean", async () => {
    const { diagnostics } = await check([folder]);
    assert.equal(
      diagnostics.map(({ code, message, span }) => `${span.source.path} ${code} ${message}`),
      [],
    );
    assert.ok(files.length >= 16);
  });

  for (const file of files)
    for (const model of modelsOf(`${folder}${file}`))
      test(`${model}: outputs, gradients, slopes, steps`, async () => {
        const dims = DIMS[model];
        const { deviations, slopes, losses } = await compare(`${folder}${file}`, model, dims === undefined ? {} : { dims });
        assert.equal(
          [...deviations].filter(([, value]) => !(value <= TOLERANCE)),
          [],
        );
        assert.equal(
          [...slopes].filter(([, value]) => !(value <= SLOPE_TOLERANCE)),
          [],
        );
        assert.ok(deviations.has("loss") && slopes.size > 2);
        assert.ok(losses.length === 2 && losses.every(Number.isFinite), losses.join(" "));
      });
});
