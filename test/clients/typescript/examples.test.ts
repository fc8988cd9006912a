import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { root } from '../../integration/docs/markdown.ts'
import { keyedCaller } from '../../support/keyed-callers.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { startXApi } from '../../support/x-api.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 })

let folder: string
let server: TestWaymark
let env: NodeJS.ProcessEnv
let operator: Awaited<ReturnType<typeof keyedCaller>>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-examples-'))
  await mkdir(join(folder, 'node_modules'))
  await symlink(join(root, 'clients/typescript'), join(folder, 'node_modules/waymark-client'), 'dir')
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
  for (const name of await readdir(join(root, 'examples/typescript'))) {
    const source = await readFile(join(root, 'examples/typescript', name), 'utf8')
    await writeFile(join(folder, name.replace(/ts$/, 'js')), ts.transpileModule(source, { compilerOptions }).outputText)
  }
  server = await startWaymark({ AUTHENTICATION: 'keys' })
  operator = await keyedCaller(server, ['read', 'operate'])
  const crawler = await keyedCaller(server, ['read', 'crawl'])
  env = { ...process.env, WAYMARK_URL: server.url, WAYMARK_KEY: crawler.authorization.replace('Bearer ', '') }
  for (const userId of ['alice', '2244994945']) await mutate(operator, 'registerUser', { userId })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Runs an example to its end. @returns the lines that it printed */
async function run(name: string, more: Record<string, string>, ...args: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [name, ...args], {
    cwd: folder,
    env: { ...env, ...more },
  })
  return stdout.trim().split('\n')
}

it('has examples of the length that they promise', async () => {
  const most = {
    'typescript/reddit-saved.ts': 25,
    'typescript/x-bookmarks.ts': 60,
    'typescript/follow.ts': 25,
  }
  for (const [file, lines] of Object.entries(most)) {
    const text = await readFile(join(root, 'examples', file), 'utf8')
    expect(text.trimEnd().split('\n').length, file).toBeLessThanOrEqual(lines)
  }
})

it('crawls what a Reddit account has saved, and waits where Reddit asks for it', async () => {
  let asked = 0
  const reddit = createServer((request, response) => {
    asked += 1
    const isLimited = asked === 2
    const isTop = request.url === '/user/alice/saved?limit=100&after='
    const names = isTop ? ['t3_c', 't3_b'] : ['t3_a']
    response.writeHead(isLimited ? 429 : 200, { 'content-type': 'application/json', 'x-ratelimit-reset': '0.2' })
    const children = names.map((name) => ({ data: { name } }))
    response.end(JSON.stringify({ data: { children, after: isTop ? 't3_b' : null } }))
  }).listen(0, '127.0.0.1')
  await once(reddit, 'listening')
  const url = `http://127.0.0.1:${(reddit.address() as AddressInfo).port}`
  try {
    const lines = await run('reddit-saved.js', { REDDIT_API_URL: url, REDDIT_TOKEN: 'any' }, 'alice')
    expect(lines).toEqual(['t3_c', 't3_b', 't3_a', 'completed'])
    expect(asked).toBe(3)
  } finally {
    reddit.closeAllConnections()
    reddit.close()
  }
})

it('crawls the bookmarks of an X account, killed and started again, each once', async () => {
  await using api = await startXApi({ delayMs: 20 })
  const more = { X_API_URL: api.url, X_TOKEN: api.token, LEASE_SECONDS: '5' }
  const args = ['x-bookmarks.js', api.userId, 'bookmarks.txt', '10']
  const killed = spawn(process.execPath, args, { cwd: folder, env: { ...env, ...more }, stdio: 'ignore' })
  await api.pagesServed(6)
  const ended = once(killed, 'exit')
  killed.kill('SIGKILL')
  await ended
  const [last] = await run('x-bookmarks.js', more, ...args.slice(1))
  expect(last).toMatch(/^completed: RESUME \d+, INCREMENTAL 0$/)
  const lines = (await readFile(join(folder, 'bookmarks.txt'), 'utf8')).trim().split('\n')
  expect(lines).toEqual(api.itemIds())
})

it('follows checkpoints, and goes on after the last one that it handled', async () => {
  const start = async (isDone: (said: string) => boolean) => {
    const child = spawn(process.execPath, ['follow.js', 'cursor.txt'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    await vi.waitUntil(() => isDone(said), 30_000)
    return { said: () => said, kill: async () => (child.kill('SIGKILL'), ended) }
  }
  await mutate(operator, 'registerUser', { userId: 'dave' })
  const save = (itemId: string) => run('save.js', {}, itemId)
  await writeFile(
    join(folder, 'save.js'),
    `import { Waymark } from 'waymark-client'\nawait new Waymark().checkpointManager('dave').saveCheckpoint(process.argv[2])\n`,
  )
  await save('1')
  const first = await start((said) => said.includes('dave twitter/bookmarks 1 1'))
  await vi.waitUntil(() => readFile(join(folder, 'cursor.txt'), 'utf8').then(Boolean, () => false), 30_000)
  await first.kill()
  await save('2')
  const second = await start((said) => said.includes('dave twitter/bookmarks 2 2'))
  await second.kill()
  expect(second.said()).not.toContain('alice')
})
