import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPidFile } from '../../src/database/embedded/postmaster.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { rounds, tell } from './rounds.ts'

const FILLINGS = rounds(5, 1)
const SIZE_MIB = 256
/** What is left for PostgreSQL once the disk is filled: some pages of tables and log. */
const LEFT_BYTES = 1_000_000
const SAVE = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }`

interface HistoryPage {
  readonly nodes: readonly { readonly lastItemId: string }[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
}

const folder = await mountSmallDisk()

/** A folder on a disk of its own; undefined where nobody may mount one. */
async function mountSmallDisk(): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'waymark-small-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m`, 'none', path], { stdio: 'pipe' })
  } catch {
    await rm(path, { recursive: true })
    return undefined
  }
  // As root PostgreSQL runs as another user, who must be able to pass.
  await chmod(path, 0o755)
  return path
}

describe('a full disk under the embedded PostgreSQL', () => {
  let server: ServerProcess
  const acknowledged: number[] = []
  let item = 0
  const errors = new Map<string, number>()

  beforeAll(async () => {
    if (folder === undefined) return
    server = await startServer({ DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' })
    await mutate(clientOf(server.url), 'registerUser', { userId: 'alice' })
  }, 120_000)
  afterAll(async () => {
    if (folder === undefined) return
    server.child.kill('SIGTERM')
    await server.exited
    const pidFile = await readPidFile(join(folder, 'data/postgres'))
    if (pidFile.state === 'running') process.kill(pidFile.postmaster.pid, 'SIGKILL')
    execFileSync('umount', ['--lazy', folder])
    await rm(folder, { recursive: true })
  })

  /** Saves with a page token of 8 KiB that doesn't compress. @returns whether it was acknowledged */
  async function save(): Promise<boolean> {
    item += 1
    const pageToken = Array.from({ length: 8 }, () =>
      Buffer.from(crypto.getRandomValues(new Uint8Array(700))).toString('base64'),
    ).join('')
    const input = { userId: 'alice', itemId: String(item), pageToken }
    const { data, errors: failed } = await clientOf(server.url).send(SAVE, { input })
    for (const { extensions, message } of failed ?? []) {
      const told = `${extensions.code}: ${message}`
      errors.set(told, (errors.get(told) ?? 0) + 1)
    }
    const isAcknowledged =
      (data?.['saveCheckpoint'] as { __typename: string } | undefined)?.__typename === 'SaveCheckpointSuccess'
    if (isAcknowledged) acknowledged.push(item)
    return isAcknowledged
  }

  async function fillDisk(path: string): Promise<void> {
    const { bavail, bsize } = await statfs(path)
    await writeFile(join(path, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - LEFT_BYTES)))
  }

  it.runIf(folder !== undefined)(
    `is a clear error, costs no acknowledged save, and is over once there is room (${FILLINGS} times; needs the right to mount a tmpfs)`,
    { timeout: 240_000 },
    async () => {
      const path = folder ?? ''
      for (let filling = 0; filling < FILLINGS; filling += 1) {
        for (let count = 0; count < 10; count += 1) expect(await save()).toBe(true)
        await fillDisk(path)
        const deadline = performance.now() + 60_000
        while ((await save()) && performance.now() < deadline);
        // The disk stays full for a while: no answer is of another kind, and the server goes on.
        for (let count = 0; count < 20; count += 1) await save()
        expect((await fetch(new URL('/health', server.url))).status).toBe(200)
        await rm(join(path, 'ballast'))
        await expect.poll(save, { timeout: 60_000, interval: 100 }).toBe(true)
      }
      expect(server.child.exitCode).toBeNull()
      expect(errors.size).toBeGreaterThan(0)
      expect([...errors.keys()].filter((told) => !told.startsWith('SERVICE_UNAVAILABLE: '))).toEqual([])
      // Whoever runs it reads the cause in the log; where PostgreSQL could not even write its own log, that it went away.
      expect(server.lines.join('\n')).toMatch(/No space left|not be reached|terminat/)
      const stored = new Set<number>()
      let after: string | null = null
      do {
        const { page }: { page: HistoryPage } = await clientOf(server.url).ask(
          `query ($after: String) { page: checkpointHistory(userId: "alice", first: 100, after: $after) {
            nodes { lastItemId } pageInfo { hasNextPage endCursor } } }`,
          { after },
        )
        for (const { lastItemId } of page.nodes) stored.add(Number(lastItemId))
        after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null
      } while (after !== null)
      expect(acknowledged.filter((saved) => !stored.has(saved))).toEqual([])
      const told = [...errors].map(([text, count]) => `${count} × ${text}`).join(' | ')
      tell(`fault 11: disk filled ${FILLINGS} times: ${acknowledged.length} acknowledged saves, all stored; ${told}`)
    },
  )
})
