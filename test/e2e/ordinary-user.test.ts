import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, it, vi } from 'vitest'
import { readPidFile } from '../../src/database/embedded/postmaster.ts'
import { clientOf, mutate } from '../support/waymark.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const CLIENTS = 50
const SAVES_OF_EACH = 10
/** Where the tests run as root: an ordinary user that every system has. Else: whoever runs them. */
const ordinary = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Whether the ordinary user can reach the checkout at all: below root's home it can't. */
async function isReachable(): Promise<boolean> {
  const check = promisify(execFile)(process.execPath, ['-e', `require('fs').accessSync(${JSON.stringify(program)})`], {
    cwd: '/',
    ...ordinary,
  })
  return check.then(
    () => true,
    () => false,
  )
}

it('serves fifty clients at once as an ordinary user, from its embedded database', async (context) => {
  if (!(await isReachable())) context.skip('an ordinary user cannot reach this checkout')
  const folder = await mkdtemp(join(tmpdir(), 'waymark-ordinary-'))
  await chmod(folder, 0o755)
  const dataDir = join(folder, 'data')
  if (ordinary.uid !== undefined) await chown(folder, ordinary.uid, ordinary.gid)
  const child = spawn(process.execPath, [program, 'serve'], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, PORT: '0', DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...ordinary,
  })
  const exited = once(child, 'exit')
  try {
    const lines: string[] = []
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line)
        const served = /Waymark serves (http:\S+?)[ "]/.exec(line)?.[1]
        if (served !== undefined) resolve(served)
      })
      void exited.then(() => reject(new Error(`the server ended: ${lines.join('\n')}`)))
    })
    const { uid } = await stat(join(dataDir, 'postgres'))
    expect(uid).toBe(ordinary.uid ?? process.getuid?.())

    const client = clientOf(url)
    await mutate(client, 'registerUser', { userId: 'everybody' })
    await Promise.all(Array.from({ length: CLIENTS }, (_, index) => crawl(patient(client), `user-${index}`)))
    expect(
      await client.ask(`{ checkpoint(userId: "everybody") { bookmarksCount }
        sessionStats { total completed bookmarksProcessed } checkpoints { totalCount } }`),
    ).toEqual({
      checkpoint: { bookmarksCount: CLIENTS * SAVES_OF_EACH },
      sessionStats: { total: CLIENTS, completed: CLIENTS, bookmarksProcessed: CLIENTS * SAVES_OF_EACH },
      checkpoints: { totalCount: CLIENTS + 1 },
    })
    // A busy machine sheds load, and says so: these clients send again what was refused.
    const complaints = lines.filter((line) => /"level":[456]0/.test(line) && !line.includes('overloaded'))
    expect(complaints).toEqual([])

    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    expect(await readPidFile(join(dataDir, 'postgres'))).toEqual({ state: 'none' })
    // Nothing of what it made is another's: it could delete it all.
    for (const name of await readdir(dataDir)) expect((await stat(join(dataDir, name))).uid, name).toBe(uid)
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
    const left = await readPidFile(join(dataDir, 'postgres')).catch(() => undefined)
    if (left?.state === 'running') process.kill(left.postmaster.pid, 'SIGKILL')
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  }
})

/** A session from its start to its end, each save adding to its own checkpoint, and another to one that all share. */
/** Asks again when it is told to: on a busy machine some of fifty saves of one list wait for too long. */
function patient({ send }: ReturnType<typeof clientOf>): Pick<ReturnType<typeof clientOf>, 'ask'> {
  return {
    async ask<Data>(query: string, variables?: Record<string, unknown>) {
      for (;;) {
        const { data, errors } = await send(query, variables)
        if (errors?.[0]?.extensions.code !== 'OVERLOADED') {
          expect(errors).toBeUndefined()
          return data as Data
        }
        await delay(200)
      }
    },
  }
}

async function crawl(client: Pick<ReturnType<typeof clientOf>, 'ask'>, userId: string): Promise<void> {
  await mutate(client, 'registerUser', { userId })
  const started = await mutate(client, 'startSession', { userId })
  const { sessionId } = started['session'] as { sessionId: string }
  for (let place = 1; place <= SAVES_OF_EACH; place += 1) {
    const own = { userId, itemId: String(20 + place), bookmarksAdded: 1, sessionId }
    const shared = { userId: 'everybody', itemId: String(20 + place), bookmarksAdded: 1 }
    const saved = await Promise.all([own, shared].map((input) => mutate(client, 'saveCheckpoint', input)))
    expect(saved.map(({ __typename }) => __typename)).toEqual(['SaveCheckpointSuccess', 'SaveCheckpointSuccess'])
    await mutate(client, 'heartbeat', { sessionId })
  }
  expect(await mutate(client, 'completeSession', { sessionId })).toMatchObject({ session: { status: 'COMPLETED' } })
}
