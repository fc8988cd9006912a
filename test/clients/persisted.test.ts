import { createHash } from 'node:crypto'
import { type ApolloClient, gql, InMemoryCache } from '@apollo/client'
import { type Client, createRequest, stringifyDocument } from '@urql/core'
import { print } from 'graphql'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { App } from '../../src/app.ts'
import { startOn } from '../support/waymark.ts'
import { type ClientsWorld, startClientsWorld } from './clients-world.ts'

const CHECKPOINT = 'query ($userId: String!) { checkpoint(userId: $userId) { id lastItemId } }'
const alice = { userId: 'alice' }
const document = gql(CHECKPOINT)

/** Of each request what it holds: its body, or its URL's query. */
function requestsOf(fetches: { readonly mock: { readonly calls: readonly Parameters<typeof fetch>[] } }): string[] {
  return fetches.mock.calls.map(([url, init]) =>
    typeof init?.body === 'string' ? init.body : decodeURIComponent(new Request(url).url),
  )
}

describe('a server that runs only what is in its manifest, asked with hashes in place of texts', () => {
  let world: ClientsWorld
  let server: App
  beforeAll(async () => {
    world = await startClientsWorld()
    // What these clients make of the operation: each adds __typename, and writes it in its own way.
    const texts = [
      print(new InMemoryCache().transformDocument(document)),
      stringifyDocument(createRequest(CHECKPOINT, alice).query),
    ]
    const manifest = texts.map((text) => [createHash('sha256').update(text).digest('hex'), text])
    await world.project.write('manifest.json', JSON.stringify(Object.fromEntries(manifest)))
    server = await startOn(world.waymark.database.url, {
      PERSISTED_OPERATIONS: `${world.project.folder}/manifest.json`,
      PERSISTED_ONLY: '1',
    })
    await world.project.use(server.url)
  })
  afterAll(async () => {
    await server.close()
    await world[Symbol.asyncDispose]()
  })
  afterEach(() => vi.restoreAllMocks())

  it('answers Apollo Client, which never sends the text', async () => {
    const { client } = await world.project.load<{ client: ApolloClient }>('apollo-persisted.ts')
    const fetches = vi.spyOn(globalThis, 'fetch')
    const { data } = await client.query({ query: document, variables: alice })
    expect(data).toMatchObject({ checkpoint: { lastItemId: '20' } })
    expect(requestsOf(fetches)).toEqual([expect.not.stringContaining('checkpoint')])
  })

  it('answers urql, which never sends the text', async () => {
    const { client } = await world.project.load<{ client: Client }>('urql-persisted.ts')
    const fetches = vi.spyOn(globalThis, 'fetch')
    const { data, error } = await client.query(CHECKPOINT, alice)
    expect(error?.message).toBeUndefined()
    expect(data).toMatchObject({ checkpoint: { lastItemId: '20' } })
    expect(requestsOf(fetches)).toEqual([expect.not.stringContaining('checkpoint')])
  })

  it('tells both of another operation that it is not run, whether by its hash or by its text', async () => {
    const other = '{ users { totalCount } }'
    const { client } = await world.project.load<{ client: Client }>('urql-persisted.ts')
    const { error } = await client.query(other, {})
    expect(error?.graphQLErrors.map(({ extensions }) => extensions['code'])).toEqual(['PERSISTED_QUERY_ONLY'])
    const { client: apollo } = await world.project.load<{ client: ApolloClient }>('apollo-persisted.ts')
    await expect(apollo.query({ query: gql(other) })).rejects.toThrow(/Only the operations of this server’s manifest/)
  })
})
