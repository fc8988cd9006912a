import type { ClientError, GraphQLClient } from 'graphql-request'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClientsWorld, startClientsWorld } from './clients-world.ts'

interface Exports {
  readonly client: GraphQLClient
  readonly readCheckpoint: (userId: string) => Promise<unknown>
}

describe('graphql-request, as docs/clients.md sets it up', () => {
  let world: ClientsWorld
  beforeAll(async () => {
    world = await startClientsWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())
  const load = () => world.project.load<Exports>('graphql-request.ts')

  it('reads', async () => {
    const { readCheckpoint } = await load()
    expect(await readCheckpoint('alice')).toEqual({ checkpoint: { lastItemId: '20' } })
    expect(await readCheckpoint('nobody')).toEqual({ checkpoint: null })
  })

  it('saves, and has the code of a refusal and of an error', async () => {
    const { client } = await load()
    const save = `mutation ($userId: String!) { saveCheckpoint(input: { userId: $userId, itemId: "21" }) {
      __typename ... on UserError { code } } }`
    expect(await client.request(save, { userId: 'alice' })).toEqual({
      saveCheckpoint: { __typename: 'SaveCheckpointSuccess' },
    })
    expect(await client.request(save, { userId: 'nobody' })).toMatchObject({
      saveCheckpoint: { code: 'USER_NOT_FOUND' },
    })
    const failure = await client.request('{ sessions(first: 101) { totalCount } }').catch((error: unknown) => error)
    const { errors } = (failure as ClientError).response
    expect(errors?.map(({ extensions }) => extensions['code'])).toEqual(['BAD_USER_INPUT'])
  })
})
