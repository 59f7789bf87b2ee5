/** Which models the command line trains: one picture in, class scores out, whatever else the loss needs. */
import { join } from "node:path";
import * as assert from "uvu/assert";
import { compile } from "../../tools/api/index.ts";
import { labelInput, taskOf } from "../../tools/cli/classification.ts";
import { inFolder, put } from "../data/temporary.ts";
import { suite } from "../harness.ts";

const model = (outputs: string, loss: string): string =>
  `edition 2026
model Heads(classes: dim = 10) {
  in  image: f32[N, 1, 8, 8]
  ${outputs}
  image -> half: conv(4, 3) -> relu -> gap -> linear(classes) -> logits
  half -> gap -> linear(classes) -> early
  penalty = mean(square(half))
}
train Heads { loss ${loss} }`;

const TWO = "out early: f32[N, classes]\n  out penalty: f32[]\n  out logits: f32[N, classes]";

suite("cli/task", (test) => {
  test("of several heads the one that the loss names first is scored", async () => {
    await inFolder(async (folder) => {
      for (const [loss, scored] of [
        ["cross_entropy(logits, label: i64[N]) + 0.3 * cross_entropy(early, label) + 0.01 * penalty", "logits"],
        ["cross_entropy(early, label: i64[N]) + penalty", "early"],
      ] as const) {
        put(folder, "heads.resnet", model(TWO, loss));
        const program = await compile({ file: join(folder, "heads.resnet"), mode: "training" });
        const task = taskOf(program);
        assert.equal([task.input, task.output, task.classes, labelInput(program, task)], ["image", scored, 10, "label"]);
      }
    });
  });

  test("a loss without class numbers is no classification", async () => {
    await inFolder(async (folder) => {
      put(folder, "heads.resnet", model(TWO, "penalty + mean(square(early))"));
      const program = await compile({ file: join(folder, "heads.resnet"), mode: "training" });
      assert.throws(() => labelInput(program, taskOf(program)), /no input of class numbers/);
    });
  });

  test("a model without class scores is refused", async () => {
    await inFolder(async (folder) => {
      put(folder, "same.resnet", "model Same {\n  in x: f32[N, 1, 8, 8]\n  out y: f32[N, 1, 8, 8]\n  y = 2 * x\n}");
      const program = await compile({ file: join(folder, "same.resnet"), mode: "inference" });
      assert.throws(() => taskOf(program), /is no classifier of images/);
    });
  });
});
