import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClientsWorld, expectToFollow, type SessionChange, startClientsWorld } from './clients-world.ts'

interface Exports {
  readonly client: { dispose(): unknown }
  readonly sessionChanges: (after: string | null) => AsyncGenerator<SessionChange>
}

describe.each(['graphql-ws.ts', 'graphql-sse.ts'])('%s of docs/clients.md', (name) => {
  let world: ClientsWorld
  let exports: Exports
  beforeAll(async () => {
    world = await startClientsWorld()
    exports = await world.project.load<Exports>(name)
  })
  afterAll(async () => {
    await exports.client.dispose()
    await world[Symbol.asyncDispose]()
  })

  it('follows the sessions from a cursor on', async () => {
    await expectToFollow(world, name, (after, { onChange, onError }) => {
      const listen = async () => {
        let left = 2
        for await (const change of exports.sessionChanges(after)) {
          onChange(change)
          if ((left -= 1) === 0) break
        }
      }
      listen().catch(onError)
      return () => undefined
    })
  })

  it('throws what the server says of a wrong cursor', async () => {
    const failure: unknown = await exports
      .sessionChanges('no cursor')
      .next()
      .catch((error: unknown) => error)
    expect(JSON.stringify(failure instanceof AggregateError ? failure.errors : failure)).toContain('BAD_USER_INPUT')
  })
})
