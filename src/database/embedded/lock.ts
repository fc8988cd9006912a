import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'
import type { Binaries } from './binaries.ts'
import type { Cluster } from './cluster.ts'
import { hasCode } from './errors.ts'
import { endOnExit } from './exit.ts'
import type { Identity } from './identity.ts'
import { choosePort, discardPidFile, endedBySignal, launch, readPidFile, type Launch } from './postmaster.ts'
import { endPostmaster } from './process.ts'

/** A running PostgreSQL, and the connection whose advisory lock makes this process its owner. */
export interface Held {
  readonly client: pg.Client
  readonly pid: number
  readonly port: number
  /** Whether it was running already: another Waymark started it and is gone. */
  readonly adopted: boolean
}

/**
 * "waymark" in ASCII. The lock is taken in the database "postgres", so that "waymark" can be dropped and restored while
 * a server runs.
 */
const lockKey = BigInt(`0x${Buffer.from('waymark').toString('hex')}`).toString()
const pollMs = 50
/**
 * How long to wait for a lock that is taken, milliseconds. A killed server's lock is free once its backend reads the
 * closed socket. If that takes longer, the owner is alive.
 */
const lockPatienceMs = 2_000
/**
 * How long to retry failures that pass by themselves, milliseconds. For example, the shared memory of a killed
 * PostgreSQL is freed when its last child has noticed.
 */
const startPatienceMs = 15_000

/** Another Waymark owns the running PostgreSQL. */
export class LockTaken extends Error {
  constructor(
    readonly holder: string,
    readonly cluster: Cluster,
    readonly port: number,
  ) {
    super(`the lock is held by process ${holder}`)
  }
}

/**
 * Makes sure that PostgreSQL runs on the cluster and that this process owns it. It starts it, or takes over one that
 * runs without an owner. It waits as long as a running PostgreSQL needs to recover.
 * @param fixedPort start it on this port only; undefined: on the port it had before, or any
 * @param signal ends the waiting
 * @throws StartupError if another process owns it, or if it cannot be started; in the second case what was started here
 *   is ended
 */
export async function acquire(
  cluster: Cluster,
  binaries: Binaries,
  identity: Identity | undefined,
  fixedPort: number | undefined,
  signal: AbortSignal,
): Promise<Held> {
  let started: Launch | undefined
  let forget = () => {}
  let lockTakenSince: number | undefined
  const deadline = performance.now() + startPatienceMs
  try {
    for (;;) {
      const failure = await started?.failure()
      const pidFile = await readPidFile(cluster.clusterDir)
      if (failure !== undefined) {
        started = undefined
        if (performance.now() > deadline || !passesByItself(failure)) {
          throw new StartupError(explainFailure(cluster, failure))
        }
      } else if (pidFile.state === 'running') {
        const { pid, port } = pidFile.postmaster
        try {
          return { client: await takeLock(cluster, port), pid, port, adopted: started?.pid !== pid }
        } catch (error) {
          if (error instanceof LockTaken) {
            lockTakenSince ??= performance.now()
            if (performance.now() - lockTakenSince > lockPatienceMs) throw error
          } else if (!isStartingOrStopping(error)) {
            throw error
          }
        }
      } else if (pidFile.state !== 'unfinished' && !started) {
        if (pidFile.state === 'stale' && pidFile.blocking) await discardPidFile(cluster.clusterDir)
        // The port of a killed PostgreSQL is used again, so that clients with its URL can reconnect.
        const port = fixedPort ?? (await choosePort(pidFile.state === 'stale' ? pidFile.port : undefined))
        started = await launch(binaries.postgres, cluster, port, identity)
        forget()
        forget = endOnExit(started.pid)
      }
      await delay(pollMs, undefined, { signal })
    }
  } catch (error) {
    // The owner of the lock relies on the PostgreSQL that was started here, so it is left running.
    if (error instanceof LockTaken) throw new StartupError(explainLock(cluster, error.holder), { cause: error })
    if (started) await endPostmaster(started.pid, cluster.clusterDir)
    if (error instanceof pg.DatabaseError && error.code === '28P01') {
      throw new StartupError(explainPassword(cluster), { cause: error })
    }
    throw error
  } finally {
    forget()
  }
}

/**
 * Takes the lock of a running PostgreSQL, and makes the database "waymark" if it is missing.
 * @throws LockTaken if another process has the lock; pg's errors while PostgreSQL starts or stops
 */
export async function takeLock(cluster: Cluster, port: number): Promise<pg.Client> {
  const client = await connect(cluster, port)
  try {
    const { rows } = await client.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${lockKey}) AS taken`)
    if (rows[0]?.taken !== true) throw new LockTaken(await findHolder(client), cluster, port)
    // An owner that stops PostgreSQL loses the lock a moment before PostgreSQL ends. By then no new connection is
    // accepted.
    const probe = await connect(cluster, port)
    await probe.end()
    const { rowCount } = await client.query(`SELECT FROM pg_database WHERE datname = 'waymark'`)
    if (rowCount === 0) await client.query('CREATE DATABASE waymark')
    return client
  } catch (error) {
    await client.end().catch(() => undefined)
    throw error
  }
}

async function connect(cluster: Cluster, port: number): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: cluster.password,
    database: 'postgres',
    // Stated, because pg otherwise follows PGSSLMODE.
    ssl: false,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    application_name: `waymark owner ${process.pid}`,
  })
  // 'end' reports a lost connection. Without a listener, 'error' would end the process.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function findHolder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ holder: string }>(
    `SELECT substring(application_name FROM 'waymark owner (.*)') AS holder FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint = ${lockKey}`,
  )
  return rows[0]?.holder ?? 'unknown'
}

function isStartingOrStopping(error: unknown): boolean {
  // 57P01 to 57P03: shutting down, crashed, starting up. 53300: too many connections, left by a process that was
  // killed.
  if (error instanceof pg.DatabaseError) return ['57P01', '57P02', '57P03', '53300'].includes(error.code ?? '')
  if (hasCode(error, 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT')) return true
  return error instanceof Error && /^Connection terminated|not queryable|timeout/.test(error.message)
}

function passesByItself(failure: string): boolean {
  return [
    'pre-existing shared memory block',
    'lock file "postmaster.pid" already exists',
    'could not create any TCP/IP sockets',
    endedBySignal,
  ].some((text) => failure.includes(text))
}

function explainFailure(cluster: Cluster, failure: string): string {
  return `the embedded PostgreSQL in DATA_DIR ${cluster.dataDir} did not start: ${failure}. Its log is ${cluster.logFile}.`
}

function explainLock(cluster: Cluster, holder: string): string {
  return (
    `DATA_DIR ${cluster.dataDir} is in use by another Waymark (process ${holder}): ` +
    'stop that one, or give this one a DATA_DIR of its own.'
  )
}

function explainPassword(cluster: Cluster): string {
  return (
    `DATA_DIR ${cluster.dataDir}: the PostgreSQL there refuses the password in ${join(cluster.dataDir, 'password')}: ` +
    'put the file back that belongs to these data.'
  )
}
