import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse, validate } from 'graphql'
import { createClient, type Client } from 'graphql-sse'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { compileCrawler } from '../support/crawl-run.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { feeds, type ToldEvent } from '../support/feed-reader.ts'
import { runCommand, type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { codeBlocks, readDocument, root } from './markdown.ts'

const guide = await readDocument('docs/feeds.md')
const patience = { timeout: 60_000 }
/** The servers and clients are processes of their own, each a second or two in starting. */
const testTimeoutMs = 120_000

it('docs/feeds.md shows examples/watch.ts as it is', async () => {
  const shown = codeBlocks(guide).find(({ language, name }) => language === 'ts' && name === 'watch')
  expect(`${shown?.text ?? ''}\n`).toBe(await readDocument('examples/watch.ts'))
})

it('docs/feeds.md shows operations of this API', () => {
  const operations = codeBlocks(guide).filter(({ language }) => language === 'graphql')
  expect(operations.map(({ name }) => name)).toEqual(['list', 'watch'])
  for (const { text } of operations) expect(validate(schema, parse(text))).toEqual([])
})

/** A server that is killed, and comes back under the same address. */
class MortalServer implements AsyncDisposable {
  readonly #database: TestDatabase
  #process: ServerProcess | undefined
  url = ''

  constructor(database: TestDatabase) {
    this.#database = database
  }

  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port
    this.#process = await startServer({ DATABASE_URL: this.#database.url, PORT: port })
    this.url = this.#process.url
  }

  async kill(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose]() {
    return this.kill()
  }
}

describe('a client of the feeds', () => {
  let database: TestDatabase
  let server: MortalServer
  let folder: string
  let script: string

  beforeAll(async () => {
    database = await createTestDatabase()
    server = new MortalServer(database)
    await server.start()
    folder = await mkdtemp(join(tmpdir(), 'waymark-watch-'))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
    await compileCrawler(folder)
    script = join(folder, 'watch.js')
    await mutate(clientOf(server.url), 'registerUser', { userId: 'ada' })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const save = (itemId: string) => mutate(clientOf(server.url), 'saveCheckpoint', { userId: 'ada', itemId })
  /** As psql would, while no server runs. */
  const write = (itemId: string) =>
    database.query('UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = $1', [itemId])

  /** Runs the example until it is disposed; `items` are what it has printed. */
  function watch() {
    const child: ChildProcess = spawn(process.execPath, [script, server.url, join(folder, 'cursor.txt')])
    const items: string[] = []
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => items.push(line.split(' ').at(-1) ?? ''))
    }
    const ended = once(child, 'exit')
    return {
      items,
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL')
        await ended
      },
    }
  }

  it(
    'as the example is: lists, watches, and goes on after a kill of the server, of itself, and after feed reset',
    async () => {
      await save('1')
      {
        await using watcher = watch()
        await expect.poll(() => watcher.items, patience).toEqual(['1'])
        await save('2')
        await expect.poll(() => watcher.items, patience).toEqual(['1', '2'])
        await server.kill()
        await write('3')
        await write('4')
        await server.start()
        await save('5')
        await expect.poll(() => watcher.items, patience).toEqual(['1', '2', '3', '4', '5'])
      }
      await save('6')
      await using watcher = watch()
      await expect.poll(() => watcher.items, patience).toEqual(['6'])
      await server.kill()
      await runCommand(['feed', 'reset'], { DATABASE_URL: database.url }, { cwd: folder })
      await server.start()
      // The list again, and on from there.
      await expect.poll(() => watcher.items, patience).toEqual(['6', '6'])
      await save('7')
      await expect.poll(() => watcher.items, patience).toEqual(['6', '6', '7'])
    },
    testTimeoutMs,
  )

  it(
    'that retries by itself is told everything again, unless its cursor is kept current as the guide says',
    async () => {
      expect(guide).toContain('request.variables.after = data.told.cursor')
      const { checkpoints } = await clientOf(server.url).ask('{ checkpoints(first: 1) { feedCursor } }')
      const clients: Client[] = []
      function subscribe(next: (event: ToldEvent, variables: Record<string, unknown>) => void): string[] {
        const items: string[] = []
        const request = { query: feeds.checkpointChanged, variables: { after: checkpoints.feedCursor as unknown } }
        const client = createClient({
          url: server.url,
          retryAttempts: Infinity,
          retry: () => new Promise((resolve) => setTimeout(resolve, 100)),
        })
        clients.push(client)
        client.subscribe<{ told: ToldEvent }>(request, {
          next({ data }) {
            if (!data) return
            items.push(data.told.lastItemId ?? '')
            next(data.told, request.variables)
          },
          error: () => undefined,
          complete: () => undefined,
        })
        return items
      }
      const stock = subscribe(() => undefined)
      const current = subscribe(({ cursor }, variables) => (variables['after'] = cursor))
      await save('8')
      await expect.poll(() => [stock, current], patience).toEqual([['8'], ['8']])
      await server.kill()
      await write('9')
      await server.start()
      await expect
        .poll(() => [stock, current], patience)
        .toEqual([
          ['8', '8', '9'],
          ['8', '9'],
        ])
      for (const client of clients) client.dispose()
    },
    testTimeoutMs,
  )
})
