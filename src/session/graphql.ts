import { requireScope } from '../caller.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { requireIdentifier, requireStream } from '../graphql/arguments.ts'
import { builder } from '../graphql/builder.ts'
import { UserErrorInterface } from '../graphql/errors.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../graphql/paging.ts'
import { PlatformEnum, platformOfEnum } from '../stream/graphql.ts'
import { platformOf } from '../stream/model.ts'
import { UserType } from '../user/graphql.ts'
import { SessionClosedError, SessionExistsError, statusFromColumn } from './model.ts'
import { countSessions, listSessions, type SessionFilter, sessionStats } from './store.ts'

export const SessionStatusEnum = builder.enumType('CrawlSessionStatus', {
  description: 'How a session stands.',
  values: {
    RUNNING: { value: 'running', description: 'Started and not ended.' },
    COMPLETED: { value: 'completed', description: 'Reached the end of what there was to crawl.' },
    STOPPED: { value: 'stopped', description: 'Was asked to stop before the end.' },
    FAILED: { value: 'failed', description: 'Could not go on; errorMessage says why.' },
  } as const,
})

export const SessionType = builder.prismaNode('CrawlSession', {
  description: 'One run of a crawler over one stream of one user.',
  id: { field: 'sessionId', description: 'Opaque and global; the natural key is sessionId.' },
  nullable: true,
  fields: (t) => ({
    sessionId: t.exposeString('sessionId', { description: 'The natural key.' }),
    user: t.field({
      type: UserType,
      description: 'Whose list it crawls.',
      // The foreign key promises that there is one, and its ID is all there is to know: no statement.
      resolve: ({ userId }) => ({ userId }),
    }),
    userId: t.exposeString('userId', { description: "The user's natural key." }),
    stream: t.exposeString('stream', { description: '"<platform>/<list>", e.g. twitter/bookmarks.' }),
    platform: t.field({
      type: PlatformEnum,
      description: 'Read from the stream.',
      resolve: ({ stream }) => platformOf(stream).name,
    }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: "By the database's clock." }),
    completedAt: t.expose('completedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended, in whatever status; null while it runs.',
    }),
    status: t.field({
      type: SessionStatusEnum,
      description: 'A status that another program wrote and that is none of these reads as FAILED.',
      resolve: ({ status }) => statusFromColumn(status),
    }),
    bookmarksProcessed: t.exposeInt('bookmarksProcessed', {
      description: 'The greater of: the sum of its saves’ bookmarksAdded; the greatest total it reported.',
    }),
    directImport: t.exposeBoolean('directImport', { description: 'As told to startSession.' }),
    enableSummarization: t.exposeBoolean('enableSummarization', { description: 'As told to startSession.' }),
    outputFilePath: t.exposeString('outputFilePath', {
      nullable: true,
      description: 'Where the crawler writes, as it told.',
    }),
    errorMessage: t.exposeString('errorMessage', { nullable: true, description: 'Why it failed.' }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: "The current checkpoint of the session's user and stream.",
      resolve: ({ userId, stream }, _args, { loaders }) => loaders.checkpoints.byKey.load({ userId, stream }),
    }),
  }),
})

builder.objectType(SessionClosedError, {
  name: 'SessionClosedError',
  description: 'The session has ended: start a new one, which carries on from the checkpoint.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

builder.objectType(SessionExistsError, {
  name: 'SessionExistsError',
  description: 'A session with this ID was started already.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

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
  }),
})

const SessionOrderEnum = builder.enumType('CrawlSessionOrder', {
  description: 'The order of a list of sessions; equal times are ordered by sessionId.',
  values: {
    STARTED_AT_DESC: { value: 'DESC', description: 'The newest first.' },
    STARTED_AT_ASC: { value: 'ASC', description: 'The oldest first.' },
  } as const,
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
  }
}

const SessionConnection = builder.connectionObject(
  { type: SessionType, name: 'CrawlSessionConnection', description: 'A page of sessions.' },
  { name: 'CrawlSessionEdge', description: 'A session in a page.' },
)

builder.objectField(UserType, 'sessions', (t) =>
  t.connection(
    {
      type: SessionType,
      description: "The user's sessions, the newest first.",
      args: { filter: t.arg({ type: SessionFilterInput }) },
      validate: pageArgumentsSchema,
      resolve: async ({ userId }, args, { loaders }) => {
        const filter = toSessionFilter(args.filter ?? {})
        const list = 'sessions DESC'
        const page = toKeysetPage(list, 2, args)
        const rows = await loaders.sessions.ofUser.load({ userId, filter, direction: 'DESC', page })
        return toConnection(list, page, rows, () => loaders.sessions.countOfUser.load({ userId, filter }))
      },
    },
    SessionConnection,
  ),
)

builder.queryField('session', (t) =>
  t.field({
    type: SessionType,
    nullable: true,
    description: 'A session by its ID. null: there is none.',
    args: { sessionId: t.arg.string({ required: true }) },
    resolve: (_parent, { sessionId }, { caller, loaders }) => {
      requireScope(caller, 'read')
      return loaders.sessions.byId.load(requireIdentifier('sessionId', sessionId))
    },
  }),
)

builder.queryField('sessions', (t) =>
  t.connection(
    {
      type: SessionType,
      description: 'Sessions of all users.',
      args: {
        filter: t.arg({ type: SessionFilterInput }),
        orderBy: t.arg({ type: SessionOrderEnum, defaultValue: 'DESC' }),
      },
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, { caller, database }) => {
        requireScope(caller, 'read')
        const direction = args.orderBy ?? 'DESC'
        const filter = toSessionFilter(args.filter ?? {})
        const list = `sessions ${direction}`
        const page = toKeysetPage(list, 2, args)
        const rows = await listSessions(database, filter, direction, page)
        return toConnection(list, page, rows, () => countSessions(database, filter))
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
    description: 'Counts over all sessions that the filter matches.',
    args: { filter: t.arg({ type: SessionFilterInput }) },
    resolve: (_parent, { filter }, { caller, database }) => {
      requireScope(caller, 'read')
      return sessionStats(database, toSessionFilter(filter ?? {}))
    },
  }),
)
