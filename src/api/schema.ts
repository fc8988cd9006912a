import { lexicographicSortSchema, printSchema } from 'graphql'
import '../access/graphql.ts'
import '../checkpoint/graphql.ts'
import '../checkpoint/graphql-activity.ts'
import '../checkpoint/graphql-history.ts'
import '../checkpoint/graphql-mutations.ts'
import '../checkpoint/graphql-streams.ts'
import '../checkpoint/graphql-subscription.ts'
import '../session/graphql.ts'
import '../session/graphql-lists.ts'
import '../session/graphql-mutations.ts'
import '../session/graphql-plan.ts'
import '../session/graphql-prune.ts'
import '../session/graphql-subscription.ts'
import '../stream/graphql-streams.ts'
import '../user/graphql.ts'
import { builder } from '../graphql/builder.ts'
import '../graphql/errors.ts'

/** The API, made of what each domain adds to the builder. */
export const schema = builder.toSchema()

/** The API as SDL, sorted: what schema.graphql holds. */
export function printApi(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}
