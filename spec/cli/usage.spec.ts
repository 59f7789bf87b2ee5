/** Arguments, help, exit codes and output streams of the command line, with a stand-in for the compiler. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { ResnetError } from "../../runtime/error.ts";
import { readSafetensors, writeSafetensors } from "../../runtime/safetensors.ts";
import { describeFailure } from "../../tools/cli/failure.ts";
import { parseDims, parseInputs, parseSet } from "../../tools/cli/options.ts";
import { summarize } from "../../tools/cli/report.ts";
import { parseSchedule } from "../../tools/cli/schedule-option.ts";
import { formatCount, formatTable } from "../../tools/cli/terminal.ts";
import { VERSION } from "../../tools/cli/version.ts";
import { inFolder, put } from "../data/temporary.ts";
import { suite } from "../harness.ts";
import { call } from "./call.ts";
import { fakeApi } from "./fake-network.ts";

const COMMANDS = ["check", "explain", "summary", "list", "new", "build", "run", "gradients", "train", "eval", "devices", "doctor", "demo"];

const refuses = (body: () => unknown, ...parts: readonly string[]): void => {
  try {
    body();
  } catch (error) {
    assert.is(describeFailure(error, false).exitCode, 2);
    for (const part of parts) assert.ok((error as Error).message.includes(part), `${(error as Error).message} lacks ${part}`);
    return;
  }
  assert.unreachable("no error");
};

suite("cli/options", (test) => {
  test("--dim", () => {
    assert.equal(parseDims(["N=1,H=224", "W=32"]), { N: 1, H: 224, W: 32 });
    refuses(() => parseDims(["H"]), "--dim H", "NAME=VALUE");
    refuses(() => parseDims(["H=0"]), "--dim H=0", "whole number");
    refuses(() => parseDims(["H=1.5"]), "H=1.5");
    refuses(() => parseDims(["H="]), "H=");
    refuses(() => parseDims(["H=1,H=2"]), "given before");
  });
  test("--set", () => {
    assert.equal(parseSet(["classes=10,rate=-0.5", "wide=true", "depths=[3, 4, 6]", "stages=[(64, 3), (128, 4)]", "block=Basic"]), {
      classes: 10,
      rate: -0.5,
      wide: true,
      depths: [3, 4, 6],
      stages: [
        [64, 3],
        [128, 4],
      ],
      block: "Basic",
    });
    refuses(() => parseSet(["=1"]), "--set =1");
    refuses(() => parseSet(["a="]), "a value after");
    refuses(() => parseSet(["a=[1, x]"]), "a list like");
  });
  test("--input", () => {
    assert.equal(parseInputs(["image=a=b,c.npy", "label=y.npy"]), { image: "a=b,c.npy", label: "y.npy" });
    refuses(() => parseInputs(["a.npy"]), "NAME=FILE");
    refuses(() => parseInputs(["image="]), "NAME=FILE");
    refuses(() => parseInputs(["a=1", "a=2"]), "each input once");
  });
  test("--schedule", () => {
    assert.equal(parseSchedule("constant"), [{ kind: "constant" }]);
    assert.equal(parseSchedule("warmup(0.5) -> cosine(4)"), [
      { kind: "warmup", epochs: 0.5 },
      { kind: "cosine", epochs: 4 },
    ]);
    assert.equal(parseSchedule("step([30, 60], gamma: 0.1)"), [{ kind: "step", milestones: [30, 60], gamma: 0.1 }]);
    assert.equal(parseSchedule("warmup(epochs: 5) -> cosine(90, final: 1e-2)")[1], {
      kind: "cosine",
      epochs: 90,
      final: 0.01,
    });
    for (const text of ["", "linear(3)", "cosine", "cosine(a)", "constant } block A {", "cosine([1, 2]", "constant batch 5"])
      refuses(() => parseSchedule(text), "--schedule");
  });
});

suite("cli/usage", (test) => {
  test("help lists all commands; each has examples and exits 0", async () => {
    const { exitCode, out } = await call(fakeApi(), "--help");
    assert.is(exitCode, 0);
    for (const command of COMMANDS) {
      assert.match(out, new RegExp(`^  ${command} `, "m"));
      const help = await call(fakeApi(), command, "--help");
      assert.equal([help.exitCode, help.err], [0, ""]);
      assert.match(help.out, `resnet ${command}`);
      assert.match(help.out, "Examples:");
    }
  });
  test("version is the package's", async () => {
    const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    assert.is(VERSION, version);
    assert.is((await call(fakeApi(), "--version")).out, version);
  });
  test("wrong usage exits 2 with a suggestion and prints nothing to standard output", async () => {
    const cases: [string[], RegExp][] = [
      [[], /Usage: resnet/],
      [["trian"], /Did you mean train\?/],
      [["check", "a.resnet", "--fromat", "json"], /Did you mean --format\?/],
      [["check"], /missing required argument 'path'/],
      [["check", "a.resnet", "--format", "xml"], /--format xml: expected one of pretty, json, sarif, github/],
      [["train", "a.resnet", "--epochs", "many"], /--epochs many: expected a whole number from 1/],
      [["train", "a.resnet", "--resume", "--weights", "w"], /--weights or --resume/],
      [["run", "a.resnet"], /--input/],
      [["run", "a.resnet", "--input", "image=x.npy", "--device", "gpu"], /--device gpu: expected one of/],
      [["gradients", "a.resnet", "--input", "image=x.npy"], /--output/],
      [["eval", "a.resnet", "--data", "x"], /--weights/],
      [["build", "a.resnet"], /give -o OUT.js/],
      [["build", "a.resnet", "-o", "x.txt"], /ends in .js/],
      [["build", "a.resnet", "--dump", "tree"], /expected one of ast, program, graph, kernels, plan, wat/],
      [["summary", "a.resnet", "--dim", "H=x"], /--dim H=x/],
    ];
    for (const [args, message] of cases) {
      const { exitCode, out, err } = await call(fakeApi(), ...args);
      assert.is(exitCode, 2, args.join(" "));
      assert.is(out, "", args.join(" "));
      assert.match(err, message);
      assert.not.match(err, /\n\s+at /);
    }
  });
  test("an unexpected exception is one line without a stack", async () => {
    const broken = { ...fakeApi(), check: () => Promise.reject(new TypeError("x is undefined")) };
    const { exitCode, out, err } = await call(broken, "check", "a.resnet");
    assert.equal([exitCode, out], [1, ""]);
    assert.is(err, "error: internal error: x is undefined (set RESNET_DEBUG=1 to see where)");
    assert.match(describeFailure(new TypeError("x"), true).message, /\n\s+at /);
  });
  test("codes tell unreadable input from input that is wrong", () => {
    const exitOf = (code: string): number => describeFailure(new ResnetError(code, "m"), false).exitCode;
    assert.equal(["RN801", "RN805", "RN714", "RN721", "RN731"].map(exitOf), [2, 2, 2, 2, 2]);
    assert.equal(["RN710", "RN703", "RN742", "RN602"].map(exitOf), [1, 1, 1, 1]);
  });
  test("tables and counts", () => {
    assert.equal(
      formatTable(
        [
          ["a", "n"],
          ["long", "1"],
          ["b", "100"],
        ],
        ["left", "right"],
      ),
      ["a       n", "long    1", "b     100"],
    );
    assert.equal([0, 999, 1000, 1234567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
    assert.is(summarize([], 1), "no errors in 1 file");
  });
});

suite("cli/commands", (test) => {
  test("check: exit codes and formats", async () => {
    const source = { path: "a.resnet", text: "block A {\n  x -> y\n}\n" };
    const span = { source, start: 12, end: 13 };
    const diagnostic = {
      code: "RN101",
      severity: "error",
      message: "no `x` here",
      span,
      note: "unknown",
      labels: [],
      help: ["declare it"],
      fixes: [],
    } as const;
    const api = { ...fakeApi(), check: async () => ({ diagnostics: [diagnostic], files: 2, unreadable: [] }) };
    const pretty = await call(api, "check", "a.resnet");
    assert.is(pretty.exitCode, 1);
    for (const part of ["error[RN101]: no `x` here", "a.resnet:2:3", "unknown", "declare it"]) assert.ok(pretty.out.includes(part), pretty.out);
    assert.match(pretty.err, "1 error in 2 files");
    const json = JSON.parse((await call(api, "check", "a.resnet", "--format", "json")).out);
    assert.equal([json.length, json[0].code, json[0].line, json[0].column], [1, "RN101", 2, 3]);
    const sarif = JSON.parse((await call(api, "check", "a.resnet", "--format", "sarif")).out);
    assert.is(sarif.runs[0].results[0].locations[0].physicalLocation.region.startLine, 2);
    assert.match(
      (await call(api, "check", "a.resnet", "--format", "github")).out,
      /^::error file=a.resnet,line=2,col=3,[^\n]*RN101[^\n]*no `x` here/,
    );
    assert.equal(await call(fakeApi(), "check", "a.resnet", "--format", "json"), {
      exitCode: 0,
      out: "[]",
      err: "no errors in 1 file",
    });
    const warning = {
      ...fakeApi(),
      check: async () => ({ diagnostics: [{ ...diagnostic, severity: "warning" as const }], files: 1, unreadable: [] }),
    };
    assert.is((await call(warning, "check", "a.resnet")).exitCode, 0);
  });
  test("diagnostics of a compile error are shown, exit 1", async () => {
    const source = { path: "a.resnet", text: "model" };
    const diagnostic = {
      code: "RN001",
      severity: "error",
      message: "expected a name",
      span: { source, start: 5, end: 5 },
      labels: [],
      help: [],
      fixes: [],
    };
    const api = {
      ...fakeApi(),
      compile: () => Promise.reject(Object.assign(new Error("1 error"), { diagnostics: [diagnostic] })),
    };
    const { exitCode, out, err } = await call(api, "summary", "a.resnet", "--json");
    assert.equal([exitCode, out], [1, ""]);
    assert.match(err, "a.resnet:1:6");
  });
  test("summary and list: --json is the document alone", async () => {
    const api = fakeApi();
    const summary = await call(api, "summary", "a.resnet", "--json", "--model", "M", "--dim", "H=3", "--set", "classes=5");
    assert.is(JSON.parse(summary.out).activation_bytes, 1234);
    assert.is(summary.err, "");
    assert.equal(api.calls, [{ file: "a.resnet", mode: "inference", usualSizes: true, model: "M", dims: { H: 3 }, set: { classes: 5 } }]);
    assert.match((await call(api, "summary", "a.resnet")).out, /fc\s+linear\s+\[N, 3\]\s+12\s+12\s+1,234/);
    assert.is(JSON.parse((await call(api, "list", "--json")).out)[0].reference, "resnet50");
    assert.match((await call(api, "list")).out, /ResNet50\s+std\/models\/resnet/);
  });
  test("build writes module, types and weights; checks the weights", () =>
    inFolder(async (folder) => {
      const weights = writeSafetensors({ weight: { dtype: "f32", shape: [3, 4], data: new Float32Array(12) } });
      const file = put(folder, "w.safetensors", weights);
      const out = join(folder, "net.js");
      assert.is((await call(fakeApi(), "build", "a.resnet", "-o", out, "--weights", file)).exitCode, 0);
      assert.is(readFileSync(out, "utf8"), `// ${weights.length} \n`);
      assert.is(readFileSync(join(folder, "net.d.ts"), "utf8"), "export {};\n");
      await call(fakeApi(), "build", "a.resnet", "-o", out, "--weights", file, "--beside");
      assert.is(readFileSync(out, "utf8"), "// 0 ./net.safetensors\n");
      assert.equal(new Uint8Array(readFileSync(join(folder, "net.safetensors"))), new Uint8Array(weights));
      const wrong = put(folder, "v.safetensors", writeSafetensors({ weight: { dtype: "f32", shape: [2], data: new Float32Array(2) } }));
      const refused = await call(fakeApi(), "build", "a.resnet", "-o", join(folder, "no.js"), "--weights", wrong);
      assert.is(refused.exitCode, 1);
      assert.ok(refused.err.includes(wrong), refused.err);
      assert.not.ok(existsSync(join(folder, "no.js")));
      const lying = put(folder, "l.safetensors", Uint8Array.of(255, 0, 0, 0, 0, 0, 0, 0, 123));
      assert.is((await call(fakeApi(), "build", "a.resnet", "-o", out, "--weights", lying)).exitCode, 2);
      assert.is((await call(fakeApi(), "build", "a.resnet", "--dump=plan")).out, "the plan");
    }));
  test("run and gradients: inputs, outputs, sizes from files", () =>
    inFolder(async (folder) => {
      const image = { dtype: "f32", shape: [2, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) } as const;
      const labels = { dtype: "i64", shape: [2], data: BigInt64Array.of(0n, 2n) } as const;
      const weight = {
        dtype: "f32",
        shape: [3, 4],
        data: Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1),
      } as const;
      const io = put(folder, "io.safetensors", writeSafetensors({ image, labels }));
      const weights = put(folder, "w.safetensors", writeSafetensors({ weight }));
      const out = join(folder, "out.safetensors");
      const free = fakeApi({ free: true });
      const run = await call(free, "run", "a.resnet", "--input", `image=${io}#image`, "--weights", weights, "-o", out);
      assert.equal([run.exitCode, run.out], [0, ""], run.err);
      assert.equal(free.calls[1]?.dims, { H: 2, W: 2 });
      assert.equal([...(readSafetensors(readFileSync(out)).tensors["logits"]?.data ?? [])], [1, 2, 4, 5, 6, 8]);
      const shown = await call(fakeApi(), "run", "a.resnet", "--input", `image=${io}#image`, "--weights", weights);
      assert.match(shown.out, /1: \[2\] 8\.00000 {3}\[1\] 6\.00000 {3}\[0\] 5\.00000/);
      const gradients = await call(free, "gradients", "a.resnet", "--input", `image=${io}#image`, "--input", `label=${io}#labels`, "-o", out);
      assert.is(gradients.exitCode, 0, gradients.err);
      assert.equal(Object.keys(readSafetensors(readFileSync(out)).tensors).sort(), ["loss", "output.logits", "weight"]);
      const missing = await call(fakeApi(), "gradients", "a.resnet", "--input", `image=${io}#image`, "-o", out);
      assert.is(missing.exitCode, 2);
      assert.match(missing.err, "--input label=FILE is missing");
      const unknown = await call(fakeApi(), "run", "a.resnet", "--input", `image=${io}#image`, "--input", `x=${io}#image`);
      assert.match(unknown.err, "--input x: Fake has no such input");
      assert.is((await call(fakeApi(), "run", "a.resnet", "--input", `image=${join(folder, "none.npy")}`)).exitCode, 2);
    }));
});
