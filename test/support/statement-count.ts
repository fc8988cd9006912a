import pg from 'pg'
import { vi } from 'vitest'

export interface Counted {
  readonly statements: readonly string[]
  /** That they answered. */
  readonly rows: number
  /** That they inserted, updated or deleted, triggers and functions too; 0 where it isn't measured. */
  readonly written: number
}

/**
 * What a server sends by itself: the feed's looks at the outbox, the note of how far it is, one wake-up for many writes, reaper, retention,
 * the clock that it measures each minute, and the settings of a new connection.
 */
const BY_ITSELF = [
  /crawler\.feed_event\) AS event|SET final_up_to|pg_notify|^LISTEN/,
  /crawler\.reap/,
  /waymark retention|crawler\.log_partition|crawler\.(?:open|make)_partition|- oldest\.at, 0\)/,
  /^SELECT crawler\.clock\(\) AS now$/,
  /set_config\('lock_timeout'|current_setting\('lock_timeout'/,
]
const isByItself = (text: string) => BY_ITSELF.some((pattern) => pattern.test(text))

/** A page of events, read once for all who watch. */
export const isPageOfEvents = (text: string) => text.includes('FROM crawler.feed_event WHERE event_id >')
export const isOfOperations = (text: string) => !isByItself(text) && !isPageOfEvents(text)
export const isOfSubscriptions = (text: string) => !isByItself(text)

/** Of the transaction, and of those before it on its connection that PostgreSQL has not told its statistics yet. */
const WRITTEN =
  'SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::integer AS rows FROM pg_stat_xact_user_tables'

type Query = (sql: string) => Promise<pg.QueryResult<{ rows: number }>>
type Callback = (error: unknown, result: pg.QueryResult | undefined) => void

/**
 * What this process sends to PostgreSQL while something runs: every statement of every connection, Prisma's too.
 * @param isCounted by a statement's text
 * @param measuresWrites runs each statement in a transaction in which PostgreSQL is asked before and after what has been written
 */
export async function countStatements(
  run: () => Promise<unknown>,
  { isCounted = isOfOperations, measuresWrites = false } = {},
): Promise<Counted> {
  const statements: string[] = []
  let rows = 0
  let written = 0
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its `this` by Reflect.apply
  const original = pg.Client.prototype.query
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [first] = args
    const text = typeof first === 'string' ? first : (first as { text: string }).text
    if (!isCounted(text)) return Reflect.apply(original, this, args) as unknown
    statements.push(text)
    const callback = args.at(-1)
    const counted = (result: pg.QueryResult | undefined) => {
      rows += result?.rows.length ?? 0
    }
    const send = (done: Callback) => Reflect.apply(original, this, [...args.slice(0, -1), done]) as unknown
    if (typeof callback !== 'function') {
      if (measuresWrites) throw new Error(`not sent by the pool, so what it writes is not known: ${text}`)
      return (Reflect.apply(original, this, args) as Promise<pg.QueryResult>).then((result) => {
        counted(result)
        return result
      })
    }
    const done = callback as Callback
    if (!measuresWrites) {
      return send((error, result) => {
        counted(result)
        done(error, result)
      })
    }
    const query: Query = (sql) => Reflect.apply(original, this, [sql]) as ReturnType<Query>
    return measured(query, send, (error, result, count) => {
      counted(result)
      written += count
      done(error, result)
    })
  })
  try {
    await run()
  } finally {
    spy.mockRestore()
  }
  return { statements, rows, written }
}

async function measured(
  query: Query,
  send: (done: Callback) => unknown,
  done: (...told: [...Parameters<Callback>, written: number]) => void,
): Promise<void> {
  const writtenSoFar = async () => (await query(WRITTEN)).rows[0]?.rows ?? 0
  await query('BEGIN')
  const before = await writtenSoFar()
  const [error, result] = await new Promise<Parameters<Callback>>((resolve) => send((...told) => resolve(told)))
  const after = error ? before : await writtenSoFar()
  await query(error ? 'ROLLBACK' : 'COMMIT')
  done(error, result, after - before)
}
