/**
 * What is made of a machine: causes and commands, the device that `auto` takes, what `resnet devices` and `resnet doctor`
 * print. Machines that are not at hand are given as facts; this one is asked once.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import * as assert from "uvu/assert";
import { describeDevices, devicesText } from "../../tools/cli/devices.ts";
import { doctorText, writeRefusal } from "../../tools/cli/doctor.ts";
import { checks, type HostFacts } from "../../tools/host/checks.ts";
import { decide, describeChoice } from "../../tools/host/choose-device.ts";
import { diagnose, type Machine } from "../../tools/host/diagnose.ts";
import { isGlobal } from "../../tools/host/machine.ts";
import { type AdapterFacts, askProgram, type Probe, readAnswer } from "../../tools/host/probe.ts";
import { distribution, installCommand, vulkanFacts } from "../../tools/host/vulkan.ts";
import { wasmFacts } from "../../tools/host/wasm.ts";
import { call } from "../cli/call.ts";
import { fakeApi } from "../cli/fake-network.ts";
import { inFolder } from "../data/temporary.ts";
import { suite } from "../harness.ts";
import { throwsError } from "../runtime/expect-error.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const HOPPER: AdapterFacts = {
  name: "NVIDIA H100 80GB HBM3",
  vendor: "nvidia",
  architecture: "hopper",
  device: "nvidia-h100-80gb-hbm3",
  description: "NVIDIA: 550.90.07",
  backend: "vulkan",
  software: false,
  features: ["shader-f16", "subgroups", "texture-compression-bc"],
  limits: { maxBufferSize: 2 ** 40, maxStorageBufferBindingSize: 2 ** 31, maxComputeInvocationsPerWorkgroup: 1024 },
};
const LLVMPIPE: AdapterFacts = { ...HOPPER, name: "llvmpipe (LLVM 15.0.6, 256 bits)", vendor: "mesa", architecture: "software", software: true };

const MACHINE: Machine = {
  platform: "linux",
  distribution: "debian",
  isRoot: true,
  isGlobal: false,
  vulkan: { loader: "/usr/lib/libvulkan.so.1", drivers: ["nvidia_icd.json"], cards: ["nvidia"] },
};
const withVulkan = (vulkan: Partial<NonNullable<Machine["vulkan"]>>): Machine => ({
  ...MACHINE,
  vulkan: { loader: "/usr/lib/libvulkan.so.1", drivers: [], cards: [], ...vulkan },
});
const adapter = (first: AdapterFacts): Probe => ({ kind: "adapter", first, adapters: [first] });
const NONE: Probe = { kind: "no-adapter", warnings: ["vkCreateInstance: Found no drivers!"] };

suite("host", (test) => {
  test("each cause has its words and, where one command is the remedy, the command", () => {
    const cases: readonly [Probe, Machine, reason: RegExp, remedy: RegExp, command?: string][] = [
      [{ kind: "not-installed" }, MACHINE, /^the package `webgpu` is not installed$/, /npm install webgpu/, "npm install webgpu"],
      [{ kind: "not-installed" }, { ...MACHINE, isGlobal: true }, /not installed/, /npm install -g webgpu/, "npm install -g webgpu"],
      [{ kind: "unloadable", reason: "no dist/linux-arm" }, MACHINE, /does not load \(no dist\/linux-arm\)/, /anew/, "npm install webgpu"],
      [{ kind: "unloadable", reason: "version `GLIBC_2.34' not found" }, MACHINE, /GLIBC_2\.34/, /glibc 2\.34 or later/],
      [{ kind: "crashed", how: "SIGSEGV", warnings: [] }, MACHINE, /ended with SIGSEGV/, /graphics driver/],
      [{ kind: "crashed", how: "timeout", warnings: [] }, MACHINE, /gave no answer in time/, /graphics driver/],
      [NONE, withVulkan({ loader: undefined }), /no Vulkan loader \(libvulkan\.so\.1\)/, /./, "apt-get install libvulkan1"],
      [NONE, { ...withVulkan({ loader: undefined }), isRoot: false }, /loader/, /./, "sudo apt-get install libvulkan1"],
      [NONE, { ...withVulkan({ loader: undefined }), distribution: "fedora" }, /loader/, /./, "dnf install vulkan-loader"],
      [NONE, { ...withVulkan({ loader: undefined }), distribution: "other" }, /loader/, /your system's Vulkan loader/],
      [{ kind: "no-adapter", warnings: ["Couldn't load Vulkan: libvulkan.so.1"] }, MACHINE, /no Vulkan loader/, /./, "apt-get install libvulkan1"],
      [NONE, withVulkan({ cards: ["amd"] }), /no Vulkan driver for the AMD card/, /./, "apt-get install mesa-vulkan-drivers"],
      [NONE, withVulkan({ cards: ["intel"] }), /for the Intel card/, /./, "apt-get install mesa-vulkan-drivers"],
      [NONE, withVulkan({ cards: ["nvidia"] }), /for the NVIDIA card/, /NVIDIA_DRIVER_CAPABILITIES=all/],
      [NONE, withVulkan({}), /knows of no graphics card/, /add a graphics card/],
      [NONE, MACHINE, /no adapter was found \(vkCreateInstance: Found no drivers!\)/, /VK_LOADER_DEBUG/],
      [{ kind: "no-adapter", warnings: [] }, { ...MACHINE, platform: "darwin", vulkan: undefined }, /no adapter was found/, /graphics driver/],
      [adapter({ ...HOPPER, refusal: "lost" }), MACHINE, /H100 80GB HBM3 gives no device \(lost\)/, /graphics driver/],
      [adapter(LLVMPIPE), withVulkan({ cards: ["amd"] }), /the only adapter, llvmpipe.*software/, /./, "apt-get install mesa-vulkan-drivers"],
    ];
    for (const [probe, machine, reason, remedy, command] of cases) {
      const found = diagnose(probe, machine);
      assert.match(found?.reason ?? "", reason);
      assert.match(found?.remedy ?? "", remedy);
      assert.is(found?.command, command, found?.reason);
    }
    assert.is(diagnose(adapter(HOPPER), MACHINE), undefined);
  });

  test("auto takes a real GPU, else Wasm with the reason in one line; webgpu is never replaced", () => {
    assert.is(describeChoice(decide("auto", adapter(HOPPER), MACHINE)), "running on WebGPU: NVIDIA H100 80GB HBM3");
    assert.equal(decide("webgpu", adapter(LLVMPIPE), MACHINE).device, "webgpu");
    assert.match(describeChoice(decide("webgpu", adapter(LLVMPIPE), MACHINE)) ?? "", /llvmpipe.*a software adapter, slower than Wasm$/);
    const absent: readonly Probe[] = [{ kind: "not-installed" }, NONE, { kind: "crashed", how: "SIGABRT", warnings: [] }];
    for (const probe of [...absent, adapter(LLVMPIPE), adapter({ ...HOPPER, refusal: "lost" })]) {
      const choice = decide("auto", probe, MACHINE);
      assert.is(choice.device, "wasm");
      assert.match(describeChoice(choice) ?? "", /^running on Wasm: [^\n]+$/);
    }
    assert.is(
      describeChoice(decide("auto", { kind: "not-installed" }, MACHINE)),
      "running on Wasm: the package `webgpu` is not installed (`npm install webgpu` adds it)",
    );
    for (const probe of [...absent, adapter({ ...HOPPER, refusal: "lost" })])
      throwsError(() => decide("webgpu", probe, MACHINE), "RN601", 'device "webgpu" is not available here', 'use the device "wasm"', "resnet doctor");
    throwsError(() => decide("webgpu", { kind: "not-installed" }, MACHINE), "RN601", "install it with `npm install webgpu`");
    assert.is(describeChoice({ device: "wasm" }), undefined);
  });

  test("a probe that crashes, hangs, prints rubbish or nothing is an answer too", async () => {
    const ask = (script: string, limit = 20_000): Promise<Probe> => askProgram(["-e", script], limit);
    const answer = JSON.stringify({ first: HOPPER, adapters: [HOPPER] });
    const [crashed, hung, rubbish, late, thrown] = await Promise.all([
      ask("process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 20000)"),
      ask("for (;;);", 400),
      ask("console.log('Using GPU'); console.error('Warning: odd')"),
      ask(`console.log(${JSON.stringify(`\n${answer}`)}); process.abort()`),
      ask("throw new Error('no such file')"),
    ]);
    assert.equal(crashed, { kind: "crashed", how: "SIGSEGV", warnings: [] });
    assert.equal(hung, { kind: "crashed", how: "timeout", warnings: [] });
    assert.equal(rubbish.kind === "crashed" && rubbish.warnings, ["odd"]);
    // An answer counts even if Dawn crashes on its way out.
    assert.equal(late, adapter(HOPPER));
    assert.is(thrown.kind, "crashed");
    const warned = "Warning: maxDynamicX artificially reduced from 5 to 4\nWarning: Found no drivers!\n    at f (x.cpp:3)\n";
    assert.equal(readAnswer('\n{"adapters":[]}', warned, undefined), { kind: "no-adapter", warnings: ["Found no drivers!"] });
    assert.equal(readAnswer('{"unloadable":"no file","adapters":[]}', "", undefined), { kind: "unloadable", reason: "no file" });
  });

  test("where the package `webgpu` is not installed nothing is loaded or started", () =>
    inFolder(async (folder) => {
      const file = join(folder, "choose.mjs");
      const entry = `import { chooseDevice } from ${JSON.stringify(join(root, "tools/host/choose-device.ts"))};
        console.log(JSON.stringify(await chooseDevice("auto")));
        await chooseDevice("webgpu").catch((error) => console.log(error.message));`;
      await build({ stdin: { contents: entry, resolveDir: root }, outfile: file, bundle: true, format: "esm", platform: "node", logLevel: "error" });
      const [auto, webgpu] = execFileSync(process.execPath, [file], { encoding: "utf8", timeout: 20_000 }).trim().split("\n");
      assert.equal(JSON.parse(auto ?? ""), { device: "wasm", why: "the package `webgpu` is not installed (`npm install webgpu` adds it)" });
      assert.match(webgpu ?? "", /is not available here: the package `webgpu` is not installed; install it with `npm install webgpu`/);
    }));

  test("distributions, their commands, Vulkan's files", () =>
    inFolder(async (folder) => {
      const releases = {
        debian: "ID=debian\n",
        fedora: 'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
        suse: 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
      };
      for (const [expected, release] of Object.entries(releases)) assert.is(distribution(release), expected);
      assert.equal([distribution("ID=ubuntu\nID_LIKE=debian\n"), distribution("ID=arch\n"), distribution("NAME=x\n")], ["debian", "arch", "other"]);
      assert.is(installCommand("loader", "arch", false), "sudo pacman -S vulkan-icd-loader");
      assert.is(installCommand("chromium", "other"), undefined);
      writeFileSync(join(folder, "libvulkan.so.1"), "");
      writeFileSync(join(folder, "card.json"), "{}");
      const named = vulkanFacts(folder, { VK_ICD_FILENAMES: `${join(folder, "card.json")}:/nowhere.json` });
      assert.equal([named.loader, named.drivers], [join(folder, "libvulkan.so.1"), [join(folder, "card.json")]]);
      assert.is(vulkanFacts(undefined, { LD_LIBRARY_PATH: folder }).loader, join(folder, "libvulkan.so.1"));
      if (process.platform === "linux") {
        assert.ok(isGlobal("/opt/node/lib/node_modules/resnet-lang/dist/", "/opt/node/bin/node"));
        assert.not.ok(isGlobal("/home/x/node_modules/resnet-lang/dist/", "/opt/node/bin/node"));
      }
    }));

  test("doctor: what is missing, what is optional, and the command under it", () => {
    const healthy: HostFacts = {
      node: "20.11.0",
      wasm: { simd: true, relaxedSimd: false, sharedMemory: true, cores: 4 },
      machine: MACHINE,
      probe: adapter(HOPPER),
      missingParts: [],
      runs: { folder: "/home/x/runs", refusal: undefined },
      chromium: "/usr/bin/chromium",
    };
    const statuses = (facts: Partial<HostFacts>): Record<string, string> =>
      Object.fromEntries(checks({ ...healthy, ...facts }).map(({ name, status }) => [name, status]));
    const all = { node: "ok", package: "ok", wasm: "ok", runs: "ok", webgpu: "ok", vulkan: "ok", gpu: "ok", chromium: "info" };
    assert.equal(statuses({}), all);
    assert.equal(statuses({ node: "18.20.0" }), { ...all, node: "missing" });
    assert.equal(statuses({ wasm: { ...healthy.wasm, simd: false } }), { ...all, wasm: "missing" });
    assert.equal(statuses({ missingParts: ["its standard library"] }), { ...all, package: "missing" });
    assert.equal(statuses({ runs: { folder: "/x", refusal: "it may not be written" } }), { ...all, runs: "missing" });
    const { vulkan: _loader, gpu: _card, ...withoutGpu } = all;
    assert.equal(statuses({ probe: { kind: "not-installed" } }), { ...withoutGpu, webgpu: "optional" });
    assert.equal(statuses({ probe: NONE, machine: withVulkan({ loader: undefined }) }), { ...withoutGpu, vulkan: "optional" });
    assert.equal(statuses({ probe: NONE, machine: withVulkan({ cards: ["intel"] }) }), { ...all, gpu: "optional" });
    const text = doctorText(checks({ ...healthy, probe: { kind: "not-installed" }, chromium: undefined }), (_, each) => each);
    assert.equal(text.slice(4), [
      "optional  the package `webgpu` is not installed; without it everything runs on WebAssembly",
      "          install it to run on a GPU",
      "          $ npm install webgpu",
      "info      no Chromium; only this project's own browser tests need one",
      "          $ apt-get install chromium",
    ]);
  });

  test("where runs could not be written", () =>
    inFolder(async (folder) => {
      assert.is(writeRefusal(join(folder, "a/b/runs")), undefined);
      mkdirSync(join(folder, "runs"));
      assert.is(writeRefusal(join(folder, "runs")), undefined);
      writeFileSync(join(folder, "file"), "");
      assert.match(writeRefusal(join(folder, "file", "runs")) ?? "", /file is no folder/);
    }));

  test("devices: adapters with what they can, or why there are none", () => {
    const plain = (text: string): string => text;
    const lines = devicesText(describeDevices(wasmFacts(), adapter(HOPPER), MACHINE), plain);
    assert.match(lines[0] ?? "", /^wasm {4}SIMD.*; \d+ cores?; threads can share memory$/);
    assert.equal(lines.slice(1), [
      "webgpu  NVIDIA H100 80GB HBM3",
      "        nvidia, hopper, vulkan; NVIDIA: 550.90.07",
      "        features used: shader-f16, subgroups; 3 in all",
      "        maxBufferSize                      1.0 TiB",
      "        maxStorageBufferBindingSize        2.0 GiB",
      "        maxComputeInvocationsPerWorkgroup    1,024",
      "auto    webgpu: NVIDIA H100 80GB HBM3",
    ]);
    const none = devicesText(describeDevices(wasmFacts(), { kind: "not-installed" }, MACHINE), plain);
    assert.is(none[1], "webgpu  not available: the package `webgpu` is not installed; install it with `npm install webgpu`");
  });

  test("this machine: both commands, as text and as one document", async () => {
    const devices = await call(fakeApi(), "devices", "--json");
    const found = JSON.parse(devices.out) as ReturnType<typeof describeDevices>;
    assert.equal([devices.exitCode, devices.err, found.wasm.available], [0, "", true]);
    assert.is(found.webgpu.available, found.webgpu.adapters.length > 0);
    assert.is(found.auto.device, found.webgpu.adapters.some(({ software }) => !software) ? "webgpu" : "wasm");
    for (const { limits, features } of found.webgpu.adapters) {
      // The least that WebGPU promises.
      assert.ok((limits["maxStorageBufferBindingSize"] ?? 0) >= 128 * 1024 * 1024 && (limits["maxComputeInvocationsPerWorkgroup"] ?? 0) >= 256);
      assert.ok(features.length > 0);
    }
    const doctor = await call(fakeApi(), "doctor", "--json");
    const { ok, checks: list } = JSON.parse(doctor.out) as { ok: boolean; checks: { name: string; status: string }[] };
    assert.equal([doctor.exitCode, ok], [0, true], doctor.out);
    assert.equal(
      list.slice(0, 3).map(({ name, status }) => `${name} ${status}`),
      ["node ok", "package ok", "wasm ok"],
    );
    const { exitCode, out } = await call(fakeApi(), "doctor");
    assert.is(exitCode, 0);
    assert.match(out, /^ok +Node \d+\.\d+\.\d+\n/);
  });
});
