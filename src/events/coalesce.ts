/** Runs something whenever it is asked for, one run at a time; what is asked for during a run becomes one more run. */
export interface Coalesced {
  readonly trigger: () => void
  /** Resolves when nothing runs and nothing more will. */
  readonly settled: () => Promise<void>
}

/** @param run must not reject */
export function coalesce(run: () => Promise<void>): Coalesced {
  let running: Promise<void> | undefined
  let asked = 0

  async function runUntilQuiet(): Promise<void> {
    for (let answered = -1; answered !== asked;) {
      answered = asked
      await run()
    }
    running = undefined
  }

  return {
    trigger: () => {
      asked += 1
      running ??= runUntilQuiet()
    },
    settled: () => running ?? Promise.resolve(),
  }
}
