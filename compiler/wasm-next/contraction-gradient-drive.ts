/**
 * The drivers of weight gradients: packing a box of the output's gradient, and adding its products to the sums.
 * Invariant: sums of a block are [run][rows of four][4][8]; a box's products are summed in registers before they are added.
 */
import type { WasmModule } from "./encode.ts";
import { fieldsOf } from "./contraction-fields.ts";
import { depthwiseGradientFunction, gradientFunction, LANE_BYTES } from "./micro.ts";
import { both, define, equal, forRange, minus, push, quotient, set, smaller, sum, times, when, word } from "./micro-code.ts";

/** (plan, state) -> (). See `Drivers.pack`. */
export function packFunction(module: WasmModule): number {
  return module.addFunction("contraction_pack", ["i32", "i32"], [], (f) => {
    const [plan, state] = [f.param(0), f.param(1)];
    const { p, s } = fieldsOf(plan, state);
    const step = define(f, p("panelW"));
    const channel = define(f, p("panelChannel"));
    const target = define(f, sum(state, p("tiles")));
    const corner = define(f, sum(
      s("panels"), times(s("image"), p("panelImage")), times(s("indexD"), p("panelD")),
      times(s("indexH"), p("panelH")), times(s("indexW"), step),
    ));
    const [from, lane] = [f.local("i32"), f.local("i32")];
    forRange(f, s("block0"), s("blockEnd"), 1, (block) => {
      const lanes = smaller(f, minus(p("lanes"), times(block, 8)), 8);
      forRange(f, 0, s("countH"), 1, (h) => {
        set(f, from, sum(corner, times(h, p("panelH")), times(times(block, 8), channel)));
        when(f, both(equal(lanes, 8), equal(channel, 4)), () => {
          forRange(f, 0, s("countW"), 1, () => {
            f.get(target).get(from).load("v128.load").store("v128.store");
            f.get(target).get(from).load("v128.load", 16).store("v128.store", 16);
            f.addTo(target, LANE_BYTES).addLocal(from, step);
          });
        }, () => {
          forRange(f, 0, s("countW"), 1, () => {
            f.get(target).v128(0).store("v128.store").get(target).v128(0).store("v128.store", 16);
            set(f, lane, from);
            forRange(f, 0, lanes, 1, (n) => {
              push(f, sum(target, times(n, 4)));
              f.get(lane).load("f32.load").store("f32.store").addLocal(lane, channel);
            });
            f.addTo(target, LANE_BYTES).addLocal(from, step);
          });
        });
      });
    });
  });
}

/** (plan, state) -> (). See `Drivers.products`. */
export function productsFunction(module: WasmModule): number {
  const [plain, depthwise] = [gradientFunction(module), depthwiseGradientFunction(module)];
  return module.addFunction("contraction_products", ["i32", "i32"], [], (f) => {
    const [plan, state] = [f.param(0), f.param(1)];
    const { p, s } = fieldsOf(plan, state);
    const table = define(f, sum(state, p("runTable")));
    const pixelStep = define(f, times(p("perResultW"), s("stepW")));
    const rowStep = define(f, times(p("perResultH"), s("stepH")));
    const width = define(f, s("countW"));
    const groups = define(f, quotient(sum(quotient(s("runBytes"), LANE_BYTES), 3), 4));
    forRange(f, 0, s("countH"), p("rowsAtOnce"), (h) => {
      const rows = smaller(f, minus(s("countH"), h), p("rowsAtOnce"));
      const corner = define(f, sum(s("origin"), times(h, rowStep)));
      forRange(f, s("block0"), s("blockEnd"), 1, (block) => {
        const position = define(f, minus(block, s("block0")));
        const gradients = define(f, sum(state, p("tiles"), times(sum(times(position, s("pixels")), times(h, width)), LANE_BYTES)));
        const sums = define(f, sum(state, p("sums"), times(position, p("panelBlock"))));
        const source = f.local("i32");
        const call = (callee: number): void => {
          f.get(source).get(gradients).get(rows).get(width).get(pixelStep).get(rowStep).get(sums).call(callee);
        };
        forRange(f, 0, s("runs"), 1, (run) => {
          set(f, source, sum(corner, word(sum(table, times(run, 8)), 0)));
          when(f, p("depthwise"), () => {
            set(f, source, sum(source, times(position, LANE_BYTES)));
            call(depthwise);
            f.addTo(sums, LANE_BYTES);
          }, () => {
            forRange(f, 0, groups, 1, () => {
              call(plain);
              f.addTo(source, 16).addTo(sums, 4 * LANE_BYTES);
            });
          });
        });
      });
    });
  });
}
