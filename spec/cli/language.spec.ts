/** Commands about the language itself, with the real compiler: explain, new, check --fix and --signatures, list, reference. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { SarifLog } from "../../compiler/report/sarif.ts";
import { readSafetensors, writeSafetensors } from "../../runtime/safetensors.ts";
import * as api from "../../tools/api/index.ts";
import type { Diagnostic, Edit } from "../../grammar/diagnostic.ts";
import { loadApi } from "../../tools/cli/api.ts";
import { chooseFixes } from "../../tools/cli/fix.ts";
import { inFolder, put } from "../data/temporary.ts";
import { suite } from "../harness.ts";
import { call, type Called } from "./call.ts";

const run = async (...args: readonly string[]): Promise<Called> => call(await loadApi(), ...args);

suite("cli/explain", (test) => {
  test("title, meaning, wrong and right", async () => {
    const { exitCode, out, err } = await run("explain", "RN201");
    assert.equal([exitCode, err], [0, ""]);
    const parts = ["RN201: skip with other channels", "via project", "Wrong:", "skip x -> sum\n", "Right:", "skip x -> sum via project\n"];
    for (const part of parts) assert.ok(`${out}\n`.includes(part), `${part} in\n${out}`);
    assert.is((await run("explain", "201")).out, out);
    assert.is((await run("explain", "rn201")).out, out);
    assert.ok(out.split("\n").every((line) => line.length <= 90));
  });
  test("codes of the runtime, the list, JSON, and a code that does not exist", async () => {
    assert.match((await run("explain", "RN602")).out, /^RN602: not enough memory/);
    const list = (await run("explain")).out.split("\n");
    assert.ok(list.length > 90 && list.every((line) => /^RN\d{3} {2}\S/.test(line)));
    const json = JSON.parse((await run("explain", "RN101", "--json")).out) as Record<string, string>;
    assert.ok(json["bad"]?.includes("batchnrm") && json["good"]?.includes("batchnorm"));
    const unknown = await run("explain", "RN999");
    assert.equal([unknown.exitCode, unknown.out], [2, ""]);
    assert.match(unknown.err, /no code RN999/);
  });
});

const STARTS: readonly (readonly [path: string, model: string])[] = [
  ["std/models/cifar", "CifarResNet20B"],
  ["std/models/densenet", "DenseNetBC100_12"],
  ["std/models/resnet", "ResNeXt50_32x4d"],
  ["std/models/ror", "RoR3_110"],
  ["std/models/transformer", "TransformerTiny"],
];

suite("cli/new", (test) => {
  for (const [path, model] of STARTS)
    test(`${model}: clean, with a recipe, the same network`, () =>
      inFolder(async (folder) => {
        const file = join(folder, "mine.resnet");
        const made = await run("new", join(folder, "mine"), "--from", path, "--model", model);
        assert.equal([made.exitCode, made.out], [0, ""], made.err);
        assert.equal((await api.check([file])).diagnostics, []);
        const [own, library] = [await api.compile({ file, mode: "inference" }), await api.compile({ file: path, model, mode: "inference" })];
        assert.equal(own.summary(), library.summary());
        assert.is(own.recipe?.name, model);
        const text = readFileSync(file, "utf8");
        assert.match(text, /^edition 2026\nimport \{/);
        assert.not.match(text, /Reference:|variant/);
      }));
  test("a path with one model needs no --model", () =>
    inFolder(async (folder) => {
      assert.is((await run("new", join(folder, "sound.resnet"), "--from", "std/models/audio")).exitCode, 0);
      assert.ok(existsSync(join(folder, "sound.resnet")));
    }));
  test("refuses to overwrite, to guess, and other sources", () =>
    inFolder(async (folder) => {
      const file = put(folder, "mine.resnet", new TextEncoder().encode("const a = 1\n"));
      const cases: [string[], RegExp][] = [
        [["new", file, "--from", "std/models/audio"], /mine\.resnet exists/],
        [["new", join(folder, "b"), "--from", "std/models/cifar"], /several models: choose one with --model; it has CifarResNet20A, /],
        [["new", join(folder, "b"), "--from", "std/models/cifar", "--model", "Cifar"], /has no model Cifar/],
        [["new", join(folder, "b"), "--from", "std/models/none"], /cannot read std\/models\/none/],
        [["new", join(folder, "b"), "--from", file], /expected a path of the standard library/],
        [["new", join(folder, "b")], /--from/],
      ];
      for (const [args, message] of cases) {
        const { exitCode, err } = await run(...args);
        assert.is(exitCode, 2, args.join(" "));
        assert.match(err, message);
      }
      assert.is(readFileSync(file, "utf8"), "const a = 1\n");
      assert.not.ok(existsSync(join(folder, "b.resnet")));
    }));
});

const WITH_SLIPS = `block Layer {
  in  x: [N, C, H, W]
  out y: [N, C, H, W]
  x → conv(C, 3) → relu -> batchnrm -> y
}
`;

suite("cli/check: files that are none", (test) => {
  test("bytes that are no text cost one line and status 2; a byte order mark is in no column", () =>
    inFolder(async (folder) => {
      const binary = put(
        folder,
        "a.resnet",
        Uint8Array.from({ length: 400 }, (_, i) => (i * 197) % 256),
      );
      const called = await run("check", binary);
      assert.is(called.exitCode, 2);
      assert.match(called.err, /RN801.*it is no text file: there is a NUL byte at line 1, column 1/);
      const marked = put(folder, "b.resnet", "\uFEFFblok A(w: dim) {\r\n  in x: [..S]\r\n  out y\r\n  x -> relu -> y\r\n}\r\n");
      const found = JSON.parse((await run("check", marked, "--format", "json")).out) as { code: string; line: number; column: number }[];
      assert.equal(found.map(({ code, line, column }) => [code, line, column])[0], ["RN003", 1, 1]);
    }));
});

suite("cli/check: what cannot be read", (test) => {
  const WRONG: readonly (readonly [string, readonly number[], RegExp])[] = [
    [
      "latin-1",
      [0x2f, 0x2f, 0x20, 0x63, 0x61, 0x66, 0xe9, 0x0a],
      /the byte 0xE9 at line 1, column 7 is not allowed there; in Latin-1 that is `é`; save it as UTF-8/,
    ],
    ["cut", [0x0a, 0x61, 0xe4, 0xb8], /the byte 0xE4 at line 2, column 2/],
    ["stray", [0x61, 0x80, 0x62], /the byte 0x80 at line 1, column 2 is not allowed there; save/],
    ["surrogate", [0x61, 0xed, 0xa0, 0x80], /a lone surrogate, is encoded at line 1, column 2/],
    ["utf-16", [0xff, 0xfe, 0x61, 0x00], /it is a text in UTF-16; save it as UTF-8/],
    ["utf-16 without its mark", [..."block A "].flatMap((letter) => [letter.charCodeAt(0), 0]), /it is a text in UTF-16/],
    ["gzip", [0x1f, 0x8b, 8, 0], /it is compressed by gzip, not a text file/],
    ["zip", [0x50, 0x4b, 3, 4, 0], /a zip archive/],
  ];
  for (const [name, bytes, message] of WRONG)
    test(`${name}: the byte, its place and the remedy`, () =>
      inFolder(async (folder) => {
        const { exitCode, err } = await run("check", put(folder, "a.resnet", Uint8Array.from(bytes)));
        assert.is(exitCode, 2);
        assert.match(err, message);
      }));

  test("hides nothing of the other files; an import is named as well", () =>
    inFolder(async (folder) => {
      put(folder, "good.resnet", "const a = 1\n");
      put(folder, "latin.resnet", Uint8Array.from([0xe9]));
      put(folder, "use.resnet", 'import { A } from "./latin"\nconst b = A\n');
      put(folder, "wrong.resnet", "block A {\n  in  x: [..S]\n  out y\n  x -> reluu -> y\n}\n");
      const { exitCode, out, err } = await run("check", folder, join(folder, "none.resnet"), "--format", "sarif");
      assert.is(exitCode, 2);
      const [only] = (JSON.parse(out) as SarifLog).runs;
      assert.equal(
        only?.results.map(({ ruleId }) => ruleId),
        ["RN101"],
      );
      assert.is(only?.invocations[0]?.executionSuccessful, false);
      assert.is(only?.invocations[0]?.toolExecutionNotifications?.length, 3);
      assert.is(err.match(/latin\.resnet: it is not UTF-8/g)?.length, 2, err);
      assert.match(err, /none\.resnet: no such file/);
      assert.match(err, /1 error in 2 files/);
    }));
});

suite("cli/check --fix", (test) => {
  test("makes the safe fixes, says which, checks again", () =>
    inFolder(async (folder) => {
      const file = put(folder, "a.resnet", new TextEncoder().encode(WITH_SLIPS));
      const clean = put(folder, "b.resnet", new TextEncoder().encode("const a = 1\n"));
      const { exitCode, out, err } = await run("check", folder, "--fix");
      assert.is(exitCode, 1);
      assert.is(readFileSync(file, "utf8"), WITH_SLIPS.replaceAll("→", "->"), "the misspelt layer is not a safe fix");
      assert.is(readFileSync(clean, "utf8"), "const a = 1\n");
      assert.ok(err.includes(`${file}:4:5: RN001: `) && err.includes(`${file}:4:18: RN001: `), err);
      assert.match(err, /made 2 fixes/);
      assert.match(out, /RN101/);
      assert.not.match(out, /RN001/);
    }));
  test("nothing to fix", () =>
    inFolder(async (folder) => {
      const file = put(folder, "b.resnet", new TextEncoder().encode("const a = 1\n"));
      const { exitCode, err } = await run("check", file, "--fix");
      assert.is(exitCode, 0);
      assert.match(err, /no safe fixes to make\nno errors/);
    }));
  test("fixes that overlap wait; the library and unsafe fixes are left alone", () => {
    const source = { path: "a.resnet", text: "abcdef" };
    const edit = (start: number, end: number, path = source.path): Edit => ({ span: { source: { ...source, path }, start, end }, replacement: "x" });
    const diagnostic = (edits: readonly Edit[], applicability: "safe" | "maybe-incorrect" = "safe"): Diagnostic => ({
      code: "RN001",
      severity: "error",
      message: "m",
      span: { source, start: 0, end: 1 },
      labels: [],
      help: [],
      fixes: [{ title: "t", applicability, edits }],
    });
    const all = [
      diagnostic([edit(0, 2)]),
      diagnostic([edit(4, 5), edit(1, 3)]),
      diagnostic([edit(4, 5)]),
      diagnostic([edit(5, 6)], "maybe-incorrect"),
      diagnostic([edit(0, 1, "std/layers")]),
    ];
    assert.equal(
      chooseFixes(all).map((each) => all.indexOf(each.diagnostic)),
      [0, 2],
    );
    assert.is(chooseFixes([diagnostic([edit(2, 2)]), diagnostic([edit(2, 2)])]).length, 1);
  });
});

suite("cli/check --signatures", (test) => {
  const text = `block Halve(width: dim) {
  in  x: [N, C, H, W]
  out y
  where width % 4 == 0
  x -> conv(width, 3) -> maxpool(2) -> y
}

block Twice(Block: block) {
  in  x: [..S]
  out y: [..S]
  x -> Block -> Block -> y
}
`;
  test("ports, inferred shapes and conditions", () =>
    inFolder(async (folder) => {
      const file = put(folder, "a.resnet", new TextEncoder().encode(text));
      const { exitCode, out } = await run("check", file, "--signatures");
      assert.is(exitCode, 0);
      const expected = [
        "block Halve(width: dim)",
        "  in  x: f32[N, C, H, W]",
        "  out y: f32[N, width, floor(H/2), floor(W/2)]    (inferred)",
        "  where width % 4 == 0",
        "  inferred where H >= 2, W >= 2",
        "",
        "block Twice(Block: block)",
        "  in  x: f32[..S]",
        "  out y: f32[..S]",
        "  checked where it is used",
      ];
      assert.equal(out.split("\n"), expected);
      const json = JSON.parse((await run("check", file, "--signatures", "--format", "json")).out);
      assert.equal(json.diagnostics, []);
      assert.equal(
        json.signatures.map((each: { name: string }) => each.name),
        ["Halve", "Twice"],
      );
      assert.equal(json.recipes, []);
      assert.equal(json.signatures[0].inferred, ["H >= 2", "W >= 2"]);
      assert.equal(json.signatures[0].outputs, [{ name: "y", dtype: "f32", shape: "[N, width, floor(H/2), floor(W/2)]", inferred: true }]);
    }));
  test("has no SARIF", async () => {
    const { exitCode, err } = await run("check", "std/layers", "--signatures", "--format", "sarif");
    assert.is(exitCode, 2);
    assert.match(err, /--signatures has no sarif/);
  });
});

suite("cli/list", (test) => {
  test("a table, and JSON with the sources", async () => {
    const { out } = await run("list");
    assert.match(out, /^model +path +reference\n/);
    assert.match(out, /\nResNet50 +std\/models\/resnet +resnet50\n/);
    const json = JSON.parse((await run("list", "--json")).out) as Record<string, string>[];
    assert.equal(Object.keys(json[0] ?? {}), ["name", "path", "reference", "source"]);
    assert.match(json.find((each) => each["reference"] === "cifar_resnet110_a")?.["source"] ?? "", /He et al\. 2015, arXiv 1512\.03385/);
  });
});

const NET = `model Net {
  in  x: f32[N, 3, 4, 4]
  out logits: f32[N, 2]
  x -> conv(4, 3) -> batchnorm -> relu -> gap -> fc: linear(2) -> logits
}
`;

suite("cli/--device reference", (test) => {
  test("run and gradients agree with wasm; other commands refuse it", () =>
    inFolder(async (folder) => {
      const file = put(folder, "net.resnet", new TextEncoder().encode(NET));
      const x = { dtype: "f32", shape: [2, 3, 4, 4], data: Float32Array.from({ length: 96 }, (_, i) => Math.sin(i * i)) } as const;
      const label = { dtype: "i64", shape: [2], data: BigInt64Array.of(0n, 1n) } as const;
      const data = put(folder, "io.safetensors", writeSafetensors({ x, label }));
      const results = await Promise.all(
        ["wasm", "reference"].map(async (device) => {
          const [outputs, gradients] = [join(folder, `o-${device}.safetensors`), join(folder, `g-${device}.safetensors`)];
          const forward = await run("run", file, "--input", `x=${data}#x`, "--device", device, "-o", outputs);
          const inputs = ["--input", `x=${data}#x`, "--input", `label=${data}#label`];
          const backward = await run("gradients", file, ...inputs, "--device", device, "-o", gradients);
          assert.equal([forward.exitCode, backward.exitCode], [0, 0], forward.err + backward.err);
          return { ...readSafetensors(readFileSync(gradients)).tensors, ...readSafetensors(readFileSync(outputs)).tensors };
        }),
      );
      const [wasm = {}, reference = {}] = results;
      assert.equal(Object.keys(reference), Object.keys(wasm));
      assert.ok(Object.keys(reference).length >= 7);
      for (const [name, tensor] of Object.entries(reference)) {
        assert.equal([tensor.dtype, tensor.shape], [wasm[name]?.dtype, wasm[name]?.shape], name);
        Array.from(tensor.data, Number).forEach((value, i) => assert.ok(Math.abs(value - Number(wasm[name]?.data[i])) < 1e-5, `${name}[${i}]`));
      }
      const refused = await run("eval", file, "--weights", data, "--data", folder, "--device", "reference");
      assert.is(refused.exitCode, 2);
      assert.match(refused.err, /only run and gradients have it/);
      const wrong = await run("run", file, "--input", `x=${data}#label`, "--device", "reference");
      assert.is.not(wrong.exitCode, 0);
    }));
});
