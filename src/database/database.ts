import pg from 'pg'
import type { Logger } from 'pino'
import { faultOf } from './errors.ts'
import { Gate, type GateOptions, type Lane } from '../concurrency/gate.ts'
import { EVENT_PATIENCE_MS, Patience, PATIENCE_MS } from '../concurrency/patience.ts'
import { createPrismaClient, gatePrisma, type Prisma } from './prisma-client.ts'
import type { ReadTracer } from '../concurrency/shared-reads.ts'
import { columnTypes } from './timestamps.ts'
import { type StatementTracer, traceStatements } from './traced-pool.ts'

/** What a pool sends: text with $1 places and their values. Prisma.sql`...` makes one. */
export interface Statement {
  /** Prepared under this name once per connection; leave it out where the text varies. */
  readonly name?: string
  readonly text: string
  readonly values: readonly unknown[]
  /** Where it waits if a caller causes it. Default: a write in lane write, any other where its caller's reads wait. */
  readonly lane?: Lane
}

/** The one way to the tables. Its errors are faults already where a client may see them (errors.ts). */
export interface Database {
  readonly prisma: Prisma
  /** The same for what the events of streams read: forCaller hands it out where reads wait in that lane. */
  readonly eventPrisma: Prisma
  /** Where what callers ask waits for its connection: see forCaller. */
  readonly gate: Gate
  /** Follows what operations read together; undefined: nobody does. */
  readonly readTracer: ReadTracer | undefined
  /** Told how long the database worked on each scan (scan.ts), milliseconds. Default: nobody is. */
  readonly onScanned?: ((milliseconds: number) => void) | undefined
  /** Runs one statement that reads, in a transaction of its own. For what the server itself does; one that a caller causes goes by forCaller. */
  query<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>
  /**
   * Runs a statement that writes. Once it is committed, the listeners of onNews are told, so that no caller has to tell them.
   * @param hasNews whether what it answered means that the outbox has grown. Default: always
   */
  write<Row extends pg.QueryResultRow>(statement: Statement, hasNews?: (rows: Row[]) => boolean): Promise<Row[]>
  /** Calls back after each write with news. @returns what takes the listener off again */
  onNews(listener: () => void): () => void
  /** Costs no statement. */
  pool(): PoolState
  /** A connection outside the pool, for LISTEN; whoever asks closes it. */
  connect(applicationName: string): Promise<pg.Client>
  /** Waits for statements in flight. */
  close(): Promise<void>
}

/** The connections that statements share. */
export interface PoolState {
  readonly inUse: number
  readonly idle: number
  /** Callers that wait for one. */
  readonly waiting: number
  readonly max: number
}

export interface DatabaseOptions {
  readonly url: string
  readonly poolSize: number
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
  readonly log: Logger
  /** Default: nobody follows statements. */
  readonly tracer?: StatementTracer | undefined
  readonly readTracer?: ReadTracer | undefined
}

/** How much longer than the server the client waits before it takes the database for dead. */
const SILENCE_MARGIN_MS = 500
/** With the second that a caller may have waited before it (patience.ts) two: OVERLOADED and this are told within three. */
const LOCK_TIMEOUT_MS = 1_000
/**
 * Of the pool's connections these many are the server's own, so that the feed, the reaper, keys, /ready and sets of saves (one at a
 * time each) don't wait behind what callers ask: two, since the reaper may wait for a lock; of a pool of two or three, one.
 */
const ownConnections = (poolSize: number) => (poolSize < 4 ? 1 : 2)
/** More than a fast database answers in the second that they may wait. */
const MOST_WAITING = 5_000
/** After so long without a word a connection is probed each second, and given up after ten probes: LISTEN waits in silence. */
const KEEP_ALIVE_MS = 10_000

/** What a caller's statements wait for, and who is told of them. */
export interface CallerOptions {
  /** Where its reads wait. Default: read. */
  readonly lane?: Lane
  readonly onScanned?: Database['onScanned']
}

/**
 * The same tables for what callers ask, which waits at the gate. What it runs throws Fault OVERLOADED too.
 * @param patienceOf how long a statement of this lane may wait: one patience for all of an operation, or one for each
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

/** Opens no connection yet: a database that is down now may be up for the first request. */
export function openDatabase(options: DatabaseOptions): Database {
  const connection = {
    connectionString: options.url,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    // Node's default leaves it to the system, where a link that died is noticed after two hours.
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  }
  const pool = new pg.Pool({
    ...connection,
    application_name: 'waymark',
    types: columnTypes,
    max: options.poolSize,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + SILENCE_MARGIN_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 10_000,
    // An answer is a promise that the save is on disk, whatever the server's default. Prisma takes each time for UTC,
    // whatever offset it has.
    options: '-c synchronous_commit=on -c timezone=UTC',
  })
  // An idle connection that breaks is thrown away by the pool; without a listener it would end the process.
  pool.on('error', (error) => options.log.warn({ err: error }, 'an idle database connection broke'))
  // The same of a connection that breaks while it is being handed out.
  pool.on('connect', (client) => client.on('error', ignore))
  const gate = new Gate(shareOut(options.poolSize - ownConnections(options.poolSize)))
  if (options.tracer) traceStatements(pool, options.tracer)
  const client = createPrismaClient(pool)
  const prismaIn = (lane: Lane, patienceMs: number) =>
    gatePrisma(client, (work) => gate.run(work, new Patience(patienceMs), lane), options.readTracer)
  const newsListeners = new Set<() => void>()

  async function query<Row extends pg.QueryResultRow>({ name, text, values }: Statement): Promise<Row[]> {
    try {
      // Two literals: to spread a name that may be missing was 1 to 2 % of a read's processor time.
      const copied = [...values]
      const result = await pool.query<Row>(
        name === undefined ? { text, values: copied } : { name, text, values: copied },
      )
      return result.rows
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
      const rows = await query<Row>(statement)
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
    }),
    async connect(applicationName) {
      const client = new pg.Client({ ...connection, application_name: applicationName })
      // A server that is killed in this moment says so before the caller can listen, which would end the process.
      client.on('error', ignore)
      await client.connect()
      return client
    },
    async close() {
      await client.$disconnect()
      await pool.end()
    },
  }
}

/** So a heartbeat finds a connection whatever is read, a read whatever streams read, and an event whatever is counted. */
function shareOut(mostRunning: number): GateOptions {
  const share = (part: number) => Math.max(Math.floor(mostRunning * part), 1)
  return {
    mostRunning,
    mostWaiting: MOST_WAITING,
    mostOf: { read: share(3 / 4), event: share(1 / 2), scan: share(1 / 4) },
  }
}

/** Whoever uses the connection is told by the statement that fails. */
function ignore(): void {}
