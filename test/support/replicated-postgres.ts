import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { chooseIdentity, type Identity } from '../../src/database/embedded/identity.ts'
import { withClient } from './database.ts'
import { findFreePort } from './free-port.ts'

const run = promisify(execFile)

/**
 * A folder with the programs of a whole PostgreSQL: the embedded one has no pg_basebackup. Debian's folders;
 * POSTGRES_BINARIES adds others, separated by colons. undefined: there is none.
 */
export const replicationBinaries = [
  ...(process.env['POSTGRES_BINARIES'] ?? '').split(':'),
  ...['17', '16', '15'].map((major) => `/usr/lib/postgresql/${major}/bin`),
].find((folder) => folder !== '' && existsSync(join(folder, 'pg_basebackup')))

export const NO_REPLICATION = 'no pg_basebackup: apt-get install postgresql, or POSTGRES_BINARIES'

/** One server of a cluster of servers. */
export interface ReplicatedPostgres {
  readonly port: number
  /** Of its database postgres. */
  readonly url: string
  readonly dataDir: string
  query(sql: string): Promise<Record<string, unknown>[]>
  /** Adds lines to its configuration. They count from its next start, or after pg_reload_conf(). */
  configure(lines: readonly string[]): Promise<void>
  start(): Promise<void>
  /** `fast` as an administrator stops it; `kill` is kill -9. */
  stop(how?: 'fast' | 'immediate' | 'kill'): Promise<void>
  /** pg_ctl promote. Resolves once it takes writes. */
  promote(): Promise<void>
  /** Makes it start as a standby from now on, of a server that is not there: a server that was demoted. */
  demote(): Promise<void>
}

/** Servers of one PostgreSQL, in a folder of their own on free ports of this machine. Disposing ends all of them. */
export interface Replication extends AsyncDisposable {
  /** A new, empty server that others can be copied from. It archives its log for point-in-time recovery. */
  createPrimary(settings?: readonly string[]): Promise<ReplicatedPostgres>
  /** A streaming standby, copied by pg_basebackup. @param name what the primary's synchronous_standby_names calls it */
  createStandby(primary: ReplicatedPostgres, name: string): Promise<ReplicatedPostgres>
  /** A base backup, to recover to a point in time. */
  backUp(primary: ReplicatedPostgres): Promise<string>
  /** A clone by point-in-time recovery: a base backup and the archived log up to a restore point. It takes writes. */
  recover(backup: string, restorePoint: string): Promise<ReplicatedPostgres>
}

/** @param binaries the folder with initdb, postgres, pg_ctl and pg_basebackup */
export async function startReplication(binaries: string): Promise<Replication> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-replication-'))
  await chmod(folder, 0o755)
  const archive = join(folder, 'archive')
  await mkdir(archive)
  const identity = await chooseIdentity(archive)
  // As root PostgreSQL runs as another user.
  if (identity) for (const path of [folder, archive]) await chown(path, identity.uid, identity.gid)
  const servers: ReplicatedPostgres[] = []
  let count = 0
  const nextDataDir = () => join(folder, `data${++count}`)
  const tool = (program: string, args: readonly string[]) =>
    run(join(binaries, program), [...args], { cwd: folder, ...identity })

  async function add(dataDir: string): Promise<ReplicatedPostgres> {
    const server = await openServer(binaries, folder, dataDir, identity)
    servers.push(server)
    return server
  }

  async function copy(primary: ReplicatedPostgres): Promise<string> {
    const dataDir = nextDataDir()
    const from = ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'postgres']
    await tool('pg_basebackup', [...from, '-D', dataDir, '-X', 'stream', '-c', 'fast'])
    return dataDir
  }

  return {
    async createPrimary(settings = []) {
      const dataDir = nextDataDir()
      await tool('initdb', ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '--locale=C', '--encoding=UTF8', '-N'])
      const server = await add(dataDir)
      await server.configure([
        'fsync = off',
        'max_wal_senders = 8',
        'wal_keep_size = 256MB',
        'archive_mode = on',
        `archive_command = 'cp %p ${archive}/%f'`,
        ...settings,
      ])
      await server.start()
      return server
    },
    async createStandby(primary, name) {
      const dataDir = await copy(primary)
      const server = await add(dataDir)
      const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres application_name=${name}`
      await server.configure([
        `primary_conninfo = '${conninfo}'`,
        `synchronous_standby_names = ''`,
        `archive_mode = off`,
        'wal_retrieve_retry_interval = 100ms',
      ])
      await writeFile(join(dataDir, 'standby.signal'), '')
      await server.start()
      return server
    },
    backUp: copy,
    async recover(backup, restorePoint) {
      const dataDir = nextDataDir()
      await run('cp', ['-a', backup, dataDir])
      const server = await add(dataDir)
      await server.configure([
        `restore_command = 'cp ${archive}/%f %p'`,
        `recovery_target_name = '${restorePoint}'`,
        `recovery_target_action = 'promote'`,
        `archive_mode = off`,
      ])
      await writeFile(join(dataDir, 'recovery.signal'), '')
      await server.start()
      await takesWrites(server)
      return server
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.stop('immediate')))
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

async function openServer(
  binaries: string,
  folder: string,
  dataDir: string,
  identity: Identity | undefined,
): Promise<ReplicatedPostgres> {
  const port = await findFreePort()
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  let running: ChildProcess | undefined
  const server: ReplicatedPostgres = {
    port,
    url,
    dataDir,
    query: (sql) => withClient(url, async (client) => (await client.query<Record<string, unknown>>(sql)).rows),
    configure: (lines) => appendFile(join(dataDir, 'postgresql.auto.conf'), `${lines.join('\n')}\n`),
    async start() {
      const options = ['-D', dataDir, '-p', String(port), '-h', '127.0.0.1', '-k', '']
      running = spawn(join(binaries, 'postgres'), options, { stdio: 'ignore', cwd: folder, ...identity })
      await until(() => server.query('SELECT 1'))
    },
    async stop(how = 'fast') {
      const child = running
      running = undefined
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(how === 'fast' ? 'SIGINT' : how === 'immediate' ? 'SIGQUIT' : 'SIGKILL')
      await ended
    },
    async promote() {
      await run(join(binaries, 'pg_ctl'), ['promote', '-D', dataDir, '-w'], { cwd: folder, ...identity })
      await takesWrites(server)
    },
    demote: () => writeFile(join(dataDir, 'standby.signal'), ''),
  }
  return server
}

async function takesWrites(server: ReplicatedPostgres): Promise<void> {
  await until(async () => {
    const [row] = await server.query('SELECT pg_is_in_recovery() AS standby')
    if (row?.['standby'] !== false) throw new Error('it is still a standby')
  })
}

async function until(succeeds: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      await succeeds()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await delay(50)
    }
  }
}
