/**
 * Arguments given from outside as text, `--set Act=gelu`, for parameters that take blocks or initialisers.
 * Invariant: the text means what it would as an argument in the model's own file.
 */
import { parse } from "../../grammar/parse.ts";
import { type Frame, report } from "./context.ts";
import { evaluate } from "./expressions.ts";
import { rootScope } from "./scope.ts";
import { type BlockDeclaration, type GivenArgument, POISON, type Value } from "./values.ts";

/** Texts for such parameters are read; other arguments stay as they are. */
export function readTexts(frame: Frame, declaration: BlockDeclaration, given: readonly GivenArgument[]): readonly GivenArgument[] {
  return given.map((argument) => {
    const { type } = declaration.block.parameters.find(({ name }) => name.text === argument.name) ?? {};
    const wanted = type?.kind === "ScalarType" && (type.name === "block" || type.name === "init");
    if (!wanted || argument.value.kind !== "string" || argument.name === undefined) return argument;
    return { ...argument, value: readText(frame, declaration, argument.name, argument.value.value) };
  });
}

function readText(frame: Frame, { file }: BlockDeclaration, name: string, text: string): Value {
  const { module, diagnostics } = parse({ path: "--set", text: `const ${name} = ${text}` });
  for (const diagnostic of diagnostics) report(frame.session, diagnostic, true);
  const [item, more] = module.items;
  if (diagnostics.length > 0 || item?.kind !== "Constant" || more !== undefined) return POISON;
  return evaluate(frame, rootScope(file, new Map()), item.value);
}
