/**
 * The library's models against numbers from outside: parameters and multiply-accumulates, and the names, shapes, dtypes
 * and order of the tensors of PyTorch's checkpoints. Invariant: every row and file beside the project has a case.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { compile, listModels } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";

const folder = fileURLToPath(new URL("../../../shared/fixtures/", import.meta.url));

interface Row {
  readonly name: string;
  readonly input: readonly number[];
  readonly parameters: number;
  readonly macs: number;
}

interface Checkpoint {
  readonly model: string;
  /** Left out where the names do not depend on it. */
  readonly input?: readonly number[];
  readonly parameters: number;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string; readonly kind: string }[];
}

const models = await listModels();

/** The model of that reference at its fixture's input size. */
async function summaryOf(reference: string, input: readonly number[]) {
  const model = models.find((each) => each.reference === reference);
  assert.ok(model !== undefined, `no model of the library has the reference ${reference}`);
  const { path, name } = model as (typeof models)[number];
  const free = (await compile({ file: path, model: name, mode: "inference" })).summary().inputs[0]?.shape ?? [];
  const dims = Object.fromEntries(free.flatMap((size, axis) => (axis > 0 && typeof size === "string" ? [[size, input[axis - 1] ?? 0]] : [])));
  return (await compile({ file: path, model: name, mode: "inference", dims })).summary();
}

suite("library models", (test) => {
  test("each has a name, a path, a reference of its own, and cites its paper", () => {
    assert.ok(models.length >= 40, `${models.length} models`);
    assert.is(new Set(models.map(({ name }) => name)).size, models.length);
    assert.is(new Set(models.map(({ reference }) => reference)).size, models.length);
    const uncited = models.filter(({ source }) => !/[A-Z]\w+ (?:and [A-Z]\w+ |et al\. )?(?:19|20)\d\d, arXiv \d{4}\.\d{5}/.test(source));
    assert.equal(
      uncited.map(({ name, source }) => `${name}: ${source}`),
      [],
    );
    assert.equal(
      models.filter(({ path, reference }) => !path.startsWith("std/models/") || reference === undefined),
      [],
    );
  });

  if (!existsSync(`${folder}reference-counts.json`)) test.skip("parameters and MACs", "the fixtures are not beside the project");
  else {
    const { models: rows } = JSON.parse(readFileSync(`${folder}reference-counts.json`, "utf8")) as { models: readonly Row[] };
    for (const row of rows)
      test(`${row.name}: parameters and MACs`, async () => {
        const { parameters, macs } = await summaryOf(row.name, row.input);
        assert.equal({ parameters, macs }, { parameters: row.parameters, macs: row.macs });
      });
  }

  if (!existsSync(`${folder}state-dict-names`)) test.skip("names of tensors", "the fixtures are not beside the project");
  else
    for (const file of readdirSync(`${folder}state-dict-names`).sort()) {
      const expected = JSON.parse(readFileSync(`${folder}state-dict-names/${file}`, "utf8")) as Checkpoint;
      test(`${expected.model}: tensors of the checkpoint`, async () => {
        const { parameters, tensors } = await summaryOf(expected.model, expected.input ?? [3, 224, 224]);
        assert.is(parameters, expected.parameters);
        const found = tensors.map(({ name, shape, dtype, kind }) => ({ name, shape, dtype, kind: kind === "param" ? "parameter" : "buffer" }));
        assert.equal(
          found,
          expected.tensors.map(({ name, shape, dtype, kind }) => ({ name, shape, dtype, kind })),
        );
      });
    }
});
