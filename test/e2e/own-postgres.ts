import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { findBinaries, findPackage } from '../../src/database/embedded/binaries.ts'
import { clusterDirOf, openCluster } from '../../src/database/embedded/cluster.ts'
import { chooseIdentity } from '../../src/database/embedded/identity.ts'
import { choosePort, launch, type Launch } from '../../src/database/embedded/postmaster.ts'
import { isPostmaster } from '../../src/database/embedded/process.ts'

/** A PostgreSQL that nobody but the test looks after: what it does to it stays done. */
export interface OwnPostgres extends AsyncDisposable {
  readonly url: string
  /** A fast shutdown, as an administrator's. */
  stop(): Promise<void>
  /** As `pg_ctl stop -m immediate`: nothing is finished, nothing written out; the next start recovers from the log. */
  stopImmediately(): Promise<void>
  /** kill -9 of the postmaster, whose children end as soon as they notice. */
  kill(): Promise<void>
  /** SIGSTOP of all its processes: connections stay open, new ones are taken by the kernel, and nothing is ever answered. Linux only. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Brings it up again on the same port, with the same data. */
  start(): Promise<void>
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-own-postgres-'))
  // As root PostgreSQL runs as another user, who must be able to pass.
  await chmod(folder, 0o755)
  const dataDir = join(folder, 'data')
  const identity = await chooseIdentity(clusterDirOf(dataDir))
  const binaries = await findBinaries(findPackage(), [folder], identity)
  const cluster = await openCluster(dataDir, binaries, identity)
  const port = await choosePort(undefined)
  const url = `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/postgres?sslmode=disable`
  let running: Launch | undefined
  let frozen: readonly number[] = []

  async function start(): Promise<void> {
    const deadline = performance.now() + 60_000
    running = undefined
    for (;;) {
      running ??= await launch(binaries.postgres, cluster, port, identity)
      if (await isReachable(url)) return
      const failure = await running.failure()
      if (performance.now() > deadline) throw new Error(`PostgreSQL did not start: ${failure ?? 'no reason given'}`)
      // The children of one that was killed hold its memory until they have noticed.
      if (failure !== undefined) running = undefined
      await delay(50)
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (!running) return
    const { pid } = running
    // Those of one that was killed go on answering for a moment.
    const children = await childrenOf(pid)
    if (await isPostmaster(pid, cluster.clusterDir)) process.kill(pid, signal)
    while (await isPostmaster(pid, cluster.clusterDir)) await delay(20)
    for (const child of children) while (await isBackend(child)) await delay(20)
  }

  async function thaw(): Promise<void> {
    for (const pid of frozen) signalIfThere(pid, 'SIGCONT')
    frozen = []
    return Promise.resolve()
  }

  await start()
  return {
    url,
    start,
    stop: () => end('SIGINT'),
    stopImmediately: () => end('SIGQUIT'),
    kill: () => end('SIGKILL'),
    async freeze() {
      // The postmaster first: it makes no child after that.
      const postmaster = running?.pid ?? 0
      signalIfThere(postmaster, 'SIGSTOP')
      frozen = [postmaster, ...(await childrenOf(postmaster))]
      for (const pid of frozen) signalIfThere(pid, 'SIGSTOP')
    },
    thaw,
    async [Symbol.asyncDispose]() {
      await thaw()
      await end('SIGQUIT')
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

async function isReachable(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const children: number[] = []
  for (const pid of pids) {
    // pid (command) state parent ...
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent) children.push(Number(pid))
  }
  return children
}

async function isBackend(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).startsWith('postgres: ')
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}
