import { execute, GraphQLObjectType, GraphQLSchema, parse } from 'graphql'
import pino from 'pino'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { createLoadersOf } from '../../src/graphql/loaders.ts'
import { localOperator } from '../../src/identity/principal.ts'

/**
 * Asks a type's resolvers what they make of values to which no operation need lead.
 * @param url of a database, which the resolvers may read
 * @param find reads the values, by their names in the answer
 */
export async function askOf(
  type: GraphQLObjectType,
  { url, selection }: { readonly url: string; readonly selection: string },
  find: (database: Database) => Promise<Readonly<Record<string, unknown>>>,
) {
  const log = pino({ level: 'silent' })
  const database = openDatabase({ url, poolSize: 2, connectTimeoutMs: 4_000, statementTimeoutMs: 30_000, log })
  try {
    const values = Object.entries(await find(database))
    const fields = Object.fromEntries(values.map(([name, value]) => [name, { type, resolve: () => value }]))
    const { data, errors } = await execute({
      schema: new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields }) }),
      document: parse(`{ ${values.map(([name]) => `${name} { ${selection} }`).join(' ')} }`),
      contextValue: {
        ...{ database, caller: localOperator, loaders: createLoadersOf(database)('all') },
        clock: { now: () => new Date() },
      },
    })
    if (errors) throw new AggregateError(errors)
    return data
  } finally {
    await database.close()
  }
}
