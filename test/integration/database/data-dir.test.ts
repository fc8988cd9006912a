import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startEmbedded } from '../../../src/database/embedded/embedded.ts'
import { StartupError } from '../../../src/errors/startup-error.ts'
import { runCommand } from '../../support/server-process.ts'

vi.setConfig({ testTimeout: 60_000 })

const silent = { info: () => undefined, warn: () => undefined, debug: () => undefined }
let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'waymark-data-dir-'))
  await chmod(root, 0o755)
  await symlink(join(root, 'gone'), join(root, 'dangling'))
  await symlink('circle', join(root, 'circle'))
  await writeFile(join(root, 'file'), '')
  for (const name of ['no-cluster', 'no-password']) await mkdir(join(root, name))
  await writeFile(join(root, 'no-cluster/postgres'), '')
  await mkdir(join(root, 'no-password/password'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** Each with what is said of it. */
const impossible: readonly [what: string, path: () => string, said: RegExp][] = [
  ['a link that leads nowhere', () => join(root, 'dangling'), /dangling is a link to \S+gone, which does not exist/],
  ['below a link that leads nowhere', () => join(root, 'dangling/data'), /dangling is a link to \S+gone, which/],
  ['a link to itself', () => join(root, 'circle'), /is a link that leads back to itself/],
  ['a file', () => join(root, 'file'), /is not a folder/],
  ['below a file', () => join(root, 'file/data'), /is not a folder/],
  ['a device', () => '/dev/null', /is not a folder/],
  ['a name that is too long', () => join(root, 'x'.repeat(300)), /is too long a path/],
  ['a folder with a file where the cluster should be', () => join(root, 'no-cluster'), /no-cluster is not a folder/],
  ['a folder with a folder where the password should be', () => join(root, 'no-password'), /cannot be used \(EISDIR/],
]
/** What the kernel shows as folders, and nobody can write to. */
const kernels: typeof impossible = [
  '/proc',
  '/proc/waymark',
  '/proc/waymark/data',
  '/proc/self/data',
  '/sys/waymark',
].map((path) => [path, () => path, new RegExp(`^DATA_DIR ${path} (cannot be used|does not let)`)])

describe('a DATA_DIR that cannot be', () => {
  it.each([...impossible, ...(process.platform === 'linux' ? kernels : [])])(
    '%s is said in one line, with what to do',
    async (_, path, said) => {
      const failure: unknown = await startEmbedded({ dataDir: path(), log: silent }).then(
        (database) => database.stop(),
        (error: unknown) => error,
      )
      expect(failure).toBeInstanceOf(StartupError)
      const { message } = failure as StartupError
      expect(message).toMatch(said)
      expect(message).toMatch(/^DATA_DIR.*choose another DATA_DIR\b.*\.$/)
    },
  )

  it('ends serve and the other commands with exit code 2 and that line alone', async () => {
    for (const [command, path] of [
      ['serve', join(root, 'dangling')],
      ['seed', '/proc/waymark/data'],
    ] as const) {
      const { code, stdout, stderr } = await runCommand([command], { DATA_DIR: path })
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(/^waymark: DATA_DIR[^\n]*\n$/)
    }
  })
})
