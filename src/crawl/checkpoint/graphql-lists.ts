import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { feedCursorOptions } from '../../graphql/feed-options.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { PlatformEnum, platformOfEnum } from '../../stream/graphql.ts'
import { requireStream } from '../../stream/model.ts'
import { checkpointReadingOf } from './graphql-reading.ts'
import { CheckpointType } from './graphql.ts'
import { type CheckpointFilter, type CheckpointOrder, countCheckpoints, listCheckpoints } from './list-store.ts'

export const CheckpointFilterInput = builder.inputType('CheckpointFilter', {
  description: 'Conditions on checkpoints. All that are given must hold; null is no condition.',
  fields: (t) => ({
    userId: t.string({ description: 'Checkpoints of this user.' }),
    stream: t.string({ description: 'Checkpoints of this stream.' }),
    platform: t.field({ type: PlatformEnum, description: 'Checkpoints of all streams of this platform.' }),
    crawledBefore: t.field({ type: 'DateTime', description: 'Checkpoints whose `lastCrawledAt` is earlier.' }),
    crawledAfter: t.field({ type: 'DateTime', description: 'Checkpoints whose `lastCrawledAt` is later.' }),
    completedBefore: t.field({
      type: 'DateTime',
      description: 'Checkpoints whose `lastCompletedAt` is earlier, or null.',
    }),
    running: t.boolean({
      description: 'True: checkpoints of lists that a live session owns (see `liveSession`). False: all others.',
    }),
    paused: t.boolean({ description: 'True: checkpoints of lists that are paused now. False: all others.' }),
    complete: t.boolean({ description: 'True: checkpoints that are `complete`. False: all others.' }),
  }),
})

const ORDERS = {
  LAST_CRAWLED_AT_DESC: { by: 'CRAWLED', direction: 'DESC' },
  LAST_CRAWLED_AT_ASC: { by: 'CRAWLED', direction: 'ASC' },
  LAST_COMPLETED_AT_ASC: { by: 'COMPLETED', direction: 'ASC' },
  LAST_COMPLETED_AT_DESC: { by: 'COMPLETED', direction: 'DESC' },
} as const satisfies Record<string, CheckpointOrder>

const CheckpointOrderEnum = builder.enumType('CheckpointOrder', {
  description: 'The order of a list of checkpoints. Equal times are ordered by user and stream.',
  values: {
    LAST_CRAWLED_AT_DESC: { description: 'By `lastCrawledAt`, latest first.' },
    LAST_CRAWLED_AT_ASC: { description: 'By `lastCrawledAt`, earliest first.' },
    LAST_COMPLETED_AT_ASC: {
      description: 'By `lastCompletedAt`, earliest first. What never completed comes before all.',
    },
    LAST_COMPLETED_AT_DESC: { description: 'By `lastCompletedAt`, latest first. What never completed comes last.' },
  } satisfies Record<keyof typeof ORDERS, { description: string }>,
})

/** The names in the cursors. Those of the first two orders are as they were, so that cursors made before still work. */
const LISTS: Readonly<Record<keyof typeof ORDERS, string>> = {
  LAST_CRAWLED_AT_DESC: 'DESC',
  LAST_CRAWLED_AT_ASC: 'ASC',
  LAST_COMPLETED_AT_ASC: 'LAST_COMPLETED_AT_ASC',
  LAST_COMPLETED_AT_DESC: 'LAST_COMPLETED_AT_DESC',
}

const CheckpointConnection = builder.connectionObject(
  {
    type: CheckpointType,
    name: 'CheckpointConnection',
    description: 'A page of checkpoints.',
    fields: (t) => ({
      feedCursor: t.string(feedCursorOptions),
    }),
  },
  { name: 'CheckpointEdge', description: 'A checkpoint in a page, with its cursor.' },
)

builder.queryField('checkpoints', (t) =>
  t.connection(
    {
      type: CheckpointType,
      scope: 'read',
      description:
        'Checkpoints of all users that the caller can reach. One that is saved while you read the pages moves in the ' +
        'list, and may appear twice or not at all.',
      args: {
        filter: t.arg({ type: CheckpointFilterInput, description: 'Which checkpoints. Default: all.' }),
        orderBy: t.arg({
          type: CheckpointOrderEnum,
          defaultValue: 'LAST_CRAWLED_AT_DESC',
          description: 'The order of the list.',
        }),
      },
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, { caller, database, feed }, info) => {
        const feedCursor = feed.cursor(feed.position())
        const orderBy = args.orderBy ?? 'LAST_CRAWLED_AT_DESC'
        const order = ORDERS[orderBy]
        const filter = toCheckpointFilter(args.filter ?? {})
        const list = `checkpoints ${LISTS[orderBy]}`
        const page = toKeysetPage(list, ['time', 'text', 'text'], args)
        const rows = await listCheckpoints(database, caller.userIds, filter, order, page, checkpointReadingOf(info))
        return toConnection(list, page, rows, () => countCheckpoints(database, caller.userIds, filter), { feedCursor })
      },
    },
    CheckpointConnection,
  ),
)

/** @throws Fault BAD_USER_INPUT if a name in it is malformed */
export function toCheckpointFilter(input: typeof CheckpointFilterInput.$inferInput): CheckpointFilter {
  return {
    userId: input.userId == null ? undefined : requireIdentifier('filter.userId', input.userId),
    stream: input.stream == null ? undefined : requireStream('filter.stream', input.stream),
    platform: input.platform == null ? undefined : platformOfEnum(input.platform),
    crawledBefore: input.crawledBefore ?? undefined,
    crawledAfter: input.crawledAfter ?? undefined,
    completedBefore: input.completedBefore ?? undefined,
    running: input.running ?? undefined,
    paused: input.paused ?? undefined,
    complete: input.complete ?? undefined,
  }
}
