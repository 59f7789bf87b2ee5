/** Statements and chains: each form of the grammar, and where one statement ends and the next begins. */
import * as assert from "uvu/assert";
import { suite } from "../harness.ts";
import { errorsOf, statementsOf } from "./print.ts";

const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  ["in port", "in x: [N, C]", ["in x: f32~<N, C>"]],
  ["in port with dtype and where", "in x: f32[N, 3] where N > 0, N < 9", ["in x: f32<N, 3> where (N > 0), (N < 9)"]],
  ["ports without type", "in x\nout y", ["in x: ?", "out y: ?"]],
  ["where on its own line", "in x: [N]\nwhere N % 2 == 0, N > 1", ["in x: f32~<N>", "where ((N % 2) == 0), (N > 1)"]],
  ["where after out", "out y: [N] where N > 1", ["out y: f32~<N>", "where (N > 1)"]],
  ["param", "param weight: [out, C/groups] = kaiming(fan: 2)", ["param weight: f32~<out, (C / groups)> = kaiming(fan: 2)"]],
  ["state without initialiser", "state count: i64[]", ["state count: i64<>"]],
  ["update", "update mean = 0.9 * mean", ["update mean = (0.9r * mean)"]],
  ["let", "let hidden = 4 * C", ["let hidden = (4 * C)"]],
  ["let of several", "let (a, b) = f(x)", ["let a, b = f(x)"]],
  ["assign", "y = relu(a + b)", ["assign y = relu((a + b))"]],
  ["assign several", "(a, b) = f(x)", ["assign a, b = f(x)"]],
  ["names", "names torchvision", ["names torchvision"]],
  ["doc comments", "/// the input\n/// of it\nin x: [N]", ["/// the input|of it in x: f32~<N>"]],
  ["chain", "x -> conv1: conv(64, 3) -> relu -> y", ["x -> 'conv1': conv(64, 3) -> relu -> y"]],
  ["chain over lines", "x\n  -> a ->\n  b -> y\nz -> w", ["x -> a -> b -> y", "z -> w"]],
  ["chains by lines", "x -> a\ny -> b", ["x -> a", "y -> b"]],
  ["chains by semicolons", "x -> a; y -> b;; z -> c;", ["x -> a", "y -> b", "z -> c"]],
  ["a line that begins with a parenthesis is a new statement", "x -> a\n(b, c) = f(a)", ["x -> a", "assign b, c = f(a)"]],
  ["tuple source", "(a, b) -> f -> y", ["<a, b> -> f -> y"]],
  ["join with label and arguments", "x -> join sum: add(drop: p) -> y", ["x -> join sum: add(drop: p) -> y"]],
  ["join without label", "x -> join add -> join concat(channel)", ["x -> join -: add() -> join -: concat(channel)"]],
  ["join labelled as other stages are", "x -> sum: join add", ["x -> join sum: add()"]],
  ["repeat", "x -> repeat 3 { relu } -> y", ["x -> repeat 3 as - { relu } -> y"]],
  ["repeat with label and index", "blocks: repeat n - 1 as j { a -> b; skip it -> r }", ["'blocks': repeat (n - 1) as j { a -> b; skip it => r }"]],
  ["repeat with its brace on the next line", "x -> repeat n\n{ relu }", ["x -> repeat n as - { relu }"]],
  ["stages", "x -> stages layer of [1, 2] as i, (w, n) { f(w) }", ["x -> 'layer': stages [1, 2] as i, (w, n) { f(w) }"]],
  ["stages with a pattern only", "x -> stages of list as (w, (n, m)) { f }", ["x -> stages list as -, (w, (n, m)) { f }"]],
  ["stages with an index only", "x -> stages layer of list as i { f }", ["x -> 'layer': stages list as i, - { f }"]],
  ["stages with a name as the pattern", "x -> stages layer of list as i, w { f }", ["x -> 'layer': stages list as i, w { f }"]],
  ["stages with a label with a hole", 'x -> stages "l{1}" of list { f }', ["x -> 'l{1}': stages list as -, - { f }"]],
  ["if as a statement", "if a == b { x -> y } else { }", ["if! (a == b) { x -> y } else {}"]],
  ["else if", "if a { x } else if b { y } else { z }", ["if! a { x } else { if! b { y } else { z } }"]],
  ["else on the next line", "if a { x }\nelse { y }", ["if! a { x } else { y }"]],
  ["if as a stage", "x -> if a { f } else if b { g } -> y", ["x -> if a { f } else { if! b { g } else {} } -> y"]],
  ["a chain that begins with an if", "if a { f } -> y", ["if a { f } else {} -> y"]],
  ["body stage", "x -> stem: { conv -> relu } -> { f } -> y", ["x -> 'stem': { conv -> relu } -> { f } -> y"]],
  ["label with holes", 'x -> "denselayer{j+1}_{k}": f', ["x -> 'denselayer{(j + 1)}_{k}': f"]],
  ["label with an escaped brace", String.raw`x -> "a\{b\}": f`, ["x -> 'a{b}': f"]],
  ["skip", "skip x -> sum", ["skip x => sum"]],
  ["skip of an expression", "skip (a + b) -> r", ["skip (a + b) => r"]],
  ["labelled skip", "skip downsample: x -> sum via project?", ["skip 'downsample': x => sum via PROJECT?()"]],
  ["skip via identity", "skip x -> r via identity", ["skip x => r via IDENTITY"]],
  ["skip via project with arguments", "skip x -> r via project(norm: false)", ["skip x => r via PROJECT(norm: false)"]],
  ["skip via project? with arguments", "skip x -> r via project?(norm: 1)\nx -> y", ["skip x => r via PROJECT?(norm: 1)", "x -> y"]],
  ["skip via pad", "skip x -> r via pad(1)", ["skip x => r via PAD(1)"]],
  ["skip via a chain", "skip x -> r via avgpool(2) -> p: conv(c, 1)", ["skip x => r via avgpool(2) -> 'p': conv(c, 1)"]],
  ["skip via a chain that begins with project", "skip x -> r via project -> relu", ["skip x => r via project -> relu"]],
  ["skip via a labelled project", "skip x -> r via shortcut: project", ["skip x => r via 'shortcut': project"]],
  ["via on the next line", "skip x -> r\n  via pad\nx -> y", ["skip x => r via PAD()", "x -> y"]],
  ["project? at a line's end", "skip x -> r via project?\nx -> y", ["skip x => r via PROJECT?()", "x -> y"]],
  ["several on one line", "in x: [N] out y: [N] x -> relu -> y skip x -> s", ["in x: f32~<N>", "out y: f32~<N>", "x -> relu -> y", "skip x => s"]],
  ["keywords as labels", "x -> in: a -> state: b -> join: c -> repeat: d", ["x -> 'in': a -> 'state': b -> 'join': c -> 'repeat': d"]],
  ["keywords as a chain's ends", "in -> names -> out", ["in -> names -> out"]],
  ["keywords as targets", "state = 3\nnames = state", ["assign state = 3", "assign names = state"]],
  ["keywords as ports", "in in: [N]\nout out: [N]\nin -> f -> out", ["in in: f32~<N>", "out out: f32~<N>", "in -> f -> out"]],
  ["comments anywhere", "x /* a */ -> // b\n f /* c\n d */ -> y", ["x -> f -> y"]],
];

suite("syntax: statements", (test) => {
  for (const [name, text, expected] of CASES) test(name, () => assert.equal(statementsOf(text), [...expected]));

  test("what is refused", () => {
    const refused: readonly (readonly [string, string])[] = [
      ["a: if b { c }", "RN003 a"],
      ["a: join b: add", "RN003 a"],
      ["skip x -> r via pad?", "RN003 ?"],
      ["skip x -> r via identity(1)", "RN003 identity(1)"],
      ["skip x -> r via project? -> relu", "RN003 ?"],
      ["a -> b = 3", "RN003 ="],
      ["f(x) -> g(y) = 3", "RN003 f(x) -> g(y)"],
      ["f(x) = 3", "RN003 f(x)"],
      ["in x: f64[N]", "RN003 f64"],
      ["in x [N]", "RN003 [N]"],
      ["x -> stages of l as (a, b), c { f }", "RN003 (a, b)"],
      ['x -> "a{b": f', "RN003 {"],
      ['x -> "a}b": f', "RN003 }"],
    ];
    for (const [text, expected] of refused) assert.equal(errorsOf(`block B() {\n${text}\n}`), [expected], text);
  });
});
