/** What setTimeout takes: a longer time would be none at all. */
const LONGEST_MS = 2 ** 31 - 1

/** Waits, until the signal aborts at most. Never rejects. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve()
      return
    }
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, Math.min(Math.max(milliseconds, 0), LONGEST_MS))
    signal?.addEventListener('abort', done, { once: true })
  })
}
