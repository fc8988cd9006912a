import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { chooseIdentity } from '../../src/database/embedded/identity.ts'
import { withClient } from './database.ts'
import { findFreePort } from './free-port.ts'

/** Debian has it where only root looks. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`

export const hasPgBouncer = spawnSync('pgbouncer', ['--version'], { env: { PATH } }).status === 0
export const NO_PGBOUNCER = 'no pgbouncer: apt-get install pgbouncer'

export interface PgBouncer extends AsyncDisposable {
  /** Of the same database, through the pooler. */
  readonly url: string
  /** Ends every connection, as a restart of the pooler does, and takes new ones. */
  restart(): Promise<void>
}

/**
 * Starts a PgBouncer on a free port of this machine, before one database.
 * @param databaseUrl of the database
 * @param settings lines of pgbouncer.ini, e.g. `pool_mode = transaction`. Default: PgBouncer's own, which is session
 */
export async function startPgBouncer(databaseUrl: string, settings: readonly string[] = []): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-pgbouncer-'))
  await chmod(folder, 0o755)
  // As root PgBouncer refuses to run.
  const identity = await chooseIdentity(folder)
  if (identity) await chown(folder, identity.uid, identity.gid)
  const target = new URL(databaseUrl)
  const name = target.pathname.slice(1)
  const port = await findFreePort()
  const file = join(folder, 'pgbouncer.ini')
  const user = decodeURIComponent(target.username)
  const password = decodeURIComponent(target.password)
  await writeFile(join(folder, 'users.txt'), `"${user}" "${password}"\n`)
  await writeFile(
    file,
    [
      '[databases]',
      `${name} = host=${target.hostname} port=${target.port} dbname=${name}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = plain',
      `auth_file = ${join(folder, 'users.txt')}`,
      ...settings,
      '',
    ].join('\n'),
  )
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${port}`

  async function start() {
    const child = spawn('pgbouncer', ['-q', file], { stdio: 'ignore', cwd: folder, env: { PATH }, ...identity })
    const answers = () =>
      withClient(url.toString(), (client) => client.query('SELECT 1')).then(
        () => true,
        () => false,
      )
    await expect.poll(answers, { timeout: 30_000, interval: 50 }).toBe(true)
    return async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
  }

  let stop = await start()
  return {
    url: url.toString(),
    async restart() {
      await stop()
      stop = await start()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
