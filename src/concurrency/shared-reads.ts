import DataLoader from 'dataloader'
import { Fault } from '../errors/fault.ts'

/** Reads a value by its key. The value is at least as new as the call. */
export interface Reads<Key, Value> {
  load(key: Key): Promise<Value>
}

/** 100 users with 100 items each ask for this many keys at once. */
const MOST_KEYS = 10_000
/** How long a set may delay the next one, milliseconds. A statement takes about 1 ms. */
const PATIENCE_MS = 20

type ReadMany<Key, Value> = (keys: readonly Key[]) => Promise<readonly (Value | Error)[]>

/** An object, so that a tracer can recognise it. */
interface Asked<Key> {
  readonly key: Key
}

/** Traces reads that several operations ask for at once. This layer does not know how. */
export interface ReadTracer {
  /** Records that the running operation asks for this read. Several operations may ask for the same one. */
  note(asked: object): void
  /** Runs the read of a set of recorded requests. */
  run<Result>(set: readonly object[], read: () => Promise<Result>): Promise<Result>
}

/**
 * Reads by key for all operations that run at the same time, many keys a statement: a DataLoader that operations share.
 * While one set is being read, the next one gathers; each key is in it once, whoever asks for it. No timer delays a
 * lone read, and nothing is cached: nobody joins a set that is being read, so a key asked for after a write is read
 * after it.
 * A slow set delays the next one by 20 ms. A set that fails is read again in halves, so that a key fails only those who
 * asked for it.
 * @param read returns one value for each key, in the keys' order, or an Error for a key that failed
 * @param textOf gives a text for each key; different keys need different texts
 * @param tracer undefined: reads are not traced, which costs nothing
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
    // A fault, for example an outage, concerns every key.
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

/**
 * Decides when a gathering set is read: after everything that arrives in the same turn of the event loop, and after the
 * set before it.
 */
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
