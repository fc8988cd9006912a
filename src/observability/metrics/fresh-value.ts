/**
 * Makes a function that returns a value of `read` that is at most freshMs old, and reads again otherwise. Callers at
 * the same time share one read. The function returns undefined to all of them if the read failed or took longer than
 * waitMs.
 */
export function createFreshValue<Value>(
  read: () => Promise<Value>,
  { freshMs, waitMs }: { readonly freshMs: number; readonly waitMs: number },
): () => Promise<Value | undefined> {
  let known: { readonly value: Value; readonly atMs: number } | undefined
  let reading: Promise<Value | undefined> | undefined

  async function readInTime(): Promise<Value | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, waitMs, undefined)
    })
    try {
      const value = await Promise.race([read(), late])
      known = value === undefined ? undefined : { value, atMs: performance.now() }
      return value
    } catch {
      known = undefined
      return undefined
    } finally {
      clearTimeout(timer)
      reading = undefined
    }
  }

  return () => {
    if (known && performance.now() - known.atMs < freshMs) return Promise.resolve(known.value)
    return (reading ??= readInTime())
  }
}
