/**
 * Where the time goes: what each kernel took, gathered while a network runs.
 * Invariant: equal kernels are one row; a profile holds the calls since the last one was asked for.
 */
import type { ProgramName } from "./memory.ts";

export interface KernelProfile {
  readonly program: ProgramName;
  /** As in the generated code. */
  readonly kernel: string;
  /** Times that it ran. */
  readonly calls: number;
  /** All calls together. */
  readonly milliseconds: number;
  /** Of all calls: multiplications and additions (of contractions and reductions; else one an element), operands once. */
  readonly flops: number;
  readonly bytes: number;
  /** Paths of the nodes that it computes, from the source. */
  readonly serves: readonly string[];
}

export interface ProgramProfile {
  readonly program: ProgramName;
  readonly calls: number;
  /** On the host's clock, from the call to its results: transfers and waiting included. */
  readonly milliseconds: number;
}

export interface Profile {
  readonly device: "wasm" | "webgpu";
  /**
   * What timed the kernels: the host around each (`wasm`), the device's timestamps (`webgpu`), or nothing, where the
   * device has none; then there are no rows of kernels, and the programs' times are all that is known.
   */
  readonly clock: "host" | "timestamps" | "none";
  readonly programs: readonly ProgramProfile[];
  /** The slowest first. */
  readonly kernels: readonly KernelProfile[];
}

/** What is known of a kernel's call before it runs. */
export interface KernelCall {
  readonly kernel: string;
  readonly serves: string;
  readonly flops: number;
  readonly bytes: number;
}

export interface Profiler {
  kernel(program: ProgramName, call: KernelCall, milliseconds: number): void;
  program(program: ProgramName, milliseconds: number): void;
  /** What was gathered; begins anew. */
  take(): Profile;
}

interface Row {
  readonly program: ProgramName;
  readonly kernel: string;
  readonly serves: Set<string>;
  calls: number;
  milliseconds: number;
  flops: number;
  bytes: number;
}

/** An empty profile, to be filled. */
export function createProfiler(device: Profile["device"], clock: Profile["clock"]): Profiler {
  const kernels = new Map<string, Row>();
  const programs = new Map<ProgramName, { calls: number; milliseconds: number }>();
  return {
    kernel(program, { kernel, serves, flops, bytes }, milliseconds) {
      const key = `${program} ${kernel}`;
      const row: Row = kernels.get(key) ?? { program, kernel, serves: new Set(), calls: 0, milliseconds: 0, flops: 0, bytes: 0 };
      kernels.set(key, row);
      for (const path of serves.split(" ")) if (path !== "") row.serves.add(path);
      row.calls++;
      row.milliseconds += milliseconds;
      row.flops += flops;
      row.bytes += bytes;
    },
    program(program, milliseconds) {
      const known = programs.get(program) ?? { calls: 0, milliseconds: 0 };
      programs.set(program, { calls: known.calls + 1, milliseconds: known.milliseconds + milliseconds });
    },
    take() {
      const rows = [...kernels.values()].sort((a, b) => b.milliseconds - a.milliseconds);
      const taken: Profile = {
        device,
        clock,
        programs: [...programs].map(([program, each]) => ({ program, ...each })),
        kernels: rows.map((row) => ({ ...row, serves: [...row.serves] })),
      };
      kernels.clear();
      programs.clear();
      return taken;
    },
  };
}
