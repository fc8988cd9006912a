import { createClient as createStreamClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createKey } from '../../../src/access/keys.ts'
import type { Database } from '../../../src/database/database.ts'
import { localOperator, type Scope } from '../../../src/identity/principal.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

const patience = { timeout: 20_000 }
const WATCH = `subscription ($filter: CrawlSessionFilter, $after: String) {
  told: sessionStatusChanged(filter: $filter, after: $after) {
    cursor kind userId sessionId stream previousStatus status session { userId user { userId } } } }`

interface Told {
  readonly cursor: string
  readonly kind: string
  readonly userId: string
  readonly sessionId: string
  readonly session: { readonly userId: string; readonly user: { readonly userId: string } } | null
}
interface Watching {
  readonly events: readonly Told[]
  readonly codes: readonly string[]
  close(): unknown
}
type Variables = { readonly after?: string; readonly filter?: Record<string, unknown> }

describe('a caller who is bound to users, on sessionStatusChanged', () => {
  let waymark: TestWaymark
  let database: Database
  let bound: string
  let everybody: string
  let clients = 0
  beforeAll(async () => {
    waymark = await startWaymark({ AUTHENTICATION: 'keys' })
    database = openQuietDatabase(waymark.database.url)
    await waymark.database.query(`INSERT INTO public."user" VALUES ('ours'), ('theirs')`)
    bound = await makeKey(['read'], ['ours', 'not-there'])
    everybody = await makeKey(['read', 'crawl', 'operate'])
  })
  afterAll(async () => {
    await database.close()
    await waymark[Symbol.asyncDispose]()
  })

  async function makeKey(scopes: readonly Scope[], userIds?: readonly string[]): Promise<string> {
    const request = { client: `client-${(clients += 1)}`, scopes, userIds, expiresAt: undefined }
    const created = await createKey(database, localOperator, request, new Date())
    if (created instanceof Error) throw created
    return created.text
  }

  async function ask(key: string, query: string, variables = {}): Promise<any> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const body = JSON.stringify({ query, variables })
    const response = await fetch(waymark.url, { method: 'POST', headers, body })
    const { data, errors } = (await response.json()) as { data: unknown; errors?: unknown }
    expect(errors).toBeUndefined()
    return data
  }

  /** A list's place in the feed: what is done from now on comes after it. */
  async function feedCursor(key: string): Promise<string> {
    const { sessions } = await ask(key, '{ sessions(first: 1) { feedCursor } }')
    return sessions.feedCursor as string
  }

  async function start(userId: string, sessionId: string): Promise<void> {
    const query = 'mutation ($input: StartSessionInput!) { startSession(input: $input) { __typename } }'
    const { startSession } = await ask(everybody, query, { input: { userId, sessionId, takeover: true } })
    expect(startSession).toEqual({ __typename: 'StartSessionSuccess' })
  }

  /** Starts a session, asks it to stop, stops it, and deletes it by SQL. */
  async function run(userId: string, sessionId: string): Promise<void> {
    await start(userId, sessionId)
    await ask(
      everybody,
      `mutation ($sessionId: String!) {
        requestStop(input: { sessionId: $sessionId }) { __typename }
        stopSession(input: { sessionId: $sessionId }) { __typename } }`,
      { sessionId },
    )
    await waymark.database.query('DELETE FROM crawler.crawl_session WHERE session_id = $1', [sessionId])
  }

  function watch(transport: 'SSE' | 'WebSocket', key: string, variables: Variables): Watching {
    const events: Told[] = []
    const codes: string[] = []
    const authorization = `Bearer ${key}`
    const client =
      transport === 'SSE'
        ? createStreamClient({ url: waymark.url, retryAttempts: 0, headers: { authorization } })
        : createSocketClient({
            ...{ url: waymark.url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: 0 },
            connectionParams: { authorization },
          })
    const codeOf = ({ extensions }: { extensions?: Readonly<Record<string, unknown>> }) => String(extensions?.['code'])
    client.subscribe<{ told: Told }>(
      { query: WATCH, variables },
      {
        next({ data, errors }) {
          if (data) events.push(data.told)
          codes.push(...(errors ?? []).map(codeOf))
        },
        error: (error) => codes.push(...(Array.isArray(error) ? error.map(codeOf) : [String(error)])),
        complete: () => undefined,
      },
    )
    return { events, codes, close: () => client.dispose() }
  }

  const KINDS = ['STARTED', 'STOP_REQUESTED', 'STATUS_CHANGED', 'DELETED']
  const labels = ({ events }: Watching) => events.map(({ kind, userId, sessionId }) => `${kind} ${userId} ${sessionId}`)

  it.each(['SSE', 'WebSocket'] as const)(
    'is told what happens to sessions of its users, and nothing of others, over %s, also after its sealed cursors',
    async (transport) => {
      const [first, second] = [`${transport}-1`, `${transport}-2`]
      const watching = watch(transport, bound, { after: await feedCursor(bound) })
      await run('theirs', `theirs-${first}`)
      await run('ours', first)
      await run('theirs', `theirs-${second}`)
      await run('ours', second)
      const all = [first, second].flatMap((sessionId) => KINDS.map((kind) => `${kind} ours ${sessionId}`))
      await expect.poll(() => labels(watching), patience).toEqual(all)
      expect(watching.codes).toEqual([])

      // From between the two, over which events of others lie.
      const resumed = watch(transport, bound, { after: watching.events[3]?.cursor ?? '' })
      await expect.poll(() => labels(resumed), patience).toEqual(all.slice(4))
      await watching.close()
      await resumed.close()
    },
  )

  it('has in its events sessions of its users only', async () => {
    const watching = watch('SSE', bound, { after: await feedCursor(bound) })
    await start('theirs', 'theirs-live')
    await start('ours', 'ours-live')
    await expect.poll(() => watching.events, patience).toHaveLength(1)
    expect(watching.events[0]?.session).toEqual({ userId: 'ours', user: { userId: 'ours' } })

    // Somebody moves the session to another's user: here it has gone, and nothing of what it has become is read.
    await waymark.database.query(
      `UPDATE crawler.crawl_session SET user_id = 'theirs', stream = 'reddit/saved' WHERE session_id = 'ours-live'`,
    )
    await start('ours', 'ours-last')
    await expect
      .poll(() => labels(watching), patience)
      .toEqual(['STARTED ours ours-live', 'DELETED ours ours-live', 'STARTED ours ours-last'])
    expect(watching.events.map(({ session }) => session?.userId)).toEqual(['ours', undefined, 'ours'])
    await watching.close()
  })

  it.each<[string, Record<string, unknown>]>([
    ['another’s user', { userId: 'theirs' }],
    ['a user of its own who does not exist', { userId: 'not-there' }],
    ['a user who does not exist', { userId: 'nobody' }],
  ])('is told nothing, and no error, by a filter for %s', async (_, filter) => {
    const after = await feedCursor(bound)
    const [filtered, unfiltered] = [filter, undefined].map((only) =>
      watch('SSE', bound, { after, ...(only && { filter: only }) }),
    )
    const sessionId = `after-${Object.values(filter).join()}`
    await run('theirs', `theirs-${sessionId}`)
    await run('ours', sessionId)
    // When this one has been told, the other would have been. It is also told of the session that was taken over.
    const told = () => unfiltered?.events.filter((event) => event.sessionId === sessionId)
    await expect.poll(told, patience).toHaveLength(KINDS.length)
    expect([filtered?.events, filtered?.codes]).toEqual([[], []])
    await filtered?.close()
    await unfiltered?.close()
  })

  it('cannot use a cursor of a caller who is not bound, nor that one its', async () => {
    const cursors = { bound: await feedCursor(bound), everybody: await feedCursor(everybody) }
    const swapped = [
      watch('SSE', bound, { after: cursors.everybody }),
      watch('SSE', everybody, { after: cursors.bound }),
    ]
    await expect
      .poll(() => swapped.map(({ codes }) => codes), patience)
      .toEqual([['BAD_USER_INPUT'], ['BAD_USER_INPUT']])
    expect(swapped.map(({ events }) => events)).toEqual([[], []])
    for (const watching of swapped) await watching.close()
  })
})
