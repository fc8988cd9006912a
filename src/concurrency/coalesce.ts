/** Runs something on request, one run at a time. Requests that arrive during a run cause one more run. */
export interface Coalesced {
  readonly trigger: () => void
  /** Resolves when nothing runs and no run is due. */
  readonly settled: () => Promise<void>
}

/**
 * @param run must not reject
 * @param pauseMs the time between two runs, milliseconds, which bounds the cost of many triggers
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
