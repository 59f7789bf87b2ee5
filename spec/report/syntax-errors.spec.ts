/** Syntax errors from text to report: each code RN001 to RN006 once, as its reader sees it. */
import * as assert from "uvu/assert";
import { renderDiagnostics } from "../../compiler/report/text.ts";
import { parse } from "../../grammar/parse.ts";
import { suite } from "../harness.ts";

function report(text: string): string {
  return renderDiagnostics(parse({ path: "net.resnet", text }).diagnostics, { color: false });
}

const CASES: readonly (readonly [string, string, string])[] = [
  [
    "RN001",
    "block A {\n  x → y\n}\n",
    `error[RN001]: unexpected character \`→\`
 --> net.resnet:2:5
  |
2 |   x → y
  |     ^ the language writes \`->\`
help (safe): write \`->\`
  |
2 -   x → y
2 +   x -> y
`,
  ],
  [
    "RN002",
    'import { A } from "std/residual\n',
    `error[RN002]: a string that begins here has no closing \`"\` on its line
 --> net.resnet:1:19
  |
1 | import { A } from "std/residual
  |                   ^^^^^^^^^^^^^ the line ends first
`,
  ],
  [
    "RN003",
    "block A {\n  x -> conv(64) relu -> y\n  y ->\n}\n",
    `error[RN003]: expected \`->\`, \`;\` or a new line before \`relu\`
 --> net.resnet:2:17
  |
2 |   x -> conv(64) relu -> y
  |                 ^^^^ a chain's stages are joined by \`->\`
help (maybe-incorrect): join the stages
  |
2 -   x -> conv(64) relu -> y
2 +   x -> conv(64) -> relu -> y

error[RN003]: expected a stage after \`->\`, found the end of the statement
 --> net.resnet:3:7
  |
3 |   y ->
  |       ^
`,
  ],
  [
    "RN004",
    "block A {\n  x -> repeat 3 {\n    relu\n  skip x -> y\n}\n\nmodel M() {\n",
    `error[RN004]: \`{\` is never closed
 --> net.resnet:2:17
  |
2 |   x -> repeat 3 {
  |                 ^ needs a \`}\`
...
5 | }
  | - before this

error[RN004]: \`{\` is never closed
 --> net.resnet:7:11
  |
7 | model M() {
  |           ^- the file ends here
  |           |
  |           needs a \`}\`
`,
  ],
  [
    "RN005",
    "const a = 0x10\n",
    `error[RN005]: \`0x10\` is not a decimal number
 --> net.resnet:1:11
  |
1 | const a = 0x10
  |           ^^^^
`,
  ],
  [
    "RN006",
    "const a = 1 /* one\n",
    `error[RN006]: a comment that begins here has no closing \`*/\`
 --> net.resnet:1:13
  |
1 | const a = 1 /* one
  |             ^^ the rest of the file is read as this comment
`,
  ],
];

suite("report: syntax errors", (test) => {
  for (const [code, text, expected] of CASES) test(code, () => assert.is(report(text), expected));
});
