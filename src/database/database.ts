import pg from 'pg'
import type { Logger } from 'pino'
import { Fault } from '../errors/fault.ts'
import { faultOf } from './errors.ts'
import { Gate, type GateOptions, type Lane } from '../concurrency/gate.ts'
import { EVENT_PATIENCE_MS, Patience, PATIENCE_MS } from '../concurrency/patience.ts'
import { AbandonedBackends } from './connection/abandoned.ts'
import { connectionConfig, openConnection } from './connection/connection.ts'
import { createPrismaClient, gatePrisma, type Prisma } from './prisma-client.ts'
import type { ReadTracer } from '../concurrency/shared-reads.ts'
import { sessionSetter } from './connection/session-settings.ts'
import { columnTypes } from './timestamps.ts'
import { type StatementTracer, traceStatements } from './traced-pool.ts'

/** A statement: text with $1 placeholders, and their values. Prisma.sql`...` makes one. */
export interface Statement {
  /** Prepared under this name once per connection. Leave it out if the text varies. */
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
  /**
   * The lane in which it waits if a caller causes it. Default: `write` for a write, the lane of the caller's reads for
   * others.
   */
  readonly lane?: Lane
}

/** The only way to the tables. Its errors are already faults where a client may see them (errors.ts). */
export interface Database {
  readonly prisma: Prisma
  /**
   * The same for the events of streams. forCaller returns it as `prisma` for callers whose reads wait in lane event.
   */
  readonly eventPrisma: Prisma
  /** Where the statements of callers wait for a connection: see forCaller. */
  readonly gate: Gate
  /** Traces the reads that operations share; undefined: they are not traced. */
  readonly readTracer: ReadTracer | undefined
  /** Called with the time that the database worked on each scan (scan.ts), milliseconds. Default: nothing is called. */
  readonly onScanned?: ((milliseconds: number) => void) | undefined
  /**
   * Runs one statement that reads, in its own transaction. For the server's own work; what a caller causes goes through
   * forCaller.
   */
  query<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>
  /**
   * Runs a statement that writes. It is refused while too many earlier writes got no answer. After its commit it
   * calls the listeners of onNews, so that no caller has to.
   * @param hasNews whether the answer means that the outbox has grown. Default: always
   */
  write<Row extends pg.QueryResultRow>(statement: Statement, hasNews?: (rows: Row[]) => boolean): Promise<Row[]>
  /** Calls the listener after each write with news. @returns a function that removes the listener */
  onNews(listener: () => void): () => void
  /** The state of the pool. It sends no statement. */
  pool(): PoolState
  /** Opens a connection outside the pool, for LISTEN. The caller closes it. */
  connect(applicationName: string): Promise<pg.Client>
  /** Closes the pool after the statements in flight. */
  close(): Promise<void>
}

/** The connections that statements share. */
export interface PoolState {
  readonly inUse: number
  readonly idle: number
  /** Statements that wait for a connection. */
  readonly waiting: number
  readonly max: number
  /** Backends whose statements got no answer in time and that still run. */
  readonly abandoned: number
  /** Whether writes are refused, because so many are abandoned. */
  readonly holdsWrites: boolean
}

export interface DatabaseOptions {
  readonly url: string
  /** Where connections of their own go, which a pooler should not carry (connect). Default: url. */
  readonly directUrl?: string | undefined
  readonly poolSize: number
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
  readonly log: Logger
  /** Default: statements are not traced. */
  readonly tracer?: StatementTracer | undefined
  readonly readTracer?: ReadTracer | undefined
}

/** How much longer than the server the client waits before it takes the database for dead, milliseconds. */
const SILENCE_MARGIN_MS = 500
/**
 * How long a statement waits for a lock, milliseconds. A caller may have waited a second before it (patience.ts), which
 * makes two: a client gets OVERLOADED or this error within three.
 */
const LOCK_TIMEOUT_MS = 1_000
/**
 * How many of the pool's connections are the server's own. So the feed, the reaper, keys, /ready and sets of saves (one
 * at a time each) do not wait behind the statements of callers. Two, since the reaper may wait for a lock; one of a
 * pool of two or three.
 */
const ownConnections = (poolSize: number) => (poolSize < 4 ? 1 : 2)
/** More than a fast database answers in the second that statements may wait. */
const MOST_WAITING = 5_000
/** How a caller's statements wait, and what is called after its scans. */
export interface CallerOptions {
  /** The lane of its reads. Default: read. */
  readonly lane?: Lane
  readonly onScanned?: Database['onScanned']
}

/**
 * The same database for the statements of callers, which wait at the gate. They can fail with Fault OVERLOADED too.
 * @param patienceOf how long a statement of a lane may wait: one patience for a whole operation, or a new one for each
 *   statement
 */
export function forCaller(
  database: Database,
  patienceOf: (lane: Lane) => Patience,
  { lane: readLane = 'read', onScanned }: CallerOptions = {},
): Database {
  const enter = <Result>(work: () => Promise<Result>, lane: Lane) => database.gate.run(work, patienceOf(lane), lane)
  return {
    ...database,
    prisma: readLane === 'event' ? database.eventPrisma : database.prisma,
    onScanned,
    query: (statement) => enter(() => database.query(statement), statement.lane ?? readLane),
    write: (statement, hasNews) => enter(() => database.write(statement, hasNews), statement.lane ?? 'write'),
  }
}

/** Makes the database. It opens no connection yet: a database that is down now may be up for the first request. */
export function openDatabase(options: DatabaseOptions): Database {
  const { connectTimeoutMs, statementTimeoutMs } = options
  // pg-pool waits for the promise, although its types do not say so.
  const newConnection: { readonly onConnect: (client: pg.ClientBase) => Promise<void> } = {
    onConnect: sessionSetter({ statementTimeoutMs, lockTimeoutMs: LOCK_TIMEOUT_MS }),
  }
  const pool = new pg.Pool({
    ...connectionConfig({ url: options.url, applicationName: 'waymark', connectTimeoutMs }),
    types: columnTypes,
    max: options.poolSize,
    idleTimeoutMillis: 30_000,
    query_timeout: statementTimeoutMs + SILENCE_MARGIN_MS,
    ...newConnection,
  })
  // The pool discards an idle connection that breaks. Without a listener, its error would end the process.
  pool.on('error', (error) => options.log.warn({ err: error }, 'an idle database connection broke'))
  // The same for a connection that breaks while it is being handed out.
  pool.on('connect', (client) => client.on('error', ignore))
  const gate = new Gate(shareOut(options.poolSize - ownConnections(options.poolSize)))
  if (options.tracer) traceStatements(pool, options.tracer)
  const abandoned = new AbandonedBackends(pool, options.poolSize, options.log)
  const client = createPrismaClient(pool)
  const prismaIn = (lane: Lane, patienceMs: number) =>
    gatePrisma(client, (work) => gate.run(work, new Patience(patienceMs), lane), options.readTracer)
  const newsListeners = new Set<() => void>()

  async function query<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]> {
    try {
      return (await pool.query<Row>(withCopiedValues(statement))).rows
    } catch (error) {
      throw faultOf(error)
    }
  }

  /** As query. Whether writes are refused is asked once there is a connection: it may have been waited for. */
  async function send<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]> {
    abandoned.requireWritable()
    try {
      const connection = await pool.connect()
      let failure: unknown
      try {
        abandoned.requireWritable()
        return await rowsOf<Row>(connection, statement)
      } catch (error) {
        failure = error
        throw error
      } finally {
        connection.release(failure instanceof Fault ? undefined : (failure as Error | undefined))
      }
    } catch (error) {
      throw faultOf(error)
    }
  }

  return {
    prisma: prismaIn('read', PATIENCE_MS),
    eventPrisma: prismaIn('event', EVENT_PATIENCE_MS),
    gate,
    readTracer: options.readTracer,
    query,
    async write<Row extends pg.QueryResultRow>(statement: Statement, hasNews: (rows: Row[]) => boolean = () => true) {
      const rows = await send<Row>(statement)
      if (hasNews(rows)) for (const listener of newsListeners) listener()
      return rows
    },
    onNews(listener) {
      newsListeners.add(listener)
      return () => newsListeners.delete(listener)
    },
    pool: () => ({
      inUse: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: gate.waiting + pool.waitingCount,
      max: options.poolSize,
      abandoned: abandoned.count,
      holdsWrites: abandoned.holdsWrites,
    }),
    connect: (applicationName) =>
      openConnection({ url: options.directUrl ?? options.url, applicationName, connectTimeoutMs }),
    async close() {
      abandoned.close()
      await client.$disconnect()
      await pool.end()
    },
  }
}

/**
 * Shares the connections among the lanes: a heartbeat finds one however much is read, a read however much streams read,
 * and an event however much is counted.
 */
function shareOut(mostRunning: number): GateOptions {
  const share = (part: number) => Math.max(Math.floor(mostRunning * part), 1)
  return {
    mostRunning,
    mostWaiting: MOST_WAITING,
    mostOf: { read: share(3 / 4), event: share(1 / 2), scan: share(1 / 4) },
  }
}

/** By a callback, as the pool itself sends statements: what looks on (traces, counts) knows one way. */
function rowsOf<Row extends pg.QueryResultRow>(connection: pg.PoolClient, statement: Statement): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    connection.query<Row>(withCopiedValues(statement), (error: Error | null, result) => {
      if (error) reject(error)
      else resolve(result.rows)
    })
  })
}

/** Two literals: to spread a name that may be missing took 1 to 2 % of a read's processor time. */
function withCopiedValues({ name, text, values }: Statement) {
  const copied = [...values]
  return name === undefined ? { text, values: copied } : { name, text, values: copied }
}

/** The statement that fails reports the error. */
function ignore(): void {}
