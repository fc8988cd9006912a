import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { chromium } from 'playwright-core'
import { publint } from 'publint'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { codeBlocks, readDocument, root } from '../../integration/docs/markdown.ts'
import { findChromium, needsChromium } from '../../support/chromium.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

// npm and compilers start: seconds each on a slow machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

const executablePath = findChromium()
const run = promisify(execFile)

/** Crawls two pages, and says how: what each runtime is asked to do. */
const PROGRAM = `import { Waymark } from 'waymark-client'
const [userId] = process.argv.slice(2)
const report = await new Waymark().crawl({
  userId, stream: 'reddit/saved', id: (id) => id,
  fetchPage: ({ pageToken }) => pageToken === null ? { items: ['t3_c', 't3_b'], nextToken: '2' } : { items: ['t3_a'], nextToken: null },
  process: (ids) => ids.length,
})
console.log(process.version, report.outcome, report.sessions[0].items)
`
/** Uses the types as a consumer does, with all libraries checked. */
const CONSUMER = `import { Waymark, RateLimited, type CrawlReport } from 'waymark-client'
interface Post { readonly name: string }
const waymark = new Waymark({ url: 'http://127.0.0.1:4000/graphql' })
export const report: CrawlReport = await waymark.crawl<Post>({
  userId: 'alice', mode: 'AUTO', busy: { waitMs: 5 }, id: (post) => post.name,
  async fetchPage({ pageToken, signal }) {
    if (signal.aborted) throw new RateLimited(Date.now() + 1_000)
    return { items: [{ name: pageToken ?? 'top' }], nextToken: null }
  },
  async process(posts) { await Promise.resolve(posts[0]?.name) },
})
if (report.outcome === 'paused') report.until.getTime()
for await (const event of waymark.follow('checkpoints')) if (event.type === 'change') event.change.checkpoint?.lastItemId.length
for await (const event of waymark.follow('sessions')) if (event.type === 'row') event.row.sessionId.length
await using session = await waymark.startSession({ userId: 'alice' })
export const count: number | undefined = (await waymark.checkpointManager('alice').getCheckpoint())?.bookmarksCount
`
/** What the blocks of docs/clients.md take for granted. */
const DECLARED = `type Post = { readonly name: string }
declare const platform: { saved(token: string | null): Promise<{ posts: Post[]; next: string | null; limitedUntil?: Date }> }
declare const database: { insert(posts: Post[]): Promise<number> }
declare const rows: Map<string, object | null>
export { report }
`
const TSCONFIG = {
  compilerOptions: {
    target: 'ES2022',
    lib: ['ES2023', 'DOM', 'ESNext.Disposable'],
    strict: true,
    types: [],
    noEmit: true,
  },
  files: ['consumer.ts', 'documented.ts'],
}

let folder: string
let tarball: string
let server: TestWaymark
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-package-'))
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: join(root, 'clients/typescript'), env })
  tarball = join(folder, 'waymark-client-0.1.0.tgz')
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball], { cwd: folder })
  await writeFile(join(folder, 'program.js'), PROGRAM)
  server = await startWaymark()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** npx hands its own settings on: the root's ignore-scripts, which a folder of somebody else does not have. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)))

/** A version of Node.js from the registry, as a command; undefined where it cannot be had. */
async function nodeCommand(version: string): Promise<string[] | undefined> {
  const args = ['-y', `node@${version}`]
  const told = await run('npx', [...args, '--version'], { cwd: folder, env, timeout: 120_000 }).catch(() => undefined)
  return told?.stdout.startsWith(`v${version}.`) ? ['npx', ...args] : undefined
}

describe('the package waymark-client', () => {
  it('holds what it should, and no dependency', async () => {
    const { stdout } = await run('tar', ['-tzf', tarball])
    const files = stdout.trim().split('\n')
    expect(files).toEqual(expect.arrayContaining(['package/package.json', 'package/README.md', 'package/LICENSE']))
    expect(
      files.filter((file) => !/^package\/(dist\/.+\.(js|d\.ts)|package\.json|README\.md|LICENSE)$/.test(file)),
    ).toEqual([])
    const manifest = JSON.parse(
      await readFile(join(folder, 'node_modules/waymark-client/package.json'), 'utf8'),
    ) as object
    for (const key of ['dependencies', 'peerDependencies', 'optionalDependencies'])
      expect(manifest).not.toHaveProperty(key)
  })

  it('has no complaint of publint, and none of attw for ES modules', async () => {
    const bytes = await readFile(tarball)
    const { messages } = await publint({
      pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) },
      strict: true,
    })
    expect(messages).toEqual([])
    const result = await checkPackage(createPackageFromTarballData(new Uint8Array(bytes)))
    const problems = result.types ? result.problems : [{ kind: 'NoTypes' }]
    // It is for ES modules only, as attw's profile esm-only says.
    expect(problems.filter(({ kind }) => kind !== 'CJSResolvesToESM')).toEqual([])
  })

  it('is less than 20 kB when it is minified and gzipped', async () => {
    const code = await bundle('esm')
    expect(gzipSync(code).length).toBeLessThan(20_000)
    expect(code).not.toMatch(/["']node:/)
  })

  it.each(['nodenext', 'bundler'])('has types that a strict project compiles with, by %s', async (moduleResolution) => {
    const compilerOptions = {
      ...TSCONFIG.compilerOptions,
      module: moduleResolution === 'nodenext' ? 'nodenext' : 'esnext',
      moduleResolution,
    }
    const config = `tsconfig.${moduleResolution}.json`
    const blocks = codeBlocks(await readDocument('docs/clients.md')).filter(({ language }) => language === 'typescript')
    expect(blocks.length).toBeGreaterThan(2)
    await writeFile(join(folder, 'consumer.ts'), CONSUMER)
    await writeFile(join(folder, 'documented.ts'), [...blocks.map(({ text }) => text), DECLARED].join('\n'))
    await writeFile(join(folder, config), JSON.stringify({ ...TSCONFIG, compilerOptions }))
    const compiled = await run(process.execPath, [join(root, 'node_modules/typescript-7/bin/tsc'), '-p', config], {
      cwd: folder,
    }).catch((error: unknown) => error)
    expect(compiled).toMatchObject({ stdout: '' })
  })

  it.for(['20', '22', '24'])('crawls on Node.js %s', async (version, context) => {
    const isThis = process.version.startsWith(`v${version}.`)
    const command = isThis ? [process.execPath] : await nodeCommand(version)
    if (!command) return context.skip(`node@${version} cannot be had from the registry`)
    const userId = `runtime-${version}`
    await mutate(server, 'registerUser', { userId })
    const [program = '', ...args] = command
    const { stdout } = await run(program, [...args, 'program.js', userId], {
      cwd: folder,
      env: { ...env, WAYMARK_URL: server.url },
    })
    expect(stdout).toMatch(new RegExp(`^v${version}\\.\\d+\\.\\d+ completed 3\n$`))
  })

  it('crawls and follows in Chromium', async (context) => {
    if (!executablePath) return context.skip(needsChromium)
    await mutate(server, 'registerUser', { userId: 'browser' })
    const browser = await chromium.launch({ executablePath, chromiumSandbox: false, args: ['--disable-gpu'] })
    try {
      const page = await browser.newPage()
      const blank = new URL('/blank', server.url).href
      await page.route(blank, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }))
      await page.goto(blank)
      await page.addScriptTag({ content: await bundle('iife') })
      const told = await page.evaluate(async (): Promise<unknown> => {
        const { Waymark } = (globalThis as unknown as { client: Record<string, any> }).client
        const waymark = new Waymark({ url: '/graphql' })
        const report = await waymark.crawl({
          userId: 'browser',
          stream: 'reddit/saved',
          id: (id: string) => id,
          fetchPage: () => ({ items: ['t3_a'], nextToken: null }),
          process: () => 1,
        })
        const events: string[] = []
        for await (const event of waymark.follow('checkpoints', { filter: { userId: 'browser' } })) {
          events.push(event.row?.lastItemId ?? event.type)
          if (event.type === 'listed') break
        }
        return [report.outcome, ...events]
      })
      expect(told).toEqual(['completed', 'reset', 't3_a', 'listed'])
    } finally {
      await browser.close()
    }
  })

  it('has the documents that the schema and its .graphql files make (npm run client:documents)', async () => {
    await mkdir(folder, { recursive: true })
    await run(process.execPath, ['scripts/client-documents.mjs', '--check'], { cwd: root })
  })
})

/** The package as one minified file, the way that applications bundle it. */
async function bundle(format: 'esm' | 'iife'): Promise<string> {
  const built = await rolldown({
    input: join(folder, 'node_modules/waymark-client/dist/index.js'),
    platform: 'browser',
  })
  const { output } = await built.generate({ format, name: 'client', minify: true })
  await built.close()
  return output[0].code
}
