import type { DisposableExecutor } from '@graphql-tools/utils'
import {
  buildSchema,
  execute,
  type ExecutionResult,
  GraphQLSchema,
  lexicographicSortSchema,
  parse,
  printSchema,
  subscribe,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readDocument } from '../integration/docs/markdown.ts'
import {
  type ClientsWorld,
  expectToFollow,
  SESSION_CHANGES,
  type SessionChanges,
  startClientsWorld,
} from './clients-world.ts'

interface Exports {
  readonly schema: GraphQLSchema
  readonly executor: DisposableExecutor
}
/** As text. By default GraphQL Tools asks neither where a scalar is specified, nor for the description of the schema. */
const textOf = (schema: GraphQLSchema) =>
  printSchema(new GraphQLSchema({ ...lexicographicSortSchema(schema).toConfig(), description: undefined })).replaceAll(
    / @specifiedBy.*/g,
    '',
  )

describe.each(['graphql-tools.ts', 'graphql-tools-websocket.ts'])('%s of docs/clients.md', (name) => {
  let world: ClientsWorld
  let schema: GraphQLSchema
  beforeAll(async () => {
    world = await startClientsWorld()
    const exports = await world.project.load<Exports>(name)
    schema = exports.schema
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('has the whole schema', async () => {
    expect(textOf(schema)).toBe(textOf(buildSchema(await readDocument('schema.graphql'))))
  })

  it('reads and writes through it', async () => {
    const read = await execute({
      schema,
      document: parse('{ checkpoint(userId: "alice") { lastItemId user { userId } } }'),
    })
    expect(read).toEqual({ data: { checkpoint: { lastItemId: '20', user: { userId: 'alice' } } } })
    const save = `mutation { saveCheckpoint(input: { userId: "nobody", itemId: "1" }) { __typename ... on UserError { code } } }`
    expect(await execute({ schema, document: parse(save) })).toEqual({
      data: { saveCheckpoint: { __typename: 'UserNotFoundError', code: 'USER_NOT_FOUND' } },
    })
  })

  it('passes errors on', async () => {
    const { errors } = await execute({ schema, document: parse('{ sessions(first: 101) { totalCount } }') })
    expect(errors?.map(({ extensions }) => extensions['code'])).toEqual(['BAD_USER_INPUT'])
  })

  it('follows the sessions through it', async () => {
    await expectToFollow(world, name, (after, { onChange, onError }) => {
      const events = subscribe({ schema, document: parse(SESSION_CHANGES), variableValues: { after } })
      const opening = Promise.resolve(events).then((result) => {
        if (!(Symbol.asyncIterator in result)) throw new Error(JSON.stringify(result))
        return result as AsyncGenerator<ExecutionResult<SessionChanges>>
      })
      const listen = async () => {
        for await (const { data, errors } of await opening) {
          if (data) onChange(data.sessionStatusChanged)
          else onError(errors)
        }
      }
      listen().catch(onError)
      return () => {
        void opening.then((source) => source.return(undefined))
      }
    })
  })
})
