/** Every case of the operators and of their gradients, compiled to Wasm as one network each. */
import * as assert from "uvu/assert";
import { loadNetwork } from "../../runtime/load.ts";
import { suite } from "../harness.ts";
import { type CaseNetwork, compileCases, gradientNetwork, operatorNetwork, wrongCases } from "../operators/case-network.ts";

suite("operators on Wasm", (test) => {
  const check = async (cases: CaseNetwork, tolerance: number): Promise<void> => {
    assert.ok(cases.cases > 60, `${cases.cases} cases`);
    const network = await loadNetwork(compileCases(cases));
    assert.equal(await wrongCases(network, cases, tolerance), []);
    await network.dispose();
  };
  test("every case on known numbers", () => check(operatorNetwork(), 1e-6));
  test("every gradient", () => check(gradientNetwork(), 3e-6));
});
