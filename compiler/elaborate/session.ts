/** Fresh state for one elaboration. Invariant: sessions share nothing but what they are given. */
import type { Facts } from "../check/solve.ts";
import type { Effort, Frame, Session, SharedInstance, SpellingBudget, VariantEdits } from "./context.ts";
import type { Solver } from "./solver.ts";
import { noNames } from "./used-names.ts";
import type { BlockDeclaration } from "./values.ts";

const NO_FACTS: Facts = { relations: [] };

/** What sessions of one check have in common. */
export interface Shared {
  /** Path of the file under check. */
  readonly home: string;
  readonly solver: Solver;
  readonly spelling: SpellingBudget;
  readonly effort: Effort;
  readonly checking: boolean;
  readonly instances: (declaration: BlockDeclaration) => Map<string, SharedInstance>;
  readonly faultsOf: (declaration: BlockDeclaration) => ReadonlyMap<string, string> | undefined;
}

export interface SessionOptions {
  readonly shared: Shared;
  readonly training: boolean | undefined;
  readonly dims?: ReadonlyMap<string, number>;
  readonly generic?: boolean;
  readonly packRank?: number;
  readonly edits?: VariantEdits;
}

export function newSession(options: SessionOptions): Session {
  return {
    settings: { training: options.training, dims: options.dims ?? new Map() },
    generic: options.generic ?? false,
    checking: options.shared.checking,
    facts: NO_FACTS,
    diagnostics: [],
    errors: 0,
    reported: new Set(),
    guards: [],
    solver: options.shared.solver,
    effort: options.shared.effort,
    inferred: [],
    branches: [],
    memo: new Map(),
    instances: options.shared.instances,
    spelling: options.shared.spelling,
    complaints: 0,
    home: options.shared.home,
    faultsOf: options.shared.faultsOf,
    trail: [],
    scheme: "torchvision",
    packRank: options.packRank ?? 2,
    fresh: 0,
    rounds: 0,
    inductions: 0,
    constants: new Map(),
    edits: options.edits ?? { cuts: [], replacements: new Map(), replaced: new Set(), met: new Set() },
  };
}

export function newFrame(session: Session, block: string, path: readonly string[] = []): Frame {
  return { session, block, types: [], entries: [], path, prefix: [], derived: new Set(), used: noNames() };
}
