import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { requireStream } from '../../stream/model.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { PlatformEnum, platformOfEnum } from '../../stream/graphql.ts'
import { UserType } from '../../user/graphql.ts'
import { countSessions, sessionStats } from './count-store.ts'
import type { SessionFilter } from './filter-store.ts'
import { readingOf } from './graphql-reading.ts'
import { SessionStatusEnum, SessionType } from './graphql.ts'
import { listSessions, type SessionOrder } from './list-store.ts'
import { createSessionCounts, createSessionLoaders } from './loaders.ts'

/** What the cursors of each order hold. */
const POSITIONS = { STARTED: ['time', 'text'], COMPLETED: ['time', 'time', 'text'] } as const

export const SessionFilterInput = builder.inputType('CrawlSessionFilter', {
  description: 'Which sessions; all that is given must hold.',
  fields: (t) => ({
    userId: t.string({ description: 'Of this user.' }),
    stream: t.string({ description: 'Of this stream.' }),
    platform: t.field({ type: PlatformEnum, description: 'Of any stream of this platform.' }),
    status: t.field({
      type: [SessionStatusEnum],
      description: 'In one of these statuses; an empty list matches none.',
    }),
    startedBefore: t.field({ type: 'DateTime', description: 'startedAt earlier than this.' }),
    startedAfter: t.field({ type: 'DateTime', description: 'startedAt later than this.' }),
    completedBefore: t.field({ type: 'DateTime', description: 'completedAt earlier than this; never a running one.' }),
    completedAfter: t.field({ type: 'DateTime', description: 'completedAt later than this; never a running one.' }),
    stalled: t.boolean({ description: 'Alive, but not moving: see CrawlSession.stalled.' }),
  }),
})

const ORDERS = {
  STARTED_AT_DESC: { by: 'STARTED', direction: 'DESC' },
  STARTED_AT_ASC: { by: 'STARTED', direction: 'ASC' },
  COMPLETED_AT_DESC: { by: 'COMPLETED', direction: 'DESC' },
} as const satisfies Record<string, SessionOrder>

const SessionOrderEnum = builder.enumType('CrawlSessionOrder', {
  description: 'The order of a list of sessions; equal times are ordered by sessionId.',
  values: {
    STARTED_AT_DESC: { description: 'The newest first.' },
    STARTED_AT_ASC: { description: 'The oldest first.' },
    COMPLETED_AT_DESC: { description: 'The latest completed first; running ones last, by startedAt.' },
  } satisfies Record<keyof typeof ORDERS, { description: string }>,
})

/** @throws Fault BAD_USER_INPUT where a name in it is malformed */
export function toSessionFilter(input: typeof SessionFilterInput.$inferInput): SessionFilter {
  return {
    userId: input.userId == null ? undefined : requireIdentifier('filter.userId', input.userId),
    stream: input.stream == null ? undefined : requireStream('filter.stream', input.stream),
    platform: input.platform == null ? undefined : platformOfEnum(input.platform),
    statuses: input.status ?? undefined,
    startedBefore: input.startedBefore ?? undefined,
    startedAfter: input.startedAfter ?? undefined,
    completedBefore: input.completedBefore ?? undefined,
    completedAfter: input.completedAfter ?? undefined,
    stalled: input.stalled ?? undefined,
  }
}

const SessionConnection = builder.connectionObject(
  {
    type: SessionType,
    name: 'CrawlSessionConnection',
    description: 'A page of sessions.',
    fields: (t) => ({
      feedCursor: t.string({
        description:
          'Hand the first page\u2019s to `after` of the subscription: it goes on exactly where this list was read. Read no later than the list itself.',
        resolve: ({ feedCursor }) => feedCursor ?? '',
      }),
    }),
  },
  { name: 'CrawlSessionEdge', description: 'A session in a page.' },
)

builder.objectField(UserType, 'sessions', (t) =>
  t.connection(
    {
      type: SessionType,
      scope: 'read',
      description: "The user's sessions, the newest first.",
      args: { filter: t.arg({ type: SessionFilterInput }) },
      validate: pageArgumentsSchema,
      resolve: async ({ userId }, args, context, info) => {
        const { loaders, feed } = context
        const feedCursor = feed.cursor(feed.position())
        const filter = toSessionFilter(args.filter ?? {})
        const list = 'sessions STARTED_AT_DESC'
        const page = toKeysetPage(list, POSITIONS.STARTED, args)
        const question = { filter, order: ORDERS.STARTED_AT_DESC, page, ...readingOf(info) }
        const rows = await loaders.of(createSessionLoaders).ofUser.load({ userId, ...question })
        return toConnection(
          list,
          page,
          rows,
          () => context.ownLoaders.of(createSessionCounts).load({ userId, filter }),
          {
            feedCursor,
          },
        )
      },
    },
    SessionConnection,
  ),
)

builder.queryField('sessions', (t) =>
  t.connection(
    {
      type: SessionType,
      scope: 'read',
      description: 'Sessions of all users.',
      args: {
        filter: t.arg({ type: SessionFilterInput }),
        orderBy: t.arg({ type: SessionOrderEnum, defaultValue: 'STARTED_AT_DESC' }),
      },
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, { caller, database, feed }, info) => {
        const feedCursor = feed.cursor(feed.position())
        const orderBy = args.orderBy ?? 'STARTED_AT_DESC'
        const order = ORDERS[orderBy]
        const filter = toSessionFilter(args.filter ?? {})
        const list = `sessions ${orderBy}`
        const page = toKeysetPage(list, POSITIONS[order.by], args)
        const rows = await listSessions(database, caller.userIds, { filter, order, page, ...readingOf(info) })
        return toConnection(list, page, rows, () => countSessions(database, caller.userIds, filter), { feedCursor })
      },
    },
    SessionConnection,
  ),
)

const SessionStatsType = builder.objectRef<Awaited<ReturnType<typeof sessionStats>>>('CrawlSessionStats').implement({
  description: 'How many sessions there are, by status.',
  fields: (t) => ({
    total: t.exposeInt('total', { description: 'In any status.' }),
    running: t.exposeInt('running'),
    completed: t.exposeInt('completed'),
    stopped: t.exposeInt('stopped'),
    failed: t.exposeInt('failed'),
    bookmarksProcessed: t.exposeFloat('bookmarksProcessed', { description: 'Their sum; exact to 2^53.' }),
  }),
})

builder.queryField('sessionStats', (t) =>
  t.field({
    type: SessionStatsType,
    scope: 'read',
    description: 'Counts over all sessions that the filter matches.',
    args: { filter: t.arg({ type: SessionFilterInput }) },
    resolve: (_parent, { filter }, { caller, database }) =>
      sessionStats(database, caller.userIds, toSessionFilter(filter ?? {})),
  }),
)
