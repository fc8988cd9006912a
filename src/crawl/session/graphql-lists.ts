import { requireIdentifier, requireName } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { feedCursorOptions } from '../../graphql/feed-options.ts'
import { requireStream } from '../../stream/model.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { PlatformEnum, platformOfEnum } from '../../stream/graphql.ts'
import { UserType } from '../../user/graphql.ts'
import { countSessions, sessionStats } from './count-store.ts'
import type { SessionFilter } from './filter-store.ts'
import { readingOf } from './graphql-reading.ts'
import { SessionEndReasonEnum, SessionStatusEnum, StallReasonEnum } from './graphql-status.ts'
import { SessionType } from './graphql.ts'
import { listSessions, type SessionOrder } from './list-store.ts'
import { createSessionCounts, createSessionLoaders } from './loaders.ts'

/** The types of the values in the cursors of each order. */
const POSITIONS = { STARTED: ['time', 'text'], COMPLETED: ['time', 'time', 'text'] } as const

export const SessionFilterInput = builder.inputType('CrawlSessionFilter', {
  description: 'Conditions on sessions. All that are given must hold; null is no condition.',
  fields: (t) => ({
    userId: t.string({ description: 'Sessions of this user.' }),
    stream: t.string({ description: 'Sessions of this stream.' }),
    platform: t.field({ type: PlatformEnum, description: 'Sessions of all streams of this platform.' }),
    status: t.field({
      type: [SessionStatusEnum],
      description: 'Sessions in one of these statuses. An empty list matches none.',
    }),
    startedBefore: t.field({ type: 'DateTime', description: 'Sessions whose `startedAt` is earlier.' }),
    startedAfter: t.field({ type: 'DateTime', description: 'Sessions whose `startedAt` is later.' }),
    completedBefore: t.field({
      type: 'DateTime',
      description: 'Sessions whose `completedAt` is earlier. A running session never matches.',
    }),
    completedAfter: t.field({
      type: 'DateTime',
      description: 'Sessions whose `completedAt` is later. A running session never matches.',
    }),
    stalled: t.boolean({
      description: 'True: sessions that are stalled (see CrawlSession.stalled). False: all others.',
    }),
    stallReason: t.field({
      type: [StallReasonEnum],
      description: 'Sessions that are stalled for one of these reasons. An empty list matches none.',
    }),
    endReason: t.field({
      type: [SessionEndReasonEnum],
      description: 'Sessions that ended for one of these reasons. An empty list matches none.',
    }),
    worker: t.string({ description: 'Sessions that were started with this `worker`.' }),
    rateLimited: t.boolean({
      description: 'True: running sessions whose `rateLimitedUntil` is in the future. False: all others.',
    }),
    activeAfter: t.field({
      type: 'DateTime',
      description: 'Sessions that are RUNNING, or whose `completedAt` is later: what a timeline since then shows.',
    }),
  }),
})

const ORDERS = {
  STARTED_AT_DESC: { by: 'STARTED', direction: 'DESC' },
  STARTED_AT_ASC: { by: 'STARTED', direction: 'ASC' },
  COMPLETED_AT_DESC: { by: 'COMPLETED', direction: 'DESC' },
} as const satisfies Record<string, SessionOrder>

const SessionOrderEnum = builder.enumType('CrawlSessionOrder', {
  description: 'The order of a list of sessions. Equal times are ordered by `sessionId`.',
  values: {
    STARTED_AT_DESC: { description: 'By `startedAt`, latest first.' },
    STARTED_AT_ASC: { description: 'By `startedAt`, earliest first.' },
    COMPLETED_AT_DESC: {
      description: 'By `completedAt`, latest first. Running sessions come last, ordered by `startedAt`.',
    },
  } satisfies Record<keyof typeof ORDERS, { description: string }>,
})

/** @throws Fault BAD_USER_INPUT if a name in it is malformed */
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
    stallReasons: input.stallReason ?? undefined,
    endReasons: input.endReason ?? undefined,
    worker: input.worker == null ? undefined : requireName('filter.worker', input.worker),
    rateLimited: input.rateLimited ?? undefined,
    activeAfter: input.activeAfter ?? undefined,
  }
}

const SessionConnection = builder.connectionObject(
  {
    type: SessionType,
    name: 'CrawlSessionConnection',
    description: 'A page of sessions.',
    fields: (t) => ({
      feedCursor: t.string(feedCursorOptions),
    }),
  },
  { name: 'CrawlSessionEdge', description: 'A session in a page, with its cursor.' },
)

builder.objectField(UserType, 'sessions', (t) =>
  t.connection(
    {
      type: SessionType,
      scope: 'read',
      description: 'The sessions of the user, latest start first.',
      args: { filter: t.arg({ type: SessionFilterInput, description: 'Which sessions. Default: all.' }) },
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
      description: 'Sessions of all users that the caller can reach.',
      args: {
        filter: t.arg({ type: SessionFilterInput, description: 'Which sessions. Default: all.' }),
        orderBy: t.arg({
          type: SessionOrderEnum,
          defaultValue: 'STARTED_AT_DESC',
          description: 'The order of the list.',
        }),
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
  description: 'The number of sessions in each status.',
  fields: (t) => ({
    total: t.exposeInt('total', { description: 'All sessions, in any status.' }),
    running: t.exposeInt('running', { description: 'Sessions that are RUNNING.' }),
    completed: t.exposeInt('completed', { description: 'Sessions that are COMPLETED.' }),
    stopped: t.exposeInt('stopped', { description: 'Sessions that are STOPPED.' }),
    failed: t.exposeInt('failed', { description: 'Sessions that are FAILED, those with an unknown status included.' }),
    bookmarksProcessed: t.exposeFloat('bookmarksProcessed', {
      description: 'The sum of their `bookmarksProcessed`, exact up to 2^53.',
    }),
  }),
})

builder.queryField('sessionStats', (t) =>
  t.field({
    type: SessionStatsType,
    scope: 'read',
    description: 'The counts of all sessions that match.',
    args: { filter: t.arg({ type: SessionFilterInput, description: 'Which sessions. Default: all.' }) },
    resolve: (_parent, { filter }, { caller, database }) =>
      sessionStats(database, caller.userIds, toSessionFilter(filter ?? {})),
  }),
)
