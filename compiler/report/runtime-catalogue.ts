/**
 * The codes that arise while running, not while checking a file: devices and calls, weights and inputs, files and data.
 * Invariant: one entry a code, in order; a test holds it against the codes that occur in the sources.
 */
import type { CatalogueEntry } from "../check/catalogue.ts";

/** RN6xx devices and options, RN7xx inputs, weights and training, RN8xx files and data. */
export const RUNTIME_CATALOGUE: readonly CatalogueEntry[] = [
  entry(
    601,
    "device that is not there",
    "The device asked for is not available here. `wasm` is always there, and what `auto` takes where there is no real GPU; `webgpu` needs a GPU with its driver and, in Node, the package `webgpu`: `resnet doctor` says which of these is missing, and the command that adds it.",
  ),
  entry(
    602,
    "not enough memory",
    "The network does not fit into the memory that WebAssembly or the device can give. Take a smaller batch or smaller images, or build for inference only.",
  ),
  entry(
    603,
    "compiled network that does not load",
    "The compiled bytes and the runtime do not belong together, or the host refuses to compile them. Compile the network again with the same version; in a browser, allow `'wasm-unsafe-eval'` in the content security policy.",
  ),
  entry(
    604,
    "kernel that stopped",
    "The compiled code of a kernel trapped while it ran. Inputs are checked before, so this is a fault of the compiler; the message names the kernel and the layers that it serves.",
  ),
  entry(605, "network that was disposed", "The network's memory was given back with `dispose`. Load it again to go on."),
  entry(606, "option with a wrong value", "An option of a call is not what it takes; the message says what it does, and what it was given."),
  entry(
    607,
    "GPU that was lost",
    "The driver gave the device up, or something destroyed it; what lay on it is gone. Load the network again from the last weights you saved, on the same device or on `wasm`.",
  ),
  entry(
    608,
    "profile that was not kept",
    "`profile()` was called on a network that keeps no times, since keeping them costs some. Load it with `profile: true`; on the command line, `--profile`.",
  ),
  entry(
    609,
    "tensor that the GPU cannot bind",
    "A tensor is larger than what the GPU binds to a shader at once (`maxStorageBufferBindingSize` and `maxBufferSize` of `resnet devices`), so that no amount of free memory would help; all tensors together may be larger. The message names it, with its shape, and the batch that would fit. Take that, or `--device wasm`.",
  ),
  entry(701, "missing input", "A call leaves out an input of the model, or the target of its loss. The message gives the expected dtype and shape."),
  entry(702, "unknown input", "A call gives an input of a name that the model does not have; the message lists those that it has."),
  entry(
    703,
    "input of a wrong shape",
    "An input has another shape than its port, or another number of values. N in the message is the batch, which is free.",
  ),
  entry(
    704,
    "input of a wrong dtype",
    "An input holds whole numbers where real ones are expected, or the other way round. Nothing is converted by itself, except among real or among whole numbers.",
  ),
  entry(
    705,
    "value out of range",
    "A value does not fit what holds it: a fraction or a number beyond 32 bits among whole numbers, a class outside the model's classes.",
  ),
  entry(706, "batches of different sizes", "Two inputs of one call disagree about the number of samples."),
  entry(
    707,
    "program that was not compiled",
    'A call needs a program that the network was built without: `step` and `gradients` need `mode: "training"` or `--train`, `run` an inference program.',
  ),
  entry(
    708,
    "batch of another size than compiled",
    "The batch was fixed when the network was compiled, with `--dim N=...`; leave it free, or give that many samples.",
  ),
  entry(
    709,
    "batch that breaks a condition",
    "The model states or needs a condition on the number of samples, which is free until it runs: `where N % 2 == 0`. The message shows the condition; give as many samples as it allows.",
  ),
  entry(
    710,
    "missing tensors",
    "The weights lack tensors that the network has. If many are missing the names follow another scheme: see `names` in the language reference, or the message's guess.",
  ),
  entry(
    711,
    "surplus tensors",
    "The weights hold tensors that the network does not have. Nothing is dropped silently: take the right model, or remove them from the file.",
  ),
  entry(
    712,
    "tensors of other shapes",
    "Tensors of the right names have other shapes, most often because the model was built with other parameters: `--set classes=...`, a width, a depth.",
  ),
  entry(
    713,
    "tensors of other dtypes",
    "Tensors of the right names and shapes hold another kind of numbers, whole instead of real or the other way round.",
  ),
  entry(714, "weights that cannot be read", "The file or URL of the weights cannot be read; the message carries the system's reason."),
  entry(
    715,
    "tensor that cannot be used",
    "One tensor of the weights is unusable by itself: its values and its shape disagree, or a value has no place in the network's dtype.",
  ),
  entry(
    720,
    "file too short for its header",
    "A safetensors file begins with eight bytes that give the length of its header; this file is shorter. It was cut off, or is no safetensors file.",
  ),
  entry(
    721,
    "header beyond the end of the file",
    "The length at the beginning of the file leads beyond its end. The file was cut off while it was fetched or written, or is no safetensors file.",
  ),
  entry(
    722,
    "header too long",
    "The header claims more bytes than any real file needs, as files of other formats seem to. Check that this is a safetensors file.",
  ),
  entry(
    723,
    "header that is no JSON",
    "The header of a safetensors file is a JSON object; this one is not, or not UTF-8. The file is damaged or of another format.",
  ),
  entry(
    724,
    "malformed entry of a tensor",
    "A tensor's entry in the header needs `dtype`, `shape` and `data_offsets`, with sizes and offsets that are whole and in order.",
  ),
  entry(
    725,
    "dtype that is not supported",
    "A tensor is stored in a dtype that is not read; the message lists those that are. Convert the file where it came from.",
  ),
  entry(726, "data of another length than the shape", "Shape and dtype of a tensor call for another number of bytes than its offsets span."),
  entry(727, "data beyond the end of the file", "A tensor's offsets lead beyond the end of the file: it was cut off."),
  entry(728, "tensors that overlap", "Two tensors claim the same bytes. The format forbids it, and files that do so may be made to deceive."),
  entry(
    729,
    "bytes that belong to no tensor",
    "Between or after the tensors lie bytes that no tensor claims. The format forbids it; the file is damaged, or hides something.",
  ),
  entry(730, "tensor given twice", "The header names a tensor twice, and readers could take one or the other."),
  entry(731, "metadata that is no text", "`__metadata__` maps strings to strings; here is something else."),
  entry(
    732,
    "broken index of shards",
    "The index of a model in several files is no JSON, lacks its `weight_map`, or names a file that does not hold the tensor.",
  ),
  entry(740, "unknown hyper-parameter", "A step is given a hyper-parameter that its optimizer does not have; the message lists those that it has."),
  entry(741, "optimizer state that does not fit", "The saved state belongs to another optimizer, or to another model."),
  entry(
    742,
    "loss that is no number",
    "The loss became infinite or no number, so the weights are spoilt from that step on. Lower the learning rate, add a warm-up, check inputs and labels; the last checkpoint still holds a good state.",
  ),
  entry(743, "malformed schedule", "A schedule of the learning rate has a phase that is unknown, ends before it begins, or has a wrong number."),
  entry(
    801,
    "file that cannot be read",
    "The file or folder does not exist or may not be read; the message carries the reason. For paths of the standard library see `resnet list`.",
  ),
  entry(
    802,
    "data of a wrong length",
    "A data file is shorter or longer than its header or its format says: it was cut off, or is another file. Fetch it again.",
  ),
  entry(803, "data of a wrong format", "A data file is not of the format that its name or place promises."),
  entry(
    804,
    "images and labels of different counts",
    "The file of images and that of labels do not hold equally many. They belong to different sets, or one was cut off.",
  ),
  entry(
    805,
    "label out of range",
    "A record's label is not one of the classes; the message gives the record, and where the number of classes comes from.",
  ),
  entry(
    806,
    "images of another size than the model takes",
    "The data's channels, height and width are not those of the model's input. Take a model for this size, or fix the model's free sizes with `--dim`.",
  ),
  entry(807, "malformed line", "A line of a table is not as the others; the message gives its number."),
  entry(
    808,
    "part of a data set that is missing",
    "Training and evaluation need images with their labels, for training and for testing; the message says which part was looked for, and where.",
  ),
  entry(809, "empty data set", "The file or folder holds no sample of the kind that is asked for."),
  entry(
    810,
    "file that is of no use as an input",
    "A tensor, picture or checkpoint was read but does not fit what it was given for; the message says how.",
  ),
  entry(
    811,
    "file that cannot be written",
    "Writing failed, and nothing was left behind: the old file, if there was one, is whole. The message carries the reason.",
  ),
];

function entry(number: number, title: string, text: string): CatalogueEntry {
  return { code: `RN${number}`, title, text };
}
