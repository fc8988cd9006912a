import DataLoader from 'dataloader'
import { Fault } from '../errors/fault.ts'

/** Reads one by its key; what is read is as new as the call. */
export interface Reads<Key, Value> {
  load(key: Key): Promise<Value>
}

/** 100 users with 100 items each ask for so many at once. */
const MOST_KEYS = 10_000
/** So long a set has the way for itself; a statement takes about 1 ms. */
const PATIENCE_MS = 20

type ReadMany<Key, Value> = (keys: readonly Key[]) => Promise<readonly (Value | Error)[]>

/** An object, so that a tracer can know it again. */
interface Asked<Key> {
  readonly key: Key
}

/** Follows reads that several ask for at once; how, this layer does not know. */
export interface ReadTracer {
  /** Something is asked for, by whoever this runs for; several may ask for the same. */
  note(asked: object): void
  /** Runs the read of a set of what was noted. */
  run<Result>(set: readonly object[], read: () => Promise<Result>): Promise<Result>
}

/**
 * Reads by key of all operations that run at the same time, many a statement: a DataLoader that is shared. While one set is being
 * read the next gathers, in which a key is once, whoever asks for it. No timer delays a lone read, and nothing is kept: a key asked
 * for after a write is read after it, since nobody joins a set that is being read.
 * A set that takes long delays the next by 20 ms. One that fails is read in halves, so that a key fails nobody but who asked for it.
 * @param read answers one value a key, in the keys' order; an Error for whom it concerns
 * @param textOf says which keys are the same; no two that are not may have one text
 * @param tracer undefined: nobody follows them, which costs nothing
 */
export function createSharedReads<Key, Value>(
  read: ReadMany<Key, Value>,
  textOf: (key: Key) => string,
  tracer?: ReadTracer,
): Reads<Key, Value> {
  const turns = takeTurns()
  const gathering = new Map<string, { readonly asked: Asked<Key>; readonly answer: Promise<Value> }>()
  const readSet: ReadMany<Asked<Key>, Value> = (set) => {
    const readKeys = () => read(set.map(({ key }) => key))
    return tracer ? tracer.run(set, readKeys) : readKeys()
  }
  const loader = new DataLoader<Asked<Key>, Value>(
    (set) => {
      gathering.clear()
      return turns.during(() => readInHalves(readSet, set))
    },
    {
      cache: false,
      maxBatchSize: MOST_KEYS,
      batchScheduleFn: (dispatch) => {
        turns.schedule(dispatch)
      },
    },
  )
  return {
    load(key) {
      const text = textOf(key)
      let waiting = gathering.get(text)
      if (!waiting) {
        const asked = { key }
        gathering.set(text, (waiting = { asked, answer: loader.load(asked) }))
      }
      tracer?.note(waiting.asked)
      return waiting.answer
    },
  }
}

async function readInHalves<Key, Value>(
  read: ReadMany<Key, Value>,
  keys: readonly Key[],
): Promise<readonly (Value | Error)[]> {
  try {
    return await read(keys)
  } catch (error) {
    // A fault is everybody's.
    if (error instanceof Fault || keys.length < 2) throw error
    const middle = keys.length >> 1
    const halves = [keys.slice(0, middle), keys.slice(middle)].map(async (half) => {
      try {
        return await readInHalves(read, half)
      } catch (cause) {
        return half.map(() => (cause instanceof Error ? cause : new Error(String(cause))))
      }
    })
    return (await Promise.all(halves)).flat()
  }
}

/** When a set that gathers is read: after everything that arrives in the same turn of the event loop, and after the set before it. */
function takeTurns() {
  let reading = 0
  let waiting: (() => void)[] = []
  let patience: NodeJS.Timeout | undefined

  function goOn(): void {
    clearTimeout(patience)
    patience = undefined
    const next = waiting
    waiting = []
    for (const dispatch of next) setImmediate(dispatch)
  }

  return {
    schedule(dispatch: () => void): void {
      waiting.push(dispatch)
      if (reading === 0) goOn()
      else patience ??= setTimeout(goOn, PATIENCE_MS)
    },
    async during<Result>(work: () => Promise<Result>): Promise<Result> {
      reading += 1
      try {
        return await work()
      } finally {
        reading -= 1
        goOn()
      }
    },
  }
}
