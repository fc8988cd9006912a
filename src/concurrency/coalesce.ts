/** Runs something whenever it is asked for, one run at a time; what is asked for during a run becomes one more run. */
export interface Coalesced {
  readonly trigger: () => void
  /** Resolves when nothing runs and nothing more will. */
  readonly settled: () => Promise<void>
}

/**
 * @param run must not reject
 * @param pauseMs between one run and the next: what a storm of triggers costs at the most
 */
export function coalesce(run: () => Promise<void>, pauseMs: number): Coalesced {
  let running: Promise<void> | undefined
  let asked = 0

  async function runUntilQuiet(): Promise<void> {
    for (let answered = -1; answered !== asked;) {
      answered = asked
      await run()
      if (answered !== asked) await new Promise((resolve) => setTimeout(resolve, pauseMs))
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
