/** Free dims of library models take the sizes of their doc comment where a command needs numbers. */
import * as assert from "uvu/assert";
import { compile } from "../../tools/api/index.ts";
import { suite } from "../harness.ts";

suite("usual sizes", (test) => {
  test("come from the model's doc comment, also for variants", async () => {
    const program = await compile({ file: "std/models/resnet", model: "ResNet50", mode: "inference", usualSizes: true });
    assert.equal(program.assumed, { H: 224, W: 224 });
    // torchvision's count at 224x224.
    assert.is(program.summary().macs, 4_089_184_256);
  });

  test("give way to sizes that are given", async () => {
    const program = await compile({ file: "std/models/resnet", model: "ResNet50", mode: "inference", usualSizes: true, dims: { H: 64 } });
    assert.equal(program.assumed, { W: 224 });
  });

  test("are not assumed unless asked for", async () => {
    const program = await compile({ file: "std/models/resnet", model: "ResNet50", mode: "inference" });
    assert.equal(program.assumed, {});
    assert.is(program.summary().macs, undefined);
  });
});
