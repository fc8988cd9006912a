import { Histogram, type Registry } from 'prom-client'

/** The function that writes a set of commands: `write` of createGroupCommit. */
type WriteSet<Command, Outcome> = (
  commands: readonly Command[],
  untilMs: readonly number[],
) => Promise<readonly Outcome[]>

/** Doubling, up to the largest set (crawl/save/store.ts). */
const SET_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000]
const DURATION_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** @returns a function that wraps `write` so that the size and duration of each set are measured */
export function createSaveMetrics(
  registry: Registry,
): <Command, Outcome>(write: WriteSet<Command, Outcome>) => WriteSet<Command, Outcome> {
  const sizes = new Histogram({
    name: 'waymark_save_set_size',
    help: 'Saves that shared a commit; the sum is the number of saves.',
    buckets: SET_SIZES,
    registers: [registry],
  })
  const durations = new Histogram({
    name: 'waymark_save_set_duration_seconds',
    help: 'Time from sending a set of saves until it is committed or has failed.',
    buckets: DURATION_SECONDS,
    registers: [registry],
  })
  return (write) => async (commands, untilMs) => {
    sizes.observe(commands.length)
    const startedAt = performance.now()
    try {
      return await write(commands, untilMs)
    } finally {
      durations.observe((performance.now() - startedAt) / 1000)
    }
  }
}
