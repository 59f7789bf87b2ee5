/**
 * A file to start from, made of a model of the standard library: the model's own text, the declarations and imports that
 * it needs, and a recipe.
 * Invariant: the text checks clean; its parameters, names and sizes are those of the model it was made from.
 */
import type { Block, Expression, Item, Variant } from "../../grammar/ast.ts";
import type { Span } from "../../grammar/source.ts";
import { check } from "../../compiler/compile.ts";
import { invariant } from "../../compiler/ir/invariant.ts";
import { applyEdits } from "../../compiler/report/hunks.ts";
import { loadModules, type ModuleScope } from "../../compiler/resolve/modules.ts";
import { ResnetError } from "../../runtime/error.ts";
import { readModule, readSource } from "./files.ts";

export interface Starter {
  readonly model: string;
  readonly text: string;
}

/** Throws RN801 if there is no such file of the library or no such model in it. */
export function starter(from: string, model: string | undefined): Starter {
  const { entry } = loadModules(readSource(from), readModule);
  const models = entry.module.items.flatMap((item) => ((item.kind === "Block" && item.model) || item.kind === "Variant" ? [item.name.text] : []));
  const name = model ?? (models.length === 1 ? models[0] : undefined);
  const item = entry.module.items.find(
    (each): each is Block | Variant => (each.kind === "Block" || each.kind === "Variant") && each.name.text === name,
  );
  if (name === undefined || item === undefined || !models.includes(name)) {
    const problem = model === undefined ? `${from} has several models: choose one with --model` : `${from} has no model ${model}`;
    throw new ResnetError("RN801", `${problem}; it has ${models.join(", ")}`);
  }
  const base = item.kind === "Block" ? item : baseOf(entry, item);
  const declarations =
    item.kind === "Block" || item.actions.every((action) => action.kind === "SetParameter")
      ? [resolved(base, item)]
      : [itemText(base), itemText(item)];
  const own = withOwnDeclarations(entry, base, declarations);
  const text = `${["edition 2026", ...importLines(entry, own.join("\n"))].join("\n")}\n\n${[...own, recipeText(base, name)].join("\n\n")}\n`;
  const { diagnostics } = check({ path: `${name}.resnet`, text }, readModule);
  invariant(diagnostics.length === 0, `the starting file of ${name} is not clean: ${diagnostics[0]?.message}`);
  return { model: name, text };
}

function baseOf(entry: ModuleScope, variant: Variant): Block {
  const base = entry.own.get(variant.of.text);
  invariant(base?.kind === "block", "a variant of the library has its model in its own file");
  return base.block;
}

/** The model's text with the variant's doc comment, name and parameters. */
function resolved(base: Block, item: Block | Variant): string {
  if (item.kind === "Block") return itemText(base);
  const set = new Map(item.actions.flatMap((action) => (action.kind === "SetParameter" ? [[action.name.text, action.value] as const] : [])));
  const values = base.parameters.flatMap(({ name, default: written }): { span: Span; value: Expression }[] => {
    const value = set.get(name.text);
    return value === undefined || written === undefined ? [] : [{ span: written.span, value }];
  });
  const edits = [
    { span: base.name.span, replacement: item.name.text },
    ...values.map(({ span, value }) => ({ span, replacement: textOf(value.span) })),
  ];
  const { source, start, end } = base.span;
  return docOf(item) + applyEdits(source.text, edits, start, end);
}

function itemText(item: Item): string {
  return docOf(item) + textOf(item.span);
}

/** The comment without the line that names the fixture. */
function docOf({ doc }: Item): string {
  const lines = (doc ?? "").split("\n").filter((line) => line.trim() !== "" && !/^Reference:/.test(line.trim()));
  return lines.map((line) => `/// ${line.trim()}\n`).join("");
}

/** With the blocks and constants of the file that the declarations name, and those which these name in turn. */
function withOwnDeclarations(entry: ModuleScope, base: Block, declarations: readonly string[]): string[] {
  const others = entry.module.items.filter((item) => (item.kind === "Block" && !item.model && item !== base) || item.kind === "Constant");
  const taken = new Set<Item>();
  for (let size = -1; size !== taken.size; ) {
    size = taken.size;
    const text = [...declarations, ...[...taken].map((item) => textOf(item.span))].join("\n");
    for (const item of others) if ("name" in item && item.name !== undefined && mentions(text, item.name.text)) taken.add(item);
  }
  return [...declarations, ...others.filter((item) => taken.has(item)).map(itemText)];
}

function importLines(entry: ModuleScope, text: string): string[] {
  return entry.module.imports.flatMap(({ names, alias, path }) => {
    if (alias !== undefined) return mentions(text, alias.text) ? [`import "${path}" as ${alias.text}`] : [];
    const used = names.filter(({ local }) => mentions(text, local.text));
    const written = used.map(({ name, local }) => (name.text === local.text ? name.text : `${name.text} as ${local.text}`));
    return written.length === 0 ? [] : [`import { ${written.join(", ")} } from "${path}"`];
  });
}

/** Names in comments do not count. */
function mentions(text: string, name: string): boolean {
  return new RegExp(`\\b${name}\\b`).test(text.replace(/\/\/.*$/gm, ""));
}

/** What He et al. 2015 trained with (sections 3.4 and 4.2), the longer schedule where the model is for ImageNet. */
function recipeText(model: Block, name: string): string {
  const outputs = model.body.flatMap((statement) => (statement.kind === "OutPort" ? [statement.name.text] : []));
  const classes = model.parameters.find((parameter) => parameter.name.text === "classes")?.default;
  const large = classes?.kind === "NumberLiteral" && classes.value >= 1000;
  const pictures = model.body.some((statement) => statement.kind === "InPort" && statement.type?.dims.length === 4);
  return [
    `train ${name} {`,
    `  loss      cross_entropy(${outputs[0] ?? "logits"}, label: i64[N]${large ? ", smoothing: 0.1" : ""})`,
    "  optimizer sgd(lr: 0.1, momentum: 0.9, weight_decay: 1e-4, nesterov: true)",
    large ? "  schedule  warmup(5) -> cosine(90)" : "  schedule  warmup(1) -> cosine(10)",
    large ? "  batch     256" : "  batch     128",
    large ? "  epochs    90" : "  epochs    10",
    ...(pictures ? ["  // normalize(mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25])", "  // augment crop(4) -> flip"] : []),
    "}",
  ].join("\n");
}

function textOf({ source, start, end }: Span): string {
  return source.text.slice(start, end);
}
