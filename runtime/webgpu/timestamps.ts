/**
 * Times of compute passes on the device's own clock, in nanoseconds (WebGPU, section 20.4).
 * Invariant: one of these serves one submit; what it made on the device is destroyed with the reading.
 */

export interface Timestamps {
  /** For the descriptor of the pass with this index. */
  writes(pass: number): GPUComputePassTimestampWrites;
  /** To be encoded behind the last pass. */
  resolve(encoder: GPUCommandEncoder): void;
  /** Milliseconds of each pass, once what was encoded is submitted. */
  read(): Promise<readonly number[]>;
}

/** The most that a query set may hold. */
const SET_QUERIES = 4096;
const SET_PASSES = SET_QUERIES / 2;
const QUERY_BYTES = 8;

// GPUBufferUsage, whose constants are globals that hosts without a window may lack.
const MAP_READ = 0x0001;
const COPY_SRC = 0x0004;
const COPY_DST = 0x0008;
const QUERY_RESOLVE = 0x0200;

/** For so many passes, on a device with the feature `timestamp-query`. */
export function createTimestamps(device: GPUDevice, passes: number): Timestamps {
  const sets = Array.from({ length: Math.ceil(passes / SET_PASSES) }, (_, k) =>
    device.createQuerySet({ type: "timestamp", count: 2 * Math.min(SET_PASSES, passes - k * SET_PASSES) }),
  );
  const bytes = Math.max(QUERY_BYTES, 2 * passes * QUERY_BYTES);
  const resolved = device.createBuffer({ label: "timestamps", size: bytes, usage: QUERY_RESOLVE | COPY_SRC });
  const staging = device.createBuffer({ label: "timestamps to read", size: bytes, usage: MAP_READ | COPY_DST });
  const setOf = (index: number): GPUQuerySet => {
    const found = sets[index];
    if (found === undefined) throw new Error(`internal error: there is no query set ${index}`);
    return found;
  };
  return {
    writes(pass) {
      const first = 2 * (pass % SET_PASSES);
      return { querySet: setOf(Math.floor(pass / SET_PASSES)), beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
    },
    resolve(encoder) {
      for (const [k, set] of sets.entries()) encoder.resolveQuerySet(set, 0, set.count, resolved, k * SET_QUERIES * QUERY_BYTES);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    },
    async read() {
      await staging.mapAsync(1);
      const times = new BigUint64Array(staging.getMappedRange().slice(0));
      for (const each of [resolved, staging, ...sets]) each.destroy();
      // A clock that was set back between two passes gives no time, rather than a huge one.
      return Array.from({ length: passes }, (_, k) => Math.max(0, Number((times[2 * k + 1] ?? 0n) - (times[2 * k] ?? 0n)) / 1e6));
    },
  };
}
