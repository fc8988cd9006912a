import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse, validate } from 'graphql'
import { createClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { schema } from '../../../src/api/schema.ts'
import { compileCrawler } from '../../support/crawl-run.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { feeds, type ToldEvent } from '../../support/feed-reader.ts'
import { runCommand, type ServerProcess, startServer } from '../../support/server-process.ts'
import { clientOf, mutate } from '../../support/waymark.ts'
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
      /** Since so many: without what is told once more, as the guide says that it may be after a list and after a reconnect. */
      told: (since = 0) => items.slice(since).filter((item, place, all) => item !== all[place - 1]),
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
        await expect.poll(() => watcher.told(), patience).toEqual(['1'])
        await save('2')
        await expect.poll(() => watcher.told(), patience).toEqual(['1', '2'])
        await server.kill()
        await write('3')
        await write('4')
        await server.start()
        await save('5')
        await expect.poll(() => watcher.told(), patience).toEqual(['1', '2', '3', '4', '5'])
      }
      await save('6')
      await using watcher = watch()
      // It may have been killed before it had noted the cursor of 5.
      await expect.poll(() => watcher.told().filter((item) => item !== '5'), patience).toEqual(['6'])
      await server.kill()
      const before = watcher.items.length
      await runCommand(['feed', 'reset'], { DATABASE_URL: database.url }, { cwd: folder })
      await server.start()
      // The list again, and on from there.
      await expect.poll(() => watcher.told(before), patience).toEqual(['6'])
      await save('7')
      await expect.poll(() => watcher.told(before), patience).toEqual(['6', '7'])
    },
    testTimeoutMs,
  )

  it('without a library is sent what the guide shows, byte by byte', { timeout: testTimeoutMs }, async () => {
    const [head = '', event = '', end = ''] = wireMessages()
    const leave = new AbortController()
    const subscribe = (after: string | null) =>
      fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({
          query: 'subscription ($after: String) { sessionStatusChanged(after: $after) { cursor kind sessionId } }',
          variables: { after },
        }),
        signal: leave.signal,
      })
    await mutate(clientOf(server.url), 'registerUser', { userId: 'eve' })
    const { sessions } = await clientOf(server.url).ask('{ sessions(first: 1) { feedCursor } }')
    const { body } = await subscribe(sessions.feedCursor as string)
    await mutate(clientOf(server.url), 'startSession', { userId: 'eve', sessionId: 'run-1' })
    let text = ''
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      if (text.includes('"run-1"}}}\n\n')) break
    }
    expect(text.replace(/"cursor":"[\w-]+"/, '"cursor":"<cursor>"')).toBe(head + event)

    const refused = await (await subscribe('no cursor')).text()
    expect(refused.startsWith(`${head}event: next\ndata: {"errors":[`)).toBe(true)
    expect(refused.endsWith(`"extensions":{"code":"BAD_USER_INPUT"}}]}\n\n${end}`)).toBe(true)
    leave.abort()
  })

  it.each(['graphql-sse', 'graphql-ws'] as const)(
    'that retries by itself (%s) is told everything again, unless its cursor is kept current as the guide says',
    async (library) => {
      const keepCurrent = await guidesLines()
      const list = '{ checkpoints(first: 1) { feedCursor nodes { lastItemId } } }'
      const { checkpoints } = await clientOf(server.url).ask(list)
      const first = Number(checkpoints.nodes[0]?.lastItemId ?? 0) + 1
      const feedCursor = checkpoints.feedCursor as string
      const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 100))
      const connect = () =>
        library === 'graphql-sse'
          ? createClient({ url: server.url, retryAttempts: Infinity, retry: soon })
          : createSocketClient({
              ...{ url: server.url.replace('http', 'ws'), webSocketImpl: WebSocket, shouldRetry: () => true },
              ...{ retryAttempts: Infinity, retryWait: soon },
            })
      const [stock, current]: [string[], string[]] = [[], []]
      const clients: SubscribingClient[] = [connect(), connect()]
      const ignore = () => undefined
      const query = feeds.checkpointChanged
      clients[0]?.subscribe(
        { query, variables: { after: feedCursor } },
        { next: ({ data }) => stock.push(data?.told.lastItemId ?? ''), error: ignore, complete: ignore },
      )
      keepCurrent({
        ...{ client: clients[1], query, feedCursor, listAgain: ignore, complete: ignore, error: ignore },
        handle: ({ lastItemId }) => current.push(lastItemId ?? ''),
      })
      const [one, two] = [String(first), String(first + 1)]
      await save(one)
      await expect.poll(() => [stock, current], patience).toEqual([[one], [one]])
      await server.kill()
      await write(two)
      await server.start()
      await expect
        .poll(() => [stock, current], patience)
        .toEqual([
          [one, one, two],
          [one, two],
        ])
      for (const client of clients) void client.dispose()
    },
    testTimeoutMs,
  )
})

/** What the guide shows of an event stream: its beginning, an event, its end. */
function wireMessages(): string[] {
  const shown = codeBlocks(guide).find(({ language, name }) => language === 'text' && name === 'wire')
  return `${shown?.text ?? ''}\n`.split(/(?<=\n\n)/)
}

/** What graphql-sse's and graphql-ws' clients have in common. */
interface SubscribingClient {
  subscribe(
    request: { query: string; variables: Record<string, unknown> },
    sink: {
      next: (result: { data?: { told: ToldEvent } | null }) => void
      error: () => void
      complete: () => void
    },
  ): () => void
  dispose(): unknown
}

interface GuidesNames {
  readonly client: SubscribingClient | undefined
  readonly query: string
  readonly feedCursor: string
  readonly handle: (event: ToldEvent) => void
  readonly listAgain: (errors: unknown) => void
  readonly complete: () => void
  readonly error: () => void
}

/** The guide's own lines, word for word, with what they name. */
async function guidesLines(): Promise<(names: GuidesNames) => void> {
  const shown = codeBlocks(guide).find(({ language, name }) => language === 'ts' && name === 'retry')
  if (!shown) throw new Error('docs/feeds.md has no block "ts retry"')
  const names = 'client, query, feedCursor, handle, listAgain, complete, error'
  const program = `export function keepCurrent({ ${names} }) {\n${shown.text}\n}`
  const module = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(program)}`)) as {
    keepCurrent: (names: GuidesNames) => void
  }
  return module.keepCurrent
}
