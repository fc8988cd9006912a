import { GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql'
import '../access/graphql.ts'
import '../crawl/checkpoint/graphql.ts'
import '../crawl/checkpoint/graphql-errors.ts'
import '../crawl/checkpoint/graphql-lists.ts'
import '../crawl/activity/graphql.ts'
import '../crawl/history/graphql.ts'
import '../crawl/history/graphql-session.ts'
import '../crawl/import/graphql.ts'
import '../crawl/move/graphql.ts'
import '../crawl/save/graphql.ts'
import '../crawl/checkpoint/graphql-streams.ts'
import '../crawl/feeds/graphql-checkpoint.ts'
import '../crawl/session/graphql.ts'
import '../crawl/due/graphql.ts'
import '../crawl/pause/graphql-errors.ts'
import '../crawl/pause/graphql-pausing.ts'
import '../crawl/plan/graphql-errors.ts'
import '../crawl/plan/graphql-session.ts'
import '../crawl/session/graphql-errors.ts'
import '../crawl/session/graphql-progress.ts'
import '../crawl/session/graphql-lists.ts'
import '../crawl/lease/graphql.ts'
import '../crawl/lease/graphql-stop.ts'
import '../crawl/plan/graphql.ts'
import '../crawl/session/graphql-prune.ts'
import '../crawl/feeds/graphql-session.ts'
import '../stream/graphql-streams.ts'
import '../user/graphql.ts'
import '../user/graphql-search.ts'
import { builder } from '../graphql/builder.ts'
import '../graphql/errors.ts'

const DESCRIPTION =
  'Waymark keeps the place of every crawl. A checkpoint is the position of a crawl of one list (stream) of one user; ' +
  'a session is one run of a crawler. A crawler calls startSession, then saveCheckpoint after each page, then ' +
  'completeSession. `userId`, `stream`, `sessionId` and item IDs are natural keys; `id` is opaque and global.'

/** The schema of the API: what each domain added to the builder. */
export const schema = new GraphQLSchema({ ...builder.toSchema().toConfig(), description: DESCRIPTION })

/** The API as sorted SDL, which schema.graphql holds. */
export function printApi(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}
