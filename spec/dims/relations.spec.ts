/**
 * A table of relations against brute force: none that fails is proved, none that holds is refuted, each witness is
 * checked by a judge of its own, and what stays undecided is exactly what the table admits to.
 */
import * as assert from "uvu/assert";
import { assume, formatWitness, noFacts, prove } from "../../compiler/check/solve.ts";
import { suite } from "../harness.ts";
import { RELATIONS, UNDECIDED } from "./relations.ts";
import { bruteForce, readWritten } from "./written.ts";

for (const [theme, texts] of Object.entries(RELATIONS)) {
  suite(`solve, against brute force: ${theme}`, (test) => {
    for (const text of texts) {
      test(text, () => {
        const written = readWritten(text);
        const verdict = bruteForce(written);
        const answer = prove(
          written.relation.relation,
          assume(
            noFacts,
            written.facts.map((fact) => fact.relation),
          ),
        );
        if (verdict.kind === "fails") assert.is(answer.kind, "refuted", `fails at ${JSON.stringify([...verdict.at])}`);
        else assert.is(answer.kind, UNDECIDED.includes(text) ? "unproved" : answer.kind === "refuted" ? "refuted" : "proved");
        if (answer.kind !== "refuted") return;
        // A size that cancels is not in the witness; any will do.
        const bindings = new Map([...[...written.names].map(([name, least]) => [name, Math.max(least, 0)] as const), ...answer.witness.bindings]);
        const about = `${formatWitness(answer.witness)}`;
        assert.is(written.relation.holds(bindings), false, `the relation holds at ${about}`);
        assert.ok(
          written.facts.every((fact) => fact.holds(bindings) === true),
          `a fact fails at ${about}`,
        );
        assert.ok(verdict.kind !== "holds" || Math.max(...bindings.values()) > 40, `refuted, but it holds at every small size: ${about}`);
      });
    }
  });
}
