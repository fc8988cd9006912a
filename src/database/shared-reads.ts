import { AsyncLocalStorage } from 'node:async_hooks'
import { Fault } from '../fault.ts'

/** Reads one by its key; what is read is as new as the call. */
export interface Reads<Key, Value> {
  load(key: Key): Promise<Value>
}

interface Waiting<Key, Value> {
  readonly key: Key
  readonly resolve: (value: Value) => void
  readonly reject: (reason: unknown) => void
}

/** 100 users with 100 items each ask for so many at once. */
const MOST_KEYS = 10_000
/** So long a set has the way for itself; a statement takes about 1 ms. */
const PATIENCE_MS = 20

/**
 * Reads by key of all operations that run at the same time, many a statement: while one set is being read the next gathers. No timer
 * delays a lone read, and nothing is kept: a key asked for after a write is read after it.
 * A set that takes long delays the next by 20 ms. One that fails is read in halves, so that a key fails nobody but who asked for it.
 * @param read answers one value a key, in the keys' order; an Error for whom it concerns
 */
export function createSharedReads<Key, Value>(
  read: (keys: readonly Key[]) => Promise<readonly (Value | Error)[]>,
): Reads<Key, Value> {
  let gathering: Waiting<Key, Value>[] = []
  let reading = 0
  let isPlanned = false
  let patience: NodeJS.Timeout | undefined
  let runAsFirst: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined

  /** After everything that arrived in this turn of the event loop: requests come many at a time. */
  function plan(): void {
    if (isPlanned) return
    isPlanned = true
    setImmediate(() => {
      isPlanned = false
      if (gathering.length > 0) void readNext()
    })
  }

  async function readNext(): Promise<void> {
    const set = gathering.slice(0, MOST_KEYS)
    gathering = gathering.slice(MOST_KEYS)
    const run = runAsFirst ?? AsyncLocalStorage.snapshot()
    runAsFirst = undefined
    clearTimeout(patience)
    patience = undefined
    reading += 1
    if (gathering.length > 0) beImpatient()
    await run(settle, set)
    reading -= 1
    if (gathering.length > 0) plan()
  }

  async function settle(set: readonly Waiting<Key, Value>[]): Promise<void> {
    try {
      const values = await read(set.map(({ key }) => key))
      set.forEach(({ resolve, reject }, place) => {
        const value = values[place]
        if (value instanceof Error) reject(value)
        else if (value === undefined)
          reject(new Error(`a set of ${set.length} was answered by ${values.length} values`))
        else resolve(value)
      })
    } catch (error) {
      const isEverybodys = error instanceof Fault
      if (isEverybodys || set.length < 2) for (const { reject } of set) reject(error)
      else {
        const middle = set.length >> 1
        await Promise.all([settle(set.slice(0, middle)), settle(set.slice(middle))])
      }
    }
  }

  function beImpatient(): void {
    if (patience !== undefined) return
    patience = setTimeout(() => {
      patience = undefined
      plan()
    }, PATIENCE_MS)
  }

  return {
    load: (key) =>
      new Promise((resolve, reject) => {
        // In a trace the set's statement is that of whoever asked first, not of whoever happened to be read before.
        if (gathering.length === 0) runAsFirst = AsyncLocalStorage.snapshot()
        gathering.push({ key, resolve, reject })
        if (reading === 0) plan()
        else beImpatient()
      }),
  }
}
