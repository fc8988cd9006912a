import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type pino from 'pino'
import { StartupError } from '../startup-error.ts'
import type { Binaries } from './embedded-binaries.ts'
import type { Cluster } from './embedded-cluster.ts'
import type { Identity } from './embedded-identity.ts'
import { choosePort, discardPidFile, endPostmaster, launch, readPidFile, type Launch } from './embedded-postmaster.ts'

export type Log = Pick<pino.Logger, 'info' | 'warn' | 'debug'>

/** A running PostgreSQL, and the connection whose advisory lock makes it ours. */
export interface Held {
  readonly client: pg.Client
  readonly port: number
  /** It was running already: another Waymark started it and is gone. */
  readonly adopted: boolean
}

/** "waymark" in ASCII. Taken in the database "postgres", so that "waymark" can be dropped and restored under a running server. */
const lockKey = '33602596826935915'
const pollMs = 50
/** A killed server's lock is free once its backend reads the closed socket: milliseconds. Longer, and somebody lives. */
const lockPatienceMs = 2_000
/** For what passes by itself: the shared memory of a PostgreSQL that was killed is freed when its last child has noticed. */
const startPatienceMs = 15_000

class LockTaken extends Error {
  readonly holder: string
  constructor(holder: string) {
    super(`the lock is held by process ${holder}`)
    this.holder = holder
  }
}

/**
 * Makes sure that PostgreSQL runs on the cluster and that this process owns it: starts it, or takes over one that runs unowned.
 * @param fixedPort start it on this port only; undefined: the port it had before, or any
 * @throws StartupError when another process owns it or it can't be started; what it had started itself is ended then
 */
export async function acquire(
  cluster: Cluster,
  binaries: Binaries,
  identity: Identity | undefined,
  fixedPort: number | undefined,
  signal: AbortSignal,
): Promise<Held> {
  let started: Launch | undefined
  let lockTakenSince: number | undefined
  const deadline = performance.now() + startPatienceMs
  try {
    for (;;) {
      const failure = await started?.failure()
      const pidFile = await readPidFile(cluster.clusterDir)
      if (failure !== undefined) {
        started = undefined
        if (performance.now() > deadline || !passesByItself(failure))
          throw new StartupError(explainFailure(cluster, failure))
      } else if (pidFile.state === 'running') {
        const { port } = pidFile.postmaster
        try {
          return { client: await takeLock(cluster, port), port, adopted: started?.pid !== pidFile.postmaster.pid }
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
        // The port of a PostgreSQL that was killed is used again: whoever still has its URL reconnects.
        const port = fixedPort ?? (await choosePort(pidFile.state === 'stale' ? pidFile.port : undefined))
        started = await launch(binaries.postgres, cluster, port, identity)
      }
      await delay(pollMs, undefined, { signal })
    }
  } catch (error) {
    // Another process that holds the lock relies on what was started here.
    if (error instanceof LockTaken) throw new StartupError(explainLock(cluster, error.holder), { cause: error })
    if (started) await endPostmaster(started.pid, cluster.clusterDir)
    if (error instanceof pg.DatabaseError && error.code === '28P01')
      throw new StartupError(explainPassword(cluster), { cause: error })
    throw error
  }
}

/** @throws LockTaken; or what pg throws while PostgreSQL starts or stops */
async function takeLock(cluster: Cluster, port: number): Promise<pg.Client> {
  const client = await connect(cluster, port)
  try {
    const { rows } = await client.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${lockKey}) AS taken`)
    if (rows[0]?.taken !== true) throw new LockTaken(await findHolder(client))
    // An owner that stops PostgreSQL loses the lock a moment before PostgreSQL ends. By then no new connection is let in.
    const probe = await connect(cluster, port)
    await probe.end()
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
    ssl: false,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    application_name: `waymark owner ${process.pid}`,
  })
  // Lost connections are noticed by 'end'; without a listener 'error' would end the process.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function findHolder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ holder: string }>(
    `SELECT substring(application_name FROM 'waymark owner (.*)') AS holder FROM pg_locks JOIN pg_stat_activity USING (pid)
      WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint = ${lockKey}
        AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  )
  return rows[0]?.holder ?? 'unknown'
}

function isStartingOrStopping(error: unknown): boolean {
  // 57P01 to 57P03: shutting down, crashed, starting up. 53300: too many connections, left by whoever was killed.
  if (error instanceof pg.DatabaseError) return ['57P01', '57P02', '57P03', '53300'].includes(error.code ?? '')
  if (!(error instanceof Error)) return false
  return 'code' in error
    ? ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(String(error.code))
    : /^Connection terminated|timeout/.test(error.message)
}

function passesByItself(failure: string): boolean {
  return /pre-existing shared memory|lock file "postmaster.pid" already exists|in use|could not bind|without a word/.test(
    failure,
  )
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
    `DATA_DIR ${cluster.dataDir}: the PostgreSQL there refuses the password in ${join(cluster.dataDir, 'password')}: put the file back ` +
    'that belongs to these data.'
  )
}

/** Keeps PostgreSQL running and owned until stopped. */
export class Owner {
  readonly #cluster: Cluster
  readonly #binaries: Binaries
  readonly #identity: Identity | undefined
  readonly #log: Log
  readonly #stopping = new AbortController()
  #held: Held | undefined
  #recovery: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(cluster: Cluster, binaries: Binaries, identity: Identity | undefined, log: Log, held: Held) {
    this.#cluster = cluster
    this.#binaries = binaries
    this.#identity = identity
    this.#log = log
    this.#hold(held)
  }

  #hold(held: Held): void {
    this.#held = held
    held.client.once('end', () => {
      this.#held = undefined
      if (!this.#stopping.signal.aborted) this.#recovery = this.#recover(held.port)
    })
  }

  /** Until it succeeds or is stopped: without its database the server can do nothing else. */
  async #recover(port: number): Promise<void> {
    const { signal } = this.#stopping
    this.#log.warn({ port }, 'lost the embedded PostgreSQL: bringing it up again')
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5_000)) {
      try {
        this.#hold(await acquire(this.#cluster, this.#binaries, this.#identity, port, signal))
        this.#log.info({ port }, 'the embedded PostgreSQL is up again')
        return
      } catch (error) {
        if (signal.aborted) return
        this.#log.warn({ err: error }, 'the embedded PostgreSQL is not up yet: trying again')
        await delay(waitMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** Ends PostgreSQL, if it is ours, and waits for its end. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    await this.#recovery
    const held = this.#held
    if (!held) return
    // The lock goes down with PostgreSQL, not before: nobody can adopt a PostgreSQL that is about to end.
    const pidFile = await readPidFile(this.#cluster.clusterDir)
    if (pidFile.state === 'running' && !(await endPostmaster(pidFile.postmaster.pid, this.#cluster.clusterDir))) {
      this.#log.warn(
        'the embedded PostgreSQL did not stop within 5 s and was ended at once; the next start recovers it',
      )
    }
    await held.client.end().catch(() => undefined)
  }
}
