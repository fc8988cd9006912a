/**
 * Makes a function that answers what `read` answered less than freshMs ago, or else reads again; callers that come meanwhile share
 * the one reading. undefined where it failed or took longer than waitMs, which is then true for them all.
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
