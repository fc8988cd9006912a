import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache, type TypedDocumentNode } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { cacheExchange, Client as UrqlClient, fetchExchange, subscriptionExchange } from '@urql/core'
import { type Client as SseClient, createClient as createSseClient } from 'graphql-sse'
import { type Client as WsClient, createClient as createWsClient } from 'graphql-ws'
import { OperationTypeNode } from 'graphql'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { App } from '../../src/app.ts'
import { mutate, startOn, startWaymark, type TestWaymark } from '../support/waymark.ts'
import { cuttableWay } from '../integration/http/cuttable-way.ts'

// Clients wait longer and longer between their attempts to connect.
vi.setConfig({ testTimeout: 240_000 })

const list = `query ($filter: CheckpointFilter) {
  checkpoints(filter: $filter, first: 100) { feedCursor nodes { version } } }`
const watch = `subscription ($filter: CheckpointFilter, $after: String) {
  told: checkpointChanged(filter: $filter, after: $after) { cursor version } }`

interface Told {
  readonly told: { readonly cursor: string; readonly version: number }
}
interface Listed {
  readonly checkpoints: { readonly feedCursor: string; readonly nodes: readonly { readonly version: number }[] }
}

const apolloList = gql(list) as TypedDocumentNode<Listed, { filter: object }>
const apolloWatch = gql(watch) as TypedDocumentNode<Told, { filter: object; after: string }>

interface Follower {
  readonly list: (filter: object) => Promise<Listed>
  /** Calls back for each event after the cursor, whatever happens to the connection, until what it returns is called. */
  readonly follow: (filter: object, after: string, onTold: (told: Told['told']) => void) => () => void
  readonly dispose: () => unknown
}

const retryMs = 50
const soon = (run: () => void) => setTimeout(run, retryMs)
const wsOptions = (url: string) => ({
  ...{ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, retryAttempts: Infinity, shouldRetry: () => true },
  retryWait: () => new Promise<void>(soon),
})

/** Of graphql-sse and graphql-ws, whose retries send the request as it is by then. */
function followerOf(client: SseClient | WsClient): Follower {
  return {
    list: async (filter) => {
      const { value } = await client.iterate<Listed>({ query: list, variables: { filter } }).next()
      return dataOf(value)
    },
    follow(filter, after, onTold) {
      const request = { query: watch, variables: { filter, after } }
      return client.subscribe<Told>(request, {
        next({ data }) {
          if (data) onTold(data.told)
          request.variables.after = data?.told.cursor ?? request.variables.after
        },
        error: rethrow,
        complete: () => undefined,
      })
    },
    dispose: () => client.dispose(),
  }
}

/** Each client as people set it up, with the few lines that keep its `after` current. */
const clients: Record<string, (url: string) => Follower> = {
  'graphql-sse'(url) {
    return followerOf(createSseClient({ url, retryAttempts: Infinity, retry: () => new Promise<void>(soon) }))
  },

  'graphql-ws'(url) {
    return followerOf(createWsClient(wsOptions(url)))
  },

  'urql over WebSocket'(url) {
    const sockets = createWsClient(wsOptions(url))
    const client = new UrqlClient({
      url,
      exchanges: [
        cacheExchange,
        fetchExchange,
        subscriptionExchange({
          forwardSubscription: ({ query = '', variables = {} }) => ({
            subscribe(sink) {
              const request = { query, variables: { ...variables } as Record<string, unknown> }
              const leave = sockets.subscribe<Told>(request, {
                next(result) {
                  request.variables['after'] = result.data?.told.cursor ?? request.variables['after']
                  sink.next(result as Parameters<typeof sink.next>[0])
                },
                error: (error) => sink.error(error),
                complete: () => sink.complete(),
              })
              return { unsubscribe: leave }
            },
          }),
        }),
      ],
    })
    return {
      list: async (filter) => dataOf(await client.query<Listed>(list, { filter }).toPromise()),
      follow(filter, after, onTold) {
        const subscription = client.subscription<Told>(watch, { filter, after }).subscribe(({ data }) => {
          if (data) onTold(data.told)
        })
        return () => subscription.unsubscribe()
      },
      dispose: () => sockets.dispose(),
    }
  },

  'urql over event streams'(url) {
    const client = new UrqlClient({
      ...{ url, fetchSubscriptions: true },
      exchanges: [cacheExchange, fetchExchange],
    })
    return {
      list: async (filter) => dataOf(await client.query<Listed>(list, { filter }).toPromise()),
      follow(filter, after, onTold) {
        let stop = () => {}
        let isStopped = false
        let last = after
        // It retries nothing: subscribe again, after the last event.
        const subscribe = () => {
          if (isStopped) return
          const subscription = client.subscription<Told>(watch, { filter, after: last }).subscribe((result) => {
            if (result.error) {
              subscription.unsubscribe()
              soon(subscribe)
            } else if (result.data) {
              last = result.data.told.cursor
              onTold(result.data.told)
            }
          })
          stop = () => subscription.unsubscribe()
        }
        subscribe()
        return () => {
          isStopped = true
          stop()
        }
      },
      dispose: () => undefined,
    }
  },

  'Apollo Client over WebSocket, its lists over HTTP'(url) {
    const sockets = createWsClient(wsOptions(url))
    const client = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.split(
        ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
        new GraphQLWsLink(sockets),
        new HttpLink({ uri: url }),
      ),
    })
    return {
      list: async (filter) => dataOf(await client.query({ query: apolloList, variables: { filter } })),
      follow(filter, after, onTold) {
        // Its WebSocket client retries with the first variables, of which it has a copy: what was told already comes again.
        const seen = new Set<string>()
        const subscription = client
          .subscribe({ query: apolloWatch, variables: { filter, after }, fetchPolicy: 'no-cache' })
          .subscribe({
            next({ data }) {
              if (!data || seen.has(data.told.cursor)) return
              seen.add(data.told.cursor)
              onTold(data.told)
            },
          })
        return () => {
          subscription.unsubscribe()
        }
      },
      dispose() {
        client.stop()
        return sockets.dispose()
      },
    }
  },
}

function dataOf<Data>({ data, ...rest }: { data?: Data | null | undefined }): Data {
  if (data == null) throw new Error(`no data: ${JSON.stringify(rest)}`)
  return data
}

function rethrow(error: unknown): never {
  throw new Error('the client gave up', { cause: error })
}

describe('a feed followed by', () => {
  let waymark: TestWaymark
  let replica: App
  beforeAll(async () => {
    waymark = await startWaymark()
    replica = await startOn(waymark.database.url)
  })
  afterAll(async () => {
    await replica.close()
    await waymark[Symbol.asyncDispose]()
  })

  it.each(Object.keys(clients))(
    '%s has every event once and in order, over a cut and on another replica',
    async (name) => {
      const userId = name
      const filter = { userId }
      await mutate(waymark, 'registerUser', { userId })
      let version = 0
      const save = async (times: number) => {
        for (const end = version + times; version < end;) {
          await mutate(waymark, 'saveCheckpoint', { userId, itemId: String((version += 1)), bookmarksAdded: 1 })
        }
      }
      const versions = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
      await using way = await cuttableWay(waymark.url)
      const client = clients[name]?.(way.url)
      if (!client) throw new Error(name)
      try {
        await save(2)
        const { checkpoints } = await client.list(filter)
        expect(checkpoints.nodes).toMatchObject([{ version: 2 }])
        await save(2)
        const told: number[] = []
        const stop = client.follow(filter, checkpoints.feedCursor, (event) => {
          // What the list has shown may come again, at first.
          if (event.version > 2 || told.length > 0) told.push(event.version)
        })
        const toldAll = () => expect.poll(() => told, { timeout: 60_000 }).toEqual(versions(3, version))
        await save(2)
        await toldAll()
        way.cut()
        await save(3)
        way.leadTo(replica.url)
        await toldAll()
        await save(2)
        await toldAll()
        stop()
        await save(1)
        expect(told).toEqual(versions(3, version - 1))
      } finally {
        await client.dispose()
      }
    },
  )
})
