import { ApolloClient, type ApolloLink, gql, InMemoryCache, type TypedDocumentNode } from '@apollo/client'
import type { Client as SocketClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type ClientsWorld,
  expectToFollow,
  SESSION_CHANGES,
  type SessionChanges,
  startClientsWorld,
} from './clients-world.ts'

const checkpoint = gql`
  query ($userId: String!) {
    checkpoint(userId: $userId) {
      id
      lastItemId
    }
  }
`
const save = gql`
  mutation ($input: SaveCheckpointInput!) {
    saveCheckpoint(input: $input) {
      ... on SaveCheckpointSuccess {
        checkpoint {
          id
          lastItemId
        }
      }
      ... on UserError {
        code
        message
      }
    }
  }
`
const changes = gql(SESSION_CHANGES) as TypedDocumentNode<SessionChanges, { after: string }>
const alice = { userId: 'alice' }

describe('Apollo Client, as docs/clients.md sets it up', () => {
  let world: ClientsWorld
  beforeAll(async () => {
    world = await startClientsWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  function follow(client: ApolloClient, sessionId: string): Promise<void> {
    return expectToFollow(world, sessionId, (after, { onChange, onError }) => {
      const subscription = client.subscribe({ query: changes, variables: { after } }).subscribe(({ data, error }) => {
        if (error) onError(error)
        else if (data) onChange(data.sessionStatusChanged)
      })
      return () => subscription.unsubscribe()
    })
  }

  it('reads, saves, and has in its cache what was saved', async () => {
    const { client } = await world.project.load<{ client: ApolloClient }>('apollo.ts')
    const read = await client.query({ query: checkpoint, variables: alice })
    expect(read.data).toMatchObject({ checkpoint: { lastItemId: '20' } })
    await client.mutate({ mutation: save, variables: { input: { ...alice, itemId: '21' } } })
    expect(client.readQuery({ query: checkpoint, variables: alice })).toMatchObject({
      checkpoint: { lastItemId: '21' },
    })
  })

  it('has the code of a refusal, which a cache without the schema drops', async () => {
    const { client, link } = await world.project.load<{ client: ApolloClient; link: ApolloLink }>('apollo.ts')
    const mutation = { mutation: save, variables: { input: { userId: 'nobody', itemId: '21' } } }
    const { data } = await client.mutate(mutation)
    expect(data).toMatchObject({ saveCheckpoint: { code: 'USER_NOT_FOUND' } })

    const warned = vi.spyOn(console, 'warn').mockReturnValue()
    try {
      const bare = new ApolloClient({ cache: new InMemoryCache(), link })
      expect((await bare.mutate(mutation)).data).toEqual({ saveCheckpoint: { __typename: 'UserNotFoundError' } })
    } finally {
      warned.mockRestore()
    }
  })

  it('follows the sessions over a WebSocket', async () => {
    const { client, socket } = await world.project.load<{ client: ApolloClient; socket: SocketClient }>('apollo.ts')
    await follow(client, 'apollo-socket')
    await socket.dispose()
  })

  it('follows the sessions over event streams', async () => {
    const { client } = await world.project.load<{ client: ApolloClient }>('apollo-sse.ts')
    await follow(client, 'apollo-streams')
  })

  it('with hashes in place of texts: sends texts where the server has no persisted operations', async () => {
    const { client } = await world.project.load<{ client: ApolloClient }>('apollo-persisted.ts')
    const { data } = await client.query({ query: checkpoint, variables: alice, fetchPolicy: 'network-only' })
    expect(data).toMatchObject({ checkpoint: { lastItemId: '21' } })
  })
})
