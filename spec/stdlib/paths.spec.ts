/** What a FILE argument takes for the library: a file, with or without its ending, and a folder with a model in it. */
import * as assert from "uvu/assert";
import { CompileError, check, compile, listModels, ResnetError, starter } from "../../tools/api/index.ts";
import { libraryFiles, sourceFiles } from "../../tools/api/files.ts";
import { suite } from "../harness.ts";

const failure = async (body: Promise<unknown>): Promise<unknown> => {
  try {
    await body;
  } catch (error) {
    return error;
  }
  return undefined;
};

suite("stdlib/paths", (test) => {
  test("a folder stands for its files", () => {
    assert.equal(libraryFiles("std/models/resnet"), undefined);
    assert.equal(libraryFiles("stdout"), undefined);
    const models = libraryFiles("std/models") ?? [];
    assert.ok(models.includes("std/models/resnet") && models.includes("std/models/cifar"), models.join());
    const all = sourceFiles(["std", "std/models/", "std/residual"]);
    assert.ok(all.includes("std/layers") && models.every((path) => all.includes(path)), all.join());
    assert.is(new Set(all).size, all.length);
  });

  test("every file of the library checks clean", async () => {
    const { files, diagnostics } = await check(["std"]);
    assert.equal(diagnostics, []);
    assert.is(files, (libraryFiles("std") ?? []).length);
  });

  test("a folder and a model's name find the file that has it", async () => {
    const [inFolder, inFile] = await Promise.all(
      ["std/models", "std/models/resnet.resnet"].map((file) => compile({ file, model: "ResNet18", mode: "inference" })),
    );
    // torchvision's count.
    assert.equal([inFolder?.summary().parameters, inFile?.summary().parameters], [11_689_512, 11_689_512]);
    assert.is((await starter("std", "RoR3_20")).model, "RoR3_20");
    const models = await listModels();
    assert.is(new Set(models.map(({ name }) => name)).size, models.length, "a model's name is in one file only");
  });

  test("a wrong name is answered with the nearest", async () => {
    const inFolder = await failure(compile({ file: "std/models", model: "resnet50", mode: "inference" }));
    assert.ok(inFolder instanceof ResnetError && inFolder.code === "RN801");
    assert.match(inFolder.message, "std/models has no model resnet50; did you mean ResNet50?");
    const none = await failure(compile({ file: "std/models", mode: "inference" }));
    assert.ok(none instanceof ResnetError);
    assert.match(none.message, "choose one with --model");
    const inFile = await failure(compile({ file: "std/models/resnet", model: "resnet50", mode: "inference" }));
    assert.ok(inFile instanceof CompileError);
    const [first] = inFile.diagnostics;
    assert.equal([first?.code, first?.help[0], first?.fixes], ["RN101", "did you mean `ResNet50`?", []]);
  });
});
