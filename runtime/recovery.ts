/**
 * A network that outlives its device: when the GPU is lost or out of memory, its work goes on, on a new GPU device or
 * on the CPU, from the last snapshot of its weights, by repeating the calls made since.
 * Invariant: a call answers as if nothing had happened. All that a call depends on (inputs, weights, optimizer state,
 * step number, seed) is in the snapshot or in the log of calls, so that a repetition on an equal device has equal bits.
 */
import { copyInputs, copyWeights, inputBytes, weightBytes } from "./copies.ts";
import { ResnetError } from "./error.ts";
import type { Network, OptimizerState, Tensors } from "./network.ts";
import { disposed, recoveredOn } from "./problems.ts";
import { loadWeights } from "./weight-source.ts";

/** Weights, optimizer state and step count of one moment. */
export interface Snapshot {
  readonly weights: Tensors;
  readonly optimizer: OptimizerState;
}

export interface RecoverableNetwork extends Network {
  snapshot(): Promise<Snapshot>;
}

export interface Recovery {
  /** Networks with the values that `first` had when it was loaded, each on a device of its own. */
  readonly onGpu: (() => Promise<RecoverableNetwork>) | undefined;
  readonly onCpu: () => Promise<Network>;
  /** Hears what happened and where it goes on, in one line. */
  readonly onNotice: (message: string) => void;
  /** Training steps from one snapshot to the next. */
  readonly every?: number;
}

/**
 * A snapshot costs a copy of all weights, a loss the repetition of all steps since the last. At 50 steps the copy is
 * below a hundredth of the time of training even for 100 MB of weights at 100 ms a step.
 */
const STEPS_BETWEEN = 50;
/** Inputs kept for repetition; beyond this a snapshot is taken at once. */
const KEPT_BYTES = 256 * 1024 * 1024;
/** A GPU that is lost more often goes on being lost. */
const MOST_LOSSES = 8;
/** Lost; out of memory. */
const RECOVERABLE = new Set(["RN607", "RN602"]);

/** A call of the log; it stays there until it has answered and, if it changes the network, until a snapshot holds its change. */
interface Entry {
  readonly run: (network: Network) => Promise<unknown>;
  readonly changes: boolean;
  /** Of the inputs that it keeps. */
  readonly bytes: number;
  readonly answered: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  isOpen: boolean;
}

interface State {
  network: Network;
  /** Undefined on the CPU, where nothing is kept. */
  gpu: RecoverableNetwork | undefined;
  snapshot: Snapshot | undefined;
  log: Entry[];
  losses: number;
  steps: number;
  isSnapshotting: boolean;
  recovering: Promise<void> | undefined;
  /** Why neither a GPU nor the CPU could go on. */
  failure: { readonly error: unknown } | undefined;
  isLive: boolean;
}

/** `first` with recovery; `first` is disposed with it. */
export function createRecoveringNetwork(first: RecoverableNetwork, recovery: Recovery): Network {
  const state: State = {
    network: first,
    gpu: first,
    snapshot: undefined,
    log: [],
    losses: 0,
    steps: first.stepsDone,
    isSnapshotting: false,
    recovering: undefined,
    failure: undefined,
    isLive: true,
  };
  const { every = STEPS_BETWEEN } = recovery;
  const call = <T>(run: (network: Network) => Promise<T>, changes = false, bytes = 0): Promise<T> => {
    if (!state.isLive) return Promise.reject(disposed());
    if (state.failure !== undefined) return Promise.reject(state.failure.error);
    const entry = createEntry(run, changes, bytes);
    state.log.push(entry);
    // While it recovers, the recovery itself comes to the new entries.
    if (state.recovering === undefined) void attempt(state, recovery, entry);
    if (changes) void snapshotIfDue(state, recovery, every);
    return entry.answered as Promise<T>;
  };
  return {
    model: first.model,
    inputs: first.inputs,
    outputs: first.outputs,
    get device() {
      return state.network.device;
    },
    get stepsDone() {
      return state.recovering === undefined ? state.network.stepsDone : state.steps;
    },
    async run(inputs) {
      const kept = copyInputs(inputs);
      return call((network) => network.run(kept));
    },
    async gradients(inputs) {
      const kept = copyInputs(inputs);
      return call((network) => network.gradients(kept));
    },
    async step(inputs, hyper = {}) {
      const kept = copyInputs(inputs);
      const given = { ...hyper };
      return call((network) => network.step(kept, given), true, inputBytes(kept));
    },
    async weights() {
      return call((network) => network.weights());
    },
    async saveWeights(metadata) {
      return call((network) => network.saveWeights(metadata));
    },
    async setWeights(source) {
      const weights = copyWeights(await loadWeights(source));
      return call((network) => network.setWeights(weights), true, weightBytes(weights));
    },
    async optimizerState() {
      return call((network) => network.optimizerState());
    },
    async setOptimizerState(given) {
      const slots = copyWeights(given?.slots ?? {});
      const kept = { step: given?.step, slots };
      return call((network) => network.setOptimizerState(kept), true, weightBytes(slots));
    },
    async profile() {
      return call((network) => network.profile());
    },
    async dispose() {
      state.isLive = false;
      await Promise.allSettled(state.log.map(({ answered }) => answered));
      await state.recovering;
      await state.network.dispose();
      state.log = [];
      state.snapshot = undefined;
    },
  };
}

function createEntry(run: Entry["run"], changes: boolean, bytes: number): Entry {
  const settle: { resolve: Entry["resolve"]; reject: Entry["reject"] } = { resolve: () => undefined, reject: () => undefined };
  const answered = new Promise<unknown>((resolve, reject) => Object.assign(settle, { resolve, reject }));
  return { run, changes, bytes, answered, isOpen: true, ...settle };
}

/** Runs an entry where the network is; if that is lost, leaves it to the recovery. */
async function attempt(state: State, recovery: Recovery, entry: Entry): Promise<void> {
  const { network } = state;
  // A recovery that began meanwhile comes to this entry itself. What is found here may lack a change that failed.
  const isOvertaken = (): boolean => network !== state.network || state.recovering !== undefined;
  try {
    const value = await entry.run(network);
    if (!isOvertaken()) settle(state, entry, { value });
  } catch (error) {
    if (isOvertaken()) return;
    if (state.gpu === undefined || !isRecoverable(error)) settle(state, entry, { error });
    else state.recovering = recover(state, recovery, error);
  }
}

/** Answers an entry, once, and drops it if nothing will need it. */
function settle(state: State, entry: Entry, outcome: { readonly value: unknown } | { readonly error: unknown }): void {
  if (!entry.isOpen) return;
  entry.isOpen = false;
  if ("error" in outcome) entry.reject(outcome.error);
  else entry.resolve(outcome.value);
  // On the CPU nothing is repeated; a call that was refused has changed nothing.
  if (!entry.changes || "error" in outcome || state.gpu === undefined) state.log = state.log.filter((each) => each !== entry);
}

/** Goes on elsewhere: on a new GPU device first, on the CPU if that fails too. Never throws. */
async function recover(state: State, recovery: Recovery, cause: unknown): Promise<void> {
  state.steps = state.network.stepsDone;
  const given = new Set(state.log);
  await state.network.dispose().catch(() => undefined);
  let last = cause;
  for (const open of waysOf(state, recovery)) {
    let opened: Opened | undefined;
    try {
      opened = await open();
      const { network, gpu } = opened;
      await restore(network, state.snapshot);
      const before = network.stepsDone;
      let repeated = 0;
      const done = new Set<Entry>();
      const undone = (): Entry | undefined => state.log.find((entry) => !done.has(entry));
      // The log grows while calls are made; entries that are answered and change nothing leave it.
      for (let entry = undone(); entry !== undefined; entry = undone()) {
        done.add(entry);
        await repeat(state, opened, entry);
        // What came meanwhile runs here for the first time.
        if (given.has(entry)) repeated = network.stepsDone - before;
      }
      // From here to the end nothing waits, so that no call can come between.
      [state.network, state.gpu, state.recovering] = [network, gpu, undefined];
      if (gpu === undefined) [state.log, state.snapshot] = [[], undefined];
      notify(recovery, recoveredOn(messageOf(cause), network.device, repeated));
      return;
    } catch (error) {
      last = error;
      await opened?.network.dispose().catch(() => undefined);
    }
  }
  state.failure = { error: last };
  for (const entry of [...state.log]) settle(state, entry, { error: last });
  state.recovering = undefined;
}

interface Opened {
  readonly network: Network;
  /** The same, if it is on a GPU. */
  readonly gpu: RecoverableNetwork | undefined;
}

function waysOf(state: State, { onGpu, onCpu }: Recovery): readonly (() => Promise<Opened>)[] {
  const toCpu = async (): Promise<Opened> => ({ network: await onCpu(), gpu: undefined });
  if (onGpu === undefined || ++state.losses > MOST_LOSSES) return [toCpu];
  const toGpu = async (): Promise<Opened> => {
    const gpu = await onGpu();
    return { network: gpu, gpu };
  };
  return [toGpu, toCpu];
}

async function restore(network: Network, snapshot: Snapshot | undefined): Promise<void> {
  if (snapshot === undefined) return;
  await network.setWeights(snapshot.weights);
  await network.setOptimizerState(snapshot.optimizer);
}

/** Repeats an entry, and answers it if it is open. Throws if this device fails too and there is another. */
async function repeat(state: State, { network, gpu }: Opened, entry: Entry): Promise<void> {
  try {
    settle(state, entry, { value: await entry.run(network) });
  } catch (error) {
    if (gpu !== undefined && isRecoverable(error)) throw error;
    settle(state, entry, { error });
  }
}

/** Takes a snapshot behind the calls made so far, if the log is long; then forgets what it holds. */
async function snapshotIfDue(state: State, recovery: Recovery, every: number): Promise<void> {
  const { gpu } = state;
  if (gpu === undefined || state.isSnapshotting || state.recovering !== undefined) return;
  const changes = state.log.filter((entry) => entry.changes);
  const bytes = changes.reduce((sum, entry) => sum + entry.bytes, 0);
  if (changes.length < every && bytes < KEPT_BYTES) return;
  state.isSnapshotting = true;
  const covered = new Set(state.log);
  const isCurrent = (): boolean => state.isLive && state.gpu === gpu && state.recovering === undefined;
  try {
    const snapshot = await gpu.snapshot();
    await Promise.allSettled([...covered].map(({ answered }) => answered));
    // A recovery goes by the snapshot and the log that it began with.
    if (!isCurrent()) return;
    state.snapshot = snapshot;
    state.log = state.log.filter((entry) => !covered.has(entry));
  } catch (error) {
    // The log still holds everything.
    if (isCurrent() && isRecoverable(error)) state.recovering = recover(state, recovery, error);
  } finally {
    state.isSnapshotting = false;
  }
}

function isRecoverable(error: unknown): boolean {
  return error instanceof ResnetError && RECOVERABLE.has(error.code);
}

/** A listener that throws does not end what it listens to. */
function notify({ onNotice }: Recovery, message: string): void {
  try {
    onNotice(message);
  } catch {
    // There is no caller to hear of it.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
