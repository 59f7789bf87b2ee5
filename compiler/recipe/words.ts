/**
 * What people of other libraries write in recipes, and what stands for it here.
 * Invariant: a suggestion is one of the words that are known where it is made; anything else is advice in words.
 */
import { closest } from "../../grammar/closest.ts";
import { SWEEP_FORM } from "../../grammar/problems.ts";

/** `CosineAnnealingLR`, `cosine_annealing_lr` → `cosineannealinglr` */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}

/** By plain name; also names of losses, optimizers and phases. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...["batchsize", "minibatch", "bs"].map((word) => [word, "batch"] as const),
  ...["scheduler", "lrscheduler", "lrschedule"].map((word) => [word, "schedule"] as const),
  ...["numepochs", "maxepochs", "nepochs", "epoch"].map((word) => [word, "epochs"] as const),
  ...["transform", "transforms", "augmentation", "augmentations"].map((word) => [word, "augment"] as const),
  ...["normalise", "normalization", "normalisation"].map((word) => [word, "normalize"] as const),
  ...["criterion", "objective", "lossfn"].map((word) => [word, "loss"] as const),
  ...["optim", "opt"].map((word) => [word, "optimizer"] as const),
  ...["crossentropyloss", "categoricalcrossentropy", "sparsecategoricalcrossentropy", "softmaxcrossentropy", "ce"].map(
    (word) => [word, "cross_entropy"] as const,
  ),
  ...["bceloss", "bcewithlogitsloss", "binarycrossentropy", "bce"].map((word) => [word, "binary_cross_entropy"] as const),
  ...["mseloss", "meansquarederror", "l2loss", "l2"].map((word) => [word, "mse"] as const),
  ...["l1loss", "mae", "meanabsoluteerror"].map((word) => [word, "l1"] as const),
  ...["huberloss", "smoothl1loss"].map((word) => [word, "huber"] as const),
  ...["cosineannealinglr", "cosineannealing", "cosinedecay", "cosinelr"].map((word) => [word, "cosine"] as const),
  ...["steplr", "multisteplr", "multistep", "piecewise"].map((word) => [word, "step"] as const),
  ...["linearlr", "linear", "linearwarmup", "rampup"].map((word) => [word, "warmup"] as const),
  ...["constantlr", "none", "fixed"].map((word) => [word, "constant"] as const),
  ...["randomcrop", "pad", "shift"].map((word) => [word, "crop"] as const),
  ...["randomhorizontalflip", "hflip", "mirror", "fliplr"].map((word) => [word, "flip"] as const),
]);

const OPTIMIZER_OPTION = (option: string): string => `an option of the optimizer: \`optimizer sgd(${option})\``;

/** By plain name: where else this is said. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ...["lr", "learningrate", "rate"].map((word) => [word, OPTIMIZER_OPTION("lr: 0.1")] as const),
  ...["momentum", "nesterov", "dampening"].map((word) => [word, OPTIMIZER_OPTION("lr: 0.1, momentum: 0.9, nesterov: true")] as const),
  ...["weightdecay", "decay", "wd"].map((word) => [word, OPTIMIZER_OPTION("lr: 0.1, weight_decay: 1e-4")] as const),
  ...["betas", "eps", "beta1", "beta2"].map(
    (word) => [word, "an option of the optimizer: `optimizer adam(lr: 0.001, betas: (0.9, 0.999))`"] as const,
  ),
  ...["sgd", "adam", "adamw"].map((word) => [word, `written \`optimizer ${word}(lr: 0.1)\``] as const),
  ...["warmup", "cosine", "step", "constant"].map((word) => [word, "a phase of the schedule: `schedule warmup(5) -> cosine(90)`"] as const),
  ...["crop", "flip"].map((word) => [word, "written `augment crop(4) -> flip`"] as const),
  ...["smoothing", "labelsmoothing"].map((word) => [word, "an argument of the loss: `loss cross_entropy(logits, label, smoothing: 0.1)`"] as const),
  ["seed", "given when training: `resnet train FILE --seed 3`"],
  ["seeds", "given when training: `resnet train FILE --seeds 3` compares means over seeds"],
  ...["device", "gpu", "cuda"].map((word) => [word, "chosen when training: `resnet train FILE --device webgpu`"] as const),
  ...["data", "dataset", "datasets"].map((word) => [word, "given when training: `resnet train FILE --data PATH`"] as const),
  ...["metric", "metrics", "accuracy", "log"].map(
    (word) => [word, "recorded always: loss and accuracy on training and held-out data, in `metrics.jsonl`"] as const,
  ),
  ["shuffle", "done always: the order of each epoch is drawn from the seed"],
  ...["save", "checkpoint", "checkpoints", "earlystopping", "patience"].map(
    (word) => [word, "done always: the last and the best weights are kept, and Ctrl-C ends a run that `--resume` goes on with"] as const,
  ),
  ...["grid", "gridsearch", "search", "for", "foreach", "sweep", "sweeps", "vary"].map((word) => [word, SWEEP_FORM] as const),
]);

/** The known word that is meant by another one, if any. */
export function meantBy(name: string, known: readonly string[]): string | undefined {
  const word = ELSEWHERE.get(plain(name));
  return word !== undefined && known.includes(word) ? word : closest(name, known);
}

/** Where a recipe or a command says what this word is about. */
export function adviceOn(name: string): string | undefined {
  return ADVICE.get(plain(name));
}
