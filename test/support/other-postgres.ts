import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findFreePort } from './free-port.ts'
import { chooseIdentity } from '../../src/database/embedded/identity.ts'
import { withClient } from './database.ts'

export interface OtherPostgres extends AsyncDisposable {
  /** Of its database postgres. */
  readonly url: string
}

/**
 * Starts a PostgreSQL of another version than the embedded one, on a free port of this machine.
 * @param binaries the folder with its initdb and postgres
 */
export async function startOtherPostgres(binaries: string): Promise<OtherPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-other-postgres-'))
  await chmod(folder, 0o755)
  const data = join(folder, 'data')
  // As root PostgreSQL runs as another user.
  const identity = await chooseIdentity(data)
  if (identity) await chown(folder, identity.uid, identity.gid)
  const start = (program: string, args: readonly string[]): ChildProcess =>
    spawn(join(binaries, program), args, { stdio: 'ignore', cwd: folder, ...identity })
  const [code] = (await once(
    start('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C', '--encoding=UTF8']),
    'exit',
  )) as [number]
  if (code !== 0) throw new Error(`initdb of ${binaries} ended with ${code}`)
  const port = await findFreePort()
  const postgres = start('postgres', ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', '', '-F'])
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  const isUp = () =>
    withClient(url, (client) => client.query('SELECT 1')).then(
      () => true,
      () => false,
    )
  for (const deadline = performance.now() + 60_000; !(await isUp());) {
    if (performance.now() > deadline) throw new Error(`the PostgreSQL of ${binaries} did not start`)
    await delay(50)
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      const ended = once(postgres, 'exit')
      postgres.kill('SIGINT')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
