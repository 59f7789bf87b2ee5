/**
 * Every diagnostic code of the compiler with its meaning, for `resnet explain` and the language reference.
 * Invariant: one entry a code, in order; a test holds it against the codes that occur in the sources.
 */

/** What a code means and how to mend it. */
export interface CatalogueEntry {
  readonly code: `RN${number}`;
  readonly title: string;
  /** One paragraph: when it is given, why it is a mistake, what mends it. */
  readonly text: string;
}

/** RN0xx text, RN1xx names, RN2xx shapes, RN3xx parameters and values, RN4xx structure, RN5xx recipes. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    code: "RN001",
    title: "unexpected character",
    text: "A character that begins no token. Typographic quotes, dashes and arrows have a safe fix that writes the language's own; so have characters that cannot be seen or told apart: zero-width and control characters, spaces and line breaks of other kinds, full-width letters, and those that turn the text around them, the last also in comments. Names are made of ASCII letters, digits and `_`, because they become the names of tensors in checkpoints.",
  },
  {
    code: "RN002",
    title: "string without end",
    text: 'A string must be closed by `"` on the line on which it begins.',
  },
  {
    code: "RN003",
    title: "unexpected word or sign",
    text: "The text does not continue as the grammar needs it here; the message says what could stand in its place. The rest of the file is still read: the parser goes on at the next statement or declaration.",
  },
  {
    code: "RN004",
    title: "bracket that is never closed",
    text: "A `{`, `(` or `[` has no partner. A declaration at the beginning of a line ends whatever is still open, so the declarations after it are checked as usual.",
  },
  {
    code: "RN005",
    title: "malformed number",
    text: "Numbers are written `12`, `0.5`, `1e-4`. Integers must be exact in 53 bits; a name may not begin with a digit.",
  },
  {
    code: "RN006",
    title: "comment without end",
    text: "A comment that begins with `/*` must be closed by `*/`; otherwise it swallows the rest of the file.",
  },
  {
    code: "RN007",
    title: "unknown edition",
    text: "`edition` says for which version of the language a file was written. This compiler does not know the one that is named; update it, or write an edition that it lists.",
  },
  {
    code: "RN101",
    title: "unknown name",
    text: "Nothing of this name is declared in the block, in the file, among its imports, in the standard layers, or among the operators. A near spelling is offered as a fix.",
  },
  {
    code: "RN102",
    title: "name declared twice",
    text: "A label, local or declaration is given twice in one scope. Labels are paths of parameters (`layer1.0.conv1.weight`), so each must be unique in its body.",
  },
  {
    code: "RN103",
    title: "module that cannot be read",
    text: "An import names a file that does not exist. Paths are relative to the importing file, the ending `.resnet` may be left out, and `std/...` names the standard library.",
  },
  {
    code: "RN104",
    title: "block or constant that contains itself",
    text: "A block is used in its own body, or a constant in its own value, directly or through others, so it would have no end. A stack of equal blocks is written `repeat n { ... }`.",
  },
  {
    code: "RN105",
    title: "imports in a circle",
    text: "Files import one another in a circle. Move what both need into a third file.",
  },
  {
    code: "RN106",
    title: "name that a module does not declare",
    text: "An import names something that the other file does not declare itself. Names which that file imports are not passed on.",
  },
  {
    code: "RN201",
    title: "skip with other channels than its join",
    text: "A merge never broadcasts: what arrives over a skip must have exactly the channels of the join's main path. The labels say where each number came from. `via project` adapts the skip with a 1×1 convolution (the help says how many weights that adds), `via project?` does so only where the shapes differ, `via pad` appends zero channels.",
  },
  {
    code: "RN202",
    title: "skip with another size than its join",
    text: "A spatial size of the skip differs from the join's. Often one path rounds up and the other down: a convolution with odd kernel and stride 2 gives `ceil(T/2)`, a pooling `floor(T/2)`; they agree for even sizes only, and the witness shows an odd one. `ceil: true` on the pooling, or a projection in its place, makes them equal for all.",
  },
  {
    code: "RN203",
    title: "projection with a stride that does not fit",
    text: "A projection divides each spatial size by its stride, rounding up. Either the stride that is written gives another size than the join's, and the one that fits is a safe fix; or no whole stride takes the one size to the other. Leave the stride out: it is derived from the two size expressions, never from measured sizes.",
  },
  {
    code: "RN204",
    title: "concat of unequal sizes",
    text: "Sizes beside the concatenated axis must agree. In a U-Net the encoder halves the input and rounds up while the decoder doubles; the two meet only where the input is divisible by the product of the strides. State that with `where W % 32 == 0` at the input, or pad the input.",
  },
  {
    code: "RN205",
    title: "sizes that must be equal",
    text: "An operator or a stated argument needs two sizes to be equal and they are not: the inputs of a matrix product, the channels of a convolution's weight, both sides of `a * b`, or `linear(10, in: 64)` where other than 64 features arrive. Sizes follow from what arrives; an argument that only repeats one may be deleted.",
  },
  {
    code: "RN206",
    title: "wrong number of axes",
    text: "A tensor has more or fewer axes than its use needs. Tensors are `[batch, channels, ...spatial]`: a picture is `[N, 3, H, W]`, also when it is only one. As a warning: an input of three axes looks like a picture without its batch or channel axis, which layers over any number of spatial axes would take for a sequence.",
  },
  {
    code: "RN207",
    title: "window larger than its input",
    text: "A convolution or pooling window does not fit the size that arrives. The labels follow the size from its declaration through every layer that reduced it. `global_avgpool` takes the mean over whatever is left; for free sizes the help says from which input size on the window fits.",
  },
  {
    code: "RN208",
    title: "loss of unequal shapes",
    text: "Output and target of a loss must have one shape: `[N, 1]` against `[N]` would compare every sample with every other, and train without a sign of it. `cross_entropy` takes logits `[N, classes]` and labels `i64[N]`, or logits with positions, `[N, classes, H, W]`, and a label for each, `i64[N, H, W]`.",
  },
  {
    code: "RN209",
    title: "output of another shape than declared",
    text: "The shape written at an `out` port is an assertion, and the body gives another. The labels show where the differing size came from.",
  },
  {
    code: "RN210",
    title: "input of another size than declared",
    text: "A port declares a size that what arrives does not have: `[N, 3, H, W]` given one channel, or `[N, C, H, H]` given a picture that is not square.",
  },
  {
    code: "RN211",
    title: "condition that does not hold",
    text: "A block states a `where` that this use does not meet; the note gives the values, the labels their origin and the place of the condition. In a block of your own, state the same `where`, and its users must meet it.",
  },
  {
    code: "RN212",
    title: "division with a remainder",
    text: "`/` on sizes is exact, and this division is not for all sizes. Round with `floor(a/b)` or `ceil(a/b)`, or state `where a % b == 0`.",
  },
  {
    code: "RN213",
    title: "size that is not divisible",
    text: "An operator splits a size into equal parts, as a grouped convolution does its channels, and the size does not divide.",
  },
  {
    code: "RN214",
    title: "merge of different ranks",
    text: "Skip and join have a different number of axes. A merge never broadcasts: bring both to one rank first, for example with `broadcast`, `reshape` or a pooling.",
  },
  {
    code: "RN215",
    title: "number out of range",
    text: "An operator's argument is outside its range: a negative padding, a stride or kernel of 0.",
  },
  {
    code: "RN220",
    title: "relation that was not proved",
    text: "A hint, not an error: the checker could neither prove a relation between sizes nor find sizes that break it. It is checked when the sizes are known. The help gives the `where` that states it.",
  },
  {
    code: "RN301",
    title: "argument of the wrong type",
    text: "An argument is not of the type that the parameter declares: `dim` is an integer of at least 1, `int` any integer, `prob` a number between 0 and 1, `init` an initialiser, `block` a block or operator.",
  },
  {
    code: "RN302",
    title: "unknown parameter",
    text: "The block or operator has no parameter of this name; the help lists those that it has.",
  },
  {
    code: "RN303",
    title: "missing argument or input",
    text: "A parameter without default is given no value, or a block is given another number of tensors than it has `in` ports. A tuple `(a, b) -> f` feeds several ports.",
  },
  {
    code: "RN304",
    title: "argument too many",
    text: "More positional arguments than parameters, or one parameter given twice.",
  },
  {
    code: "RN305",
    title: "value of the wrong kind",
    text: "A value stands where another kind is needed: a number as a stage of a chain, a string in arithmetic, a tensor where a size is needed.",
  },
  {
    code: "RN306",
    title: "wrong dtype",
    text: "Tensors of different element types are combined, or a port or operator needs another one. Nothing is converted by itself: write `cast(x, ...)`.",
  },
  {
    code: "RN307",
    title: "condition that cannot be decided",
    text: "`if` is decided while compiling, so its condition may only depend on parameters and on sizes that are fixed or constrained. Fix the size with `--dim`, or state a `where` that decides the condition.",
  },
  {
    code: "RN308",
    title: "number that must be known",
    text: "The count of a `repeat`, an index or an axis must be a known number when a model is built; a free size is none.",
  },
  {
    code: "RN309",
    title: "dim that the model does not have",
    text: "`--dim` or `dims` names a size that no `in` port of the model declares, or gives one that does not fit.",
  },
  {
    code: "RN401",
    title: "data flow in a circle",
    text: "A name is used before it is computed. Edges run forward only: a skip starts before the join that it enters.",
  },
  {
    code: "RN402",
    title: "join that no skip enters",
    text: "A join merges its main path with skips, and none is declared for it. With `add(drop: p)` the main path would be dropped at random and leave nothing.",
  },
  {
    code: "RN403",
    title: "skip into a join that does not exist",
    text: "A skip names a join that is not in its body. Joins are named where they stand: `-> join sum: add`.",
  },
  {
    code: "RN404",
    title: "output without value",
    text: "No chain ends in this `out` port and no assignment gives it a value.",
  },
  {
    code: "RN405",
    title: "output with two values",
    text: "An `out` port is given a value more than once, or in every round of a repeat.",
  },
  {
    code: "RN406",
    title: "unknown merge",
    text: "A join merges by `add`, `concat`, `mul`, `max` or `gate`.",
  },
  {
    code: "RN407",
    title: "chain without input",
    text: "A chain begins with a layer, and there is nothing that flows into it. Begin it with a value, `x -> ...`; only the body of a `repeat`, `stages` or `if` starts from what flows in.",
  },
  {
    code: "RN408",
    title: "pattern that matches nothing",
    text: "A variant cuts skips by a pattern that no join's path matches, or a recipe leaves parameters out of the weight decay by one that no name matches: a slip that would otherwise go unseen. `*` stands for one component, a leading `*` and `**` for any number.",
  },
  {
    code: "RN409",
    title: "more than the compiler takes",
    text: "A repeat, list or nesting is larger than any network needs. The bound keeps a slip of the pen from running without end.",
  },
  {
    code: "RN410",
    title: "name or result that is never used",
    text: "A warning: nothing in the block uses this parameter, input, `param` or `let`, or the result of this chain. A name that begins with `_` is meant to be left alone.",
  },
  {
    code: "RN501",
    title: "unknown setting of a recipe",
    text: "A `train` declaration has the settings loss, optimizer, schedule, batch, epochs, normalize and augment; `sweep NAME in [...]` trains it for several values.",
  },
  {
    code: "RN502",
    title: "setting or swept value given twice",
    text: "Each setting of a recipe is given at most once, and what is swept gets its value from the sweep alone: not from a second sweep, not from the setting itself, and not from a model or variant of `sweep model` that sets the parameter.",
  },
  {
    code: "RN503",
    title: "setting with a wrong value",
    text: "The value of a setting, or of an option in it, is not what it takes; the message says what it does.",
  },
  {
    code: "RN504",
    title: "unknown loss, optimizer, schedule or option",
    text: "The name after a setting, or of an option, is none that exists; the help lists those that do.",
  },
  {
    code: "RN505",
    title: "loss of an output that the model does not have",
    text: "The first argument of a loss is one of the model's `out` ports.",
  },
  {
    code: "RN506",
    title: "no such recipe",
    text: "The command line asks for a recipe that the file does not declare.",
  },
  {
    code: "RN507",
    title: "no model, or several",
    text: "The file declares no model, or several and none was chosen with `--model`.",
  },
  {
    code: "RN508",
    title: "no loss to derive",
    text: "Without a recipe or `--loss` the loss is the cross entropy of the model's only output; this model has several.",
  },
  {
    code: "RN509",
    title: "sweep that changes nothing",
    text: "What is swept is no parameter of the model, no setting, and no name that a setting of the recipe uses, so that every run would be the same. Misspelt names get a suggestion; a learning rate is swept by using the name where the rate stands: `optimizer sgd(lr: lr)` with `sweep lr in [0.1, 0.05]`.",
  },
  {
    code: "RN510",
    title: "sweep without a list of different values",
    text: "A sweep takes a list with at least one value, each of them once; that of `model` a list of models and variants. The same value twice would be the same run twice: for several seeds there is `resnet train --seeds 3`.",
  },
];

/** The entry of a code, in any case of letters. */
export function explain(code: string): CatalogueEntry | undefined {
  return CATALOGUE.find((entry) => entry.code === code.toUpperCase());
}
