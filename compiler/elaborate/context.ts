/**
 * The mutable state of one elaboration: what is assumed, what was reported, the block being filled.
 * Invariant: created per call of `elaborate`; a diagnostic is kept once per code and place.
 */
import type { Constant } from "../../grammar/ast.ts";
import type { Diagnostic } from "../../grammar/diagnostic.ts";
import type { Span } from "../../grammar/source.ts";
import type { Facts } from "../check/solve.ts";
import type { Attributes, OpName } from "../ir/attributes.ts";
import { type Dim, sameDim } from "../ir/dim.ts";
import type { Entry, Guard, Instance, ValueId } from "../ir/program.ts";
import type { Relation } from "../ir/relation.ts";
import type { TensorType } from "../ir/type.ts";
import type { TypeProblem, TypeRelation } from "../operators/operator.ts";
import { operators } from "../operators/table.ts";
import { anchorOf, placeDiagnostic, spanKey, subjectOf, type Use } from "./anchor.ts";
import type { DepthTracker } from "./depth.ts";
import { inheritOrigins } from "./origins.ts";
import * as problems from "./problems.ts";
import type { Solver } from "./solver.ts";
import type { UsedNames } from "./used-names.ts";
import { type BlockDeclaration, relationKey, type TensorValue, type Value } from "./values.ts";
import { whereFix } from "./where-fix.ts";

export interface Settings {
  /** undefined: both modes are checked (generic). */
  readonly training: boolean | undefined;
  /** Dims fixed from outside, by the name the model's ports give them. */
  readonly dims: ReadonlyMap<string, number>;
}

/** An elaborated block with what it demands of its sizes. */
export interface SharedInstance {
  readonly instance: Instance;
  readonly inferred: readonly Relation[];
  /** Facts added on the way. */
  readonly assumed: readonly Relation[];
}

/** What elaborations had to do; whoever asks for them may count. */
export interface Effort {
  /** Bodies of blocks, rounds and branches gone through. */
  bodies: number;
}

/** Shared by all frames of one elaboration. */
export interface Session {
  readonly settings: Settings;
  /** Checking a block by itself, with symbolic parameters. */
  readonly generic: boolean;
  /** Nothing is built of it: copied rounds have no entries. */
  readonly checking: boolean;
  facts: Facts;
  readonly diagnostics: Diagnostic[];
  /** How many of them are errors. */
  errors: number;
  readonly reported: Set<string>;
  readonly guards: Guard[];
  readonly solver: Solver;
  readonly effort: Effort;
  /** What a block that is checked by itself needs of its sizes beyond its `where`: part of its signature. */
  readonly inferred: Relation[];
  /** Conditions of the undecided branches that are open. */
  readonly branches: Relation[];
  /** Elaborated uses, with what was known then. */
  readonly memo: Map<string, { readonly facts: Facts; readonly instance: Instance | undefined }>;
  /** Those of a file's blocks in all sessions that reported nothing. */
  readonly instances: (declaration: BlockDeclaration) => Map<string, SharedInstance>;
  /** Counts diagnostics and guards, also those given before. */
  complaints: number;
  /** Values of constants met so far; "open" while one is evaluated. */
  readonly constants: Map<Constant, Value | "open">;
  readonly spelling: SpellingBudget;
  /** Path of the file under check; mistakes are placed in it rather than in `std/`. */
  readonly home: string;
  /** Places that a block's own check complains of, with what it says; undefined if it cannot be checked by itself. */
  readonly faultsOf: (declaration: BlockDeclaration) => ReadonlyMap<string, string> | undefined;
  /** Blocks being elaborated, outermost first. */
  readonly trail: Use[];
  scheme: string;
  /** How many axes a rank pack has while a block is checked by itself. */
  readonly packRank: number;
  fresh: number;
  /** Rounds of repeats and stages unrolled so far. */
  rounds: number;
  /** Repeats of symbolic count that are open. */
  inductions: number;
  /** Skip edges removed and blocks replaced by a variant. */
  readonly edits: VariantEdits;
}

/** How many names a check still compares with unknown ones. */
export interface SpellingBudget {
  left: number;
}

export interface VariantEdits {
  readonly cuts: readonly CutPattern[];
  readonly replacements: ReadonlyMap<string, Value>;
  /** Names among them that were met. */
  readonly replaced: Set<string>;
  /** Names of the joins and skips that the patterns were held against. */
  readonly met: Set<string>;
}

export interface CutPattern {
  readonly text: string;
  readonly matches: (path: string) => boolean;
  used: boolean;
}

/** The block being filled. */
export interface Frame {
  readonly session: Session;
  readonly block: string;
  readonly types: TensorType[];
  readonly entries: Entry[];
  /** Path of the block within the model, for edge patterns. */
  readonly path: readonly string[];
  /** Path components of the bodies (stages, repeats) that are open, added to what is entered. */
  prefix: readonly string[];
  /** Unlabelled uses in nested bodies: their path component goes if each is its body's only one. */
  readonly derived: Set<Entry>;
  readonly used: UsedNames;
  /** Within a loop: what `depth` means there. */
  depth?: DepthTracker | undefined;
}

/** Keeps a diagnostic, placed where it belongs; `placed` says that its span is right already. */
export function report(session: Session, diagnostic: Diagnostic, placed = false): void {
  session.complaints++;
  const final = placed ? diagnostic : placeDiagnostic(session, diagnostic);
  const key = reportKey(final);
  if (session.reported.has(key)) return;
  session.reported.add(key);
  session.diagnostics.push(final);
  if (final.severity === "error") session.errors++;
}

/** One error a place: what else is wrong there follows from the same cause. */
export function reportKey(diagnostic: Diagnostic): string {
  const place = spanKey(diagnostic.span);
  return diagnostic.severity === "error" ? place : `${diagnostic.code} ${place}`;
}

export function addValue(frame: Frame, type: TensorType): ValueId {
  frame.types.push(type);
  return frame.types.length - 1;
}

/** What a type rule's demand means to the user, given by the caller that knows the construct. */
export type Explain = (relation: TypeRelation, what: string, witness: string) => Diagnostic | undefined;

/**
 * Proves a relation, or reports it: refuted relations are errors made by `explain`, unproved ones become guards.
 * Returns false when refuted.
 */
export function demand(session: Session, relation: Relation, span: Span, message: string, explain: (witness: string) => Diagnostic): boolean {
  const answer = session.solver.answer(session.facts, relation);
  if (answer.kind === "proved") return true;
  if (answer.kind === "refuted") {
    report(session, explain(problems.witnessText(relation, answer.witness)));
    return false;
  }
  guard(session, relation, span, message);
  return true;
}

/** Leaves a relation to be decided when the sizes are known, and says so. */
export function guard(session: Session, relation: Relation, span: Span, message: string): void {
  session.complaints++;
  const key = `guard ${span.source.path} ${span.start} ${relationKey(relation)}`;
  if (session.reported.has(key)) return;
  session.reported.add(key);
  const within = session.trail.at(-1)?.declaration.block.name.text;
  const place = within === undefined || message.startsWith(`\`${within}\``) ? message : `${message}, in \`${within}\``;
  session.guards.push({ relation, message: place, span });
  report(session, problems.unproved(relation, span, message, whereFix(session, [relation])));
}

/** Appends an operator whose types follow from its rule; undefined (already reported) if they do not. */
export function emitOp<K extends OpName>(
  frame: Frame,
  op: K,
  inputs: readonly TensorValue[],
  attributes: Attributes[K],
  span: Span,
  what: string,
  explain?: Explain,
): readonly TensorValue[] | undefined {
  const { session } = frame;
  let sound = true;
  const context = {
    require(relation: TypeRelation, demanded: string): void {
      if (session.generic && relation.op !== "==" && infer(session, relation)) return;
      sound =
        demand(session, relation, span, `${what}: ${demanded}`, (witness) => {
          return (
            explain?.(relation, demanded, witness) ??
            problems.relationFails(relation, demanded, witness, span, subjectOf(session, span, what), inputs, anchorOf(session, span).span)
          );
        }) && sound;
    },
    fail(problem: TypeProblem): undefined {
      sound = false;
      report(session, problems.typeProblem(problem, span, subjectOf(session, span, what), inputs));
      return undefined;
    },
  };
  const rule = operators[op];
  const types = rule.type(
    context,
    inputs.map((input) => input.type),
    attributes,
  );
  if (types === undefined || !sound) return undefined;
  const values = types.map((type): TensorValue => {
    return { kind: "tensor", id: addValue(frame, type), type, origins: inheritOrigins(type, inputs, span, () => what) };
  });
  frame.entries.push({
    kind: "op",
    op,
    attributes,
    inputs: inputs.map((input) => input.id),
    outputs: values.map((value) => value.id),
    span,
  } as Entry);
  return values;
}

/** Runs `attempt`; what it reported and assumed is forgotten unless it succeeds. */
export function speculate<T>(session: Session, attempt: () => T | undefined): T | undefined {
  const { facts, errors } = session;
  const reported = new Set(session.reported);
  const known = new Set(session.memo.keys());
  const counts = [session.diagnostics.length, session.guards.length, session.inferred.length] as const;
  const result = attempt();
  if (result !== undefined) return result;
  session.facts = facts;
  session.errors = errors;
  [session.diagnostics.length, session.guards.length, session.inferred.length] = counts;
  session.reported.clear();
  for (const key of reported) session.reported.add(key);
  for (const key of [...session.memo.keys()]) if (!known.has(key)) session.memo.delete(key);
  return undefined;
}

/**
 * In a generic check an operator's demand on free sizes ("the kernel fits") is the block's demand on its users: it is
 * recorded and assumed. False if no size at all could meet it, which is the block's own mistake.
 */
export function infer(session: Session, relation: Relation): boolean {
  if (session.solver.answer(session.facts, relation).kind === "proved") return true;
  if (session.solver.answer(session.facts, { op: "not", part: relation }).kind === "proved") return false;
  // Within a branch of an undecided `if` the users need it only where they take that branch.
  const { branches } = session;
  session.inferred.push(
    branches.length === 0 ? relation : { op: "or", parts: [...branches.map((part): Relation => ({ op: "not", part })), relation] },
  );
  session.facts = { relations: [...session.facts.relations, relation] };
  return true;
}

/** Runs one branch of an undecided `if`, whose condition is a fact there. */
export function assuming<T>(session: Session, condition: Relation, run: () => T): T {
  const { facts } = session;
  session.facts = { relations: [...facts.relations, condition] };
  session.branches.push(condition);
  const result = run();
  session.branches.pop();
  session.facts = facts;
  return result;
}

/** Decides a condition under the facts; undefined if it holds for some sizes only. */
export function decide(session: Session, condition: boolean | Relation): boolean | undefined {
  if (typeof condition === "boolean") return condition;
  if (session.solver.answer(session.facts, condition).kind === "proved") return true;
  if (session.solver.answer(session.facts, { op: "not", part: condition }).kind === "proved") return false;
  return undefined;
}

/** True if the dims are proved equal under the facts. */
export function provedEqual(session: Session, left: Dim, right: Dim): boolean {
  return sameDim(left, right) || session.solver.answer(session.facts, { op: "==", left, right }).kind === "proved";
}
