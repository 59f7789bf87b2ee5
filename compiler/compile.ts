/**
 * The pipeline on one page: source → checked program → graphs → kernels → plan → Wasm and manifest.
 * Invariant: pure and synchronous; user mistakes are diagnostics; each stage can be printed.
 */
import type { Diagnostic } from "../grammar/diagnostic.ts";
import type { Source } from "../grammar/source.ts";
import type { Manifest, TensorSpec, WebgpuSpec } from "../runtime/manifest.ts";
import { unevenBatch } from "./build/batch-sizes.ts";
import { buildInference, freeSizes } from "./build/build.ts";
import { shortenRepeats } from "./build/shorten.ts";
import { choiceProblem, chooseOne, chooseTrain, parseSetting, soleModel } from "./choice.ts";
import { buildTraining, finishTraining, type TrainingGraph, type TrainingPrograms } from "./build/training.ts";
import { elaborateModel } from "./elaborate/elaborate.ts";
import type { OptimizerSpec } from "./ir/optimizer.ts";
import type { GivenArgument } from "./elaborate/values.ts";
import { extendNames, extendProgram } from "./extend/extend.ts";
import { guardSpecs } from "./emit/guards.ts";
import { buildManifest } from "./emit/manifest.ts";
import { buildWebgpu, type Storage } from "./emit/webgpu-manifest.ts";
import { constantOf } from "./ir/dim.ts";
import type { Graph } from "./ir/graph.ts";
import { invariant } from "./ir/invariant.ts";
import type { NetworkPlan } from "./ir/plan.ts";
import { printGraph } from "./ir/print-graph.ts";
import { printKernel } from "./ir/print-kernel.ts";
import { printPlan } from "./ir/print-plan.ts";
import type { Program } from "./ir/program.ts";
import { lowerGraph } from "./fuse/lower-graph.ts";
import { type Target, wasmTarget, webgpuTarget } from "./fuse/rules.ts";
import { type NetworkPrograms, planNetwork } from "./plan/plan-network.ts";
import { unmatchedException } from "./recipe/problems.ts";
import { withConstants } from "./elaborate/recipe-constants.ts";
import { type LossSpec, type RecipeSpec, readLoss, readOptimizer, readRecipe } from "./recipe/recipe.ts";
import { printProgram } from "./report/print-program.ts";
import { type Summary, summarize } from "./report/summary.ts";
import { type LoadedModules, loadModules, type ModuleReader } from "./resolve/modules.ts";
import { matchesPath } from "./resolve/path-pattern.ts";
import { decomposeRules } from "./rewrite/decompose.ts";
import { foldRules } from "./rewrite/fold-batch-norm.ts";
import { splitPrepared } from "./rewrite/prepare.ts";
import { type Rule, rewrite, rewriteInto } from "./rewrite/rewrite.ts";
import { simplifyRules } from "./rewrite/simplify.ts";
import { emitWasm, type WasmModule } from "./wasm/emit.ts";
import { packing } from "./wasm/pack.ts";
import { packing as packForWebgpu, packingForHalves } from "./wgsl/pack.ts";

export interface AnalyzeRequest {
  readonly entry: Source;
  readonly read: ModuleReader;
  readonly model?: string | undefined;
  readonly recipe?: string | undefined;
  readonly dims: ReadonlyMap<string, number>;
  readonly set: readonly GivenArgument[];
  readonly training: boolean;
  /** As text, in place of the recipe's. */
  readonly loss?: string | undefined;
  readonly optimizer?: string | undefined;
}

/** A model with its parameters fixed; graphs and code are made from it. */
export interface Analysis {
  readonly model: string;
  readonly inference: Program;
  readonly trained: Program | undefined;
  readonly recipe: RecipeSpec | undefined;
  readonly loss: LossSpec | undefined;
  readonly optimizer: OptimizerSpec | undefined;
  readonly learningRate: number;
  readonly modules: LoadedModules;
}

export interface Outcome<T> {
  readonly value: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Chooses and elaborates the model. `value` is undefined exactly when errors are among the diagnostics. */
export function analyze(request: AnalyzeRequest): Outcome<Analysis> {
  const modules = loadModules(request.entry, request.read);
  const diagnostics: Diagnostic[] = [...modules.diagnostics];
  const report = (diagnostic: Diagnostic): void => void diagnostics.push(diagnostic);
  const failed = (): boolean => diagnostics.some((diagnostic) => diagnostic.severity === "error");
  if (failed()) return { value: undefined, diagnostics };
  const train = chooseTrain(request, modules.entry, report);
  const point = train && chooseOne(modules.entry, train, request, report);
  const inlined = point && withConstants(point.train, modules.entry);
  diagnostics.push(...(inlined?.diagnostics ?? []));
  const recipe = inlined && readRecipe(inlined.train, report);
  const model = point?.model ?? request.model ?? soleModel(modules, request.entry, report);
  if (model === undefined || failed()) return { value: undefined, diagnostics };
  const options = { dims: request.dims, set: point?.set ?? request.set };
  const inference = elaborateModel(modules.entry, model, { ...options, training: false });
  diagnostics.push(...inference.diagnostics);
  if (inference.value === undefined) return { value: undefined, diagnostics };
  const loss = request.training ? chooseLoss(request, recipe, inference.value, report) : undefined;
  if (failed()) return { value: undefined, diagnostics };
  const trained = loss && elaborateModel(modules.entry, model, { ...options, training: true, loss });
  if (trained !== undefined && trained.value === undefined) return { value: undefined, diagnostics: [...diagnostics, ...trained.diagnostics] };
  const optimizer = request.optimizer === undefined ? undefined : parseSetting("optimizer", request.optimizer, report);
  const chosen = optimizer === undefined ? undefined : readOptimizer(optimizer, report);
  if (failed()) return { value: undefined, diagnostics };
  const value: Analysis = {
    model,
    inference: inference.value,
    trained: trained?.value,
    recipe,
    loss,
    optimizer: chosen?.spec ?? recipe?.optimizer ?? DEFAULT_OPTIMIZER,
    learningRate: chosen?.learningRate ?? recipe?.learningRate ?? 0.1,
    modules,
  };
  return { value, diagnostics };
}

const DEFAULT_OPTIMIZER: OptimizerSpec = { kind: "sgd", momentum: 0.9, weightDecay: 0, nesterov: false, dampening: 0 };

/** The option's, else the recipe's, else cross entropy of the only output with `label`. */
function chooseLoss(
  request: AnalyzeRequest,
  recipe: RecipeSpec | undefined,
  program: Program,
  report: (diagnostic: Diagnostic) => void,
): LossSpec | undefined {
  if (request.loss !== undefined) {
    const written = parseSetting("loss", request.loss, report);
    return written === undefined ? undefined : readLoss(written);
  }
  if (recipe?.loss !== undefined) return recipe.loss;
  const [output, ...others] = program.root.outputs;
  if (output === undefined || others.length > 0) {
    report(
      choiceProblem(
        "RN508",
        "the model has several outputs: say which loss with --loss",
        program.root.outputs.map((port) => port.name),
        request.entry,
      ),
    );
    return undefined;
  }
  const written = parseSetting("loss", `cross_entropy(${output.name}, label)`, report);
  return written && readLoss(written);
}

/** The graphs of a network, rewritten and ready to lower. */
export interface Graphs {
  readonly prepare: Graph | undefined;
  readonly infer: Graph;
  readonly gradients: Graph | undefined;
  readonly step: Graph | undefined;
  /** Before rewriting: what the reference interpreter runs. */
  readonly plain: { readonly infer: Graph; readonly training: TrainingGraph | undefined };
}

/** Flattens, differentiates and rewrites. Sizes other than the batch must be fixed (`freeSizes`). */
export function buildGraphs(analysis: Analysis): Outcome<Graphs> {
  const diagnostics: Diagnostic[] = [];
  const free = freeSizes(analysis.inference);
  if (free.length > 0) {
    const message = `\`${analysis.model}\` has free dims: ${[...new Set(free)].join(", ")}`;
    const help = [`fix them, for example --dim ${[...new Set(free)].map((name) => `${name}=224`).join(",")}`];
    const { root } = analysis.inference;
    diagnostics.push({ code: "RN309", severity: "error", message, span: root.span, labels: [], help, fixes: [] });
    return { value: undefined, diagnostics };
  }
  const uneven = unevenBatch(analysis.inference) ?? (analysis.trained === undefined ? undefined : unevenBatch(analysis.trained));
  if (uneven !== undefined) return { value: undefined, diagnostics: [...diagnostics, uneven] };
  const { graph } = buildInference(analysis.inference);
  const { prepare, main } = splitPrepared(rewrite(graph, [...foldRules, ...loweringRules]));
  const { trained } = analysis;
  const training = trained?.loss && buildTraining(trained, trained.loss);
  const trainedNames = training?.gradients.nodes.flatMap((node) => (node.op === "parameter" ? [node.attributes.name] : [])) ?? [];
  if (training !== undefined)
    for (const { pattern, span } of analysis.optimizer?.except ?? [])
      if (!trainedNames.some((name) => matchesPath(pattern, name))) diagnostics.push(unmatchedException(pattern, analysis.model, span));
  if (diagnostics.length > 0) return { value: undefined, diagnostics };
  const { gradients, step } = training === undefined ? nothing : rewriteTraining(training, analysis.optimizer);
  const value: Graphs = { prepare, infer: main, gradients, step, plain: { infer: graph, training } };
  return { value, diagnostics };
}

/** What every graph goes through before it is lowered. */
const loweringRules: readonly Rule[] = [...simplifyRules, ...decomposeRules];

const nothing: Partial<TrainingPrograms> = {};

function rewriteTraining(training: TrainingGraph, optimizer: OptimizerSpec | undefined): TrainingPrograms {
  const { builder, renamed } = rewriteInto(training.gradients, loweringRules);
  return finishTraining(training, builder, renamed, optimizer);
}

export interface Code {
  readonly manifest: Manifest;
  readonly wasm: WasmModule;
  readonly plan: NetworkPlan;
}

type KeptTensor = Omit<TensorSpec, "offset">;

/** A network lowered for a target, with the tensors that it keeps. */
interface LoweredNetwork {
  readonly tensors: readonly KeptTensor[];
  readonly programs: NetworkPrograms;
}

const PROGRAMS = ["prepare", "infer", "gradients", "step"] as const;

/** Calls that a long repeat is cut to: its ends differ from its middle by a call or two. */
const KEPT_CALLS = 4;

/** Lowers a deep network from shallow ones where its repeats allow it, else all of its graph. */
function lowerNetwork(analysis: Analysis, graphs: () => Graphs, target: Target): LoweredNetwork {
  return lowerByRepeats(analysis, target) ?? lowerGraphs(analysis, graphs(), target);
}

function lowerGraphs(analysis: Analysis, graphs: Graphs, target: Target): LoweredNetwork {
  const lowered = PROGRAMS.map((name) => [name, graphs[name] && lowerGraph(graphs[name], target)]);
  return { tensors: persistentTensors(analysis, graphs), programs: Object.fromEntries(lowered) };
}

/** What two networks with their repeats cut short, one by a call less, say of the deep one; undefined where they cannot. */
function lowerByRepeats(analysis: Analysis, target: Target): LoweredNetwork | undefined {
  const short = withShortRepeats(analysis, KEPT_CALLS);
  const longer = short && withShortRepeats(analysis, KEPT_CALLS + 1);
  const [graphs, more] = [short && buildGraphs(short.analysis).value, longer && buildGraphs(longer.analysis).value];
  if (short === undefined || longer === undefined || graphs === undefined || more === undefined) return undefined;
  const [own, other] = [lowerGraphs(short.analysis, graphs, target), lowerGraphs(longer.analysis, more, target)];
  const { repeats } = short;
  const programs: { -readonly [K in keyof NetworkPrograms]: NetworkPrograms[K] } = {};
  for (const name of PROGRAMS) {
    const [program, next] = [own.programs[name], other.programs[name]];
    if (program === undefined || next === undefined) continue;
    programs[name] = extendProgram(program, next, repeats);
    if (programs[name] === undefined) return undefined;
  }
  const names = extendNames(
    own.tensors.map(({ name }) => name),
    other.tensors.map(({ name }) => name),
    repeats,
  );
  const tensors = names?.flatMap(({ source, name }) => {
    const like = own.tensors[source];
    return like === undefined ? [] : [{ ...like, name }];
  });
  return tensors && { tensors, programs };
}

function withShortRepeats(analysis: Analysis, kept: number) {
  const { inference, trained, optimizer } = analysis;
  // Weight decay may spare single calls of a repeat.
  if (optimizer?.except?.some(({ pattern }) => pattern.split(".").some((part) => /^[\d*]*\d[\d*]*$/.test(part)))) return undefined;
  const short = shortenRepeats(inference, kept);
  const shortTrained = trained && shortenRepeats(trained, kept);
  if (short === undefined || (trained !== undefined && JSON.stringify(shortTrained?.repeats) !== JSON.stringify(short.repeats))) return undefined;
  return { analysis: { ...analysis, inference: short.program, trained: shortTrained?.program }, repeats: short.repeats };
}

/** Lowers, plans and emits; `graphs` is asked only where the whole graph is needed. */
export function generate(analysis: Analysis, graphs: () => Graphs): Code {
  const { tensors, programs } = lowerNetwork(analysis, graphs, wasmTarget);
  const plan = planNetwork(tensors, programs, wasmTarget, packing);
  const plans = [plan.prepare, plan.infer, plan.gradients, plan.step].flatMap((each) => (each === undefined ? [] : [each]));
  const kernels = plans.flatMap((each) => each.steps.map((step) => step.kernel));
  const wasm = emitWasm(kernels);
  const placed = new Map(plan.tensors.map(({ name, buffer }) => [name, buffer]));
  const specs = tensors.map((tensor): TensorSpec => {
    const buffer = placed.get(tensor.name);
    invariant(buffer !== undefined, `tensor ${tensor.name} has no place`);
    return { ...tensor, offset: buffer.place.offset };
  });
  const scalars = programs.step === undefined ? {} : { learning_rate: analysis.learningRate };
  const manifest = buildManifest({
    model: analysis.model,
    plan,
    wasm,
    kernels,
    tensors: specs,
    batch: fixedBatch(analysis.inference),
    scalars,
    guards: guardSpecs(analysis.inference.guards, analysis.trained?.guards, analysis.inference.batch),
  });
  return { manifest, wasm, plan };
}

/** Lowers, plans and emits for WebGPU: `Manifest.webgpu` of the manifest that `generate` gives. */
export function generateWebgpu(analysis: Analysis, graphs: () => Graphs, storage: Storage = "f32"): WebgpuSpec {
  const { tensors, programs } = lowerNetwork(analysis, graphs, webgpuTarget);
  return buildWebgpu(planNetwork(tensors, programs, webgpuTarget, storage === "f16" ? packingForHalves : packForWebgpu), storage);
}

function fixedBatch(program: Program): number | undefined {
  if (program.batch !== undefined) return undefined;
  const [first] = program.root.inputs;
  const dim = first === undefined ? undefined : program.root.types[first.value]?.shape[0];
  return dim === undefined ? 1 : (constantOf(dim) ?? 1);
}

/** Parameters and states in checkpoint order, then the optimizer's slots. */
function persistentTensors(analysis: Analysis, graphs: Graphs): KeptTensor[] {
  const named = new Map<string, KeptTensor>();
  const found: readonly (Graph | undefined)[] = [graphs.plain.infer, graphs.gradients, graphs.step];
  for (const graph of found)
    for (const node of graph?.nodes ?? []) {
      if (node.op !== "parameter" && node.op !== "state") continue;
      const { name, shape, initializer } = node.attributes;
      if (named.has(name)) continue;
      const kind = node.op === "parameter" ? "param" : name.startsWith("optimizer.") ? "slot" : "state";
      const dtype = node.op === "parameter" ? "f32" : node.attributes.dtype;
      named.set(name, { name, kind, dtype, shape: shape.map((dim) => constantOf(dim) ?? 0), initializer });
    }
  const order = [...summarize(analysis.trained ?? analysis.inference).tensors.map((tensor) => tensor.name)];
  const kept = order.flatMap((name) => named.get(name) ?? []);
  const slots = [...named.values()].filter((tensor) => tensor.kind === "slot");
  return [...kept, ...slots];
}

export type Stage = "ast" | "program" | "graph" | "kernels" | "plan" | "wat" | "wgsl";

/** A stage as readable text. */
export function dump(stage: Stage, analysis: Analysis, graphs: () => Graphs, code: () => Code, storage?: Storage): string {
  switch (stage) {
    case "ast":
      return `${JSON.stringify(analysis.modules.entry.module, withoutSpans, 2)}\n`;
    case "program":
      return printProgram(analysis.trained ?? analysis.inference);
    case "graph": {
      const { prepare, infer, gradients, step } = graphs();
      return sections({ prepare, infer, gradients, step }, printGraph);
    }
    case "kernels":
      return sections(plansOf(code().plan), (plan) => plan.steps.map((each) => printKernel(each.kernel)).join("\n"));
    case "plan":
      return sections(plansOf(code().plan), (plan) => printPlan(plan));
    case "wat":
      return code().wasm.text();
    case "wgsl":
      return generateWebgpu(analysis, graphs, storage)
        .shaders.map(({ template, sizes }) => sizes.reduce((text, size) => text.replace("$", `${size}`), template))
        .join("\n");
    default:
      return stage satisfies never;
  }
}

function plansOf({ prepare, infer, gradients, step }: NetworkPlan): Record<string, NetworkPlan["infer"]> {
  return { prepare, infer, gradients, step };
}

function withoutSpans(key: string, value: unknown): unknown {
  return key === "span" || key.endsWith("Span") ? undefined : value;
}

function sections<T>(parts: Readonly<Record<string, T | undefined>>, print: (part: T) => string): string {
  return Object.entries(parts)
    .flatMap(([name, part]) => (part === undefined ? [] : [`== ${name}\n${print(part).trimEnd()}\n`]))
    .join("\n");
}

export type { Storage };
export { freeSizes, type Summary, summarize };
export { type CheckResult, check } from "./check-source.ts";
