/**
 * The encoder: modules that the engine accepts and that compute what the instructions say.
 */
import * as assert from "uvu/assert";
import { createModule, type WasmModule } from "../../compiler/wasm-next/encode.ts";
import { opcodeBytes } from "../../compiler/wasm-next/opcodes.ts";
import { suite } from "../harness.ts";

type Exports = Readonly<Record<string, (...values: number[]) => number>>;

function instantiate(module: WasmModule): { exports: Exports; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory } });
  return { exports: instance.exports as Exports, memory };
}

suite("wasm encoder", (test) => {
  test("loops, branches, calls and code at the start", () => {
    const module = createModule();
    const double = module.addFunction("double", ["i32"], ["i32"], (f) => f.get(f.param(0)).i32(2).op("i32.mul"));
    module.addFunction(
      "triangle",
      ["i32"],
      ["i32"],
      (f) => {
        const [n, total, step] = [f.param(0), f.local("i32"), f.local("i32")];
        f.countdown(n, () => {
          f.atStart(() => f.i32(1000).set(step));
          f.get(n)
            .i32(3)
            .op("i32.eq")
            .if(
              () => f.addLocal(total, step),
              () => f.get(total).get(n).call(double).op("i32.add").set(total),
            );
        });
        f.get(total);
      },
      { export: true },
    );
    const { exports } = instantiate(module);
    assert.is(exports["triangle"]?.(5), 2 * (5 + 4 + 2 + 1) + 1000);
    assert.is(exports["triangle"]?.(0), 0);
    assert.is(exports["triangle"]?.(-3), 0);
  });

  test("constants of every width, memory and lanes", () => {
    for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8193, 2 ** 31 - 1, -(2 ** 31)]) {
      const module = createModule();
      module.addFunction("value", [], ["i32"], (f) => f.i32(value), { export: true });
      module.addFunction(
        "lanes",
        ["i32"],
        [],
        (f) => {
          f.get(f.param(0)).v128i(value, 2, 3, 4).v128(1.5).shuffleLanes(0, 5, 2, 7).store("v128.store", 300);
        },
        { export: true },
      );
      const { exports, memory } = instantiate(module);
      assert.is(exports["value"]?.(), value);
      exports["lanes"]?.(20);
      assert.equal([...new Int32Array(memory.buffer, 320, 4)], [value, 0x3fc00000, 3, 0x3fc00000]);
    }
  });

  test("equal unique functions exist once, equal names do not", () => {
    const module = createModule();
    const add = (name: string, amount: number) =>
      module.addFunction(name, ["i32"], ["i32"], (f) => f.get(f.param(0)).i32(amount).op("i32.add"), { export: true, unique: true });
    const [first, same, other] = [add("plus", 1), add("plus", 1), add("plus", 2)];
    assert.is(first, same);
    assert.equal([module.nameOf(first), module.nameOf(other)], ["plus", "plus_2"]);
    assert.is(instantiate(module).exports["plus_2"]?.(40), 42);
    assert.ok(module.text().includes("i32.const 2"));
  });

  test("a shared memory can be imported", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(createModule().finish(true));
    assert.ok(new WebAssembly.Instance(module, { env: { memory } }));
  });

  test("no two instructions share an encoding", () => {
    assert.is(new Set([...opcodeBytes.values()].map((bytes) => bytes.join())).size, opcodeBytes.size);
  });
});
