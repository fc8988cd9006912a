import { CheckpointType, fromState } from '../checkpoint/graphql.ts'
import { checkpointReadingOf } from '../checkpoint/graphql-reading.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { reachWhere } from '../../database/reach.ts'
import { Fault } from '../../errors/fault.ts'
import { builder } from '../../graphql/builder.ts'
import type { Context } from '../../graphql/context.ts'
import { userError } from '../../graphql/errors.ts'
import { PlatformEnum } from '../../stream/graphql.ts'
import { platformOf } from '../../stream/model.ts'
import { UserType } from '../../user/graphql.ts'
import {
  bookmarksPerSecond,
  type CrawlSession,
  isLive,
  isStalled,
  type ListedSession,
  SessionClosedError,
  SessionExistsError,
  SessionNotFoundError,
  type SessionSummary,
  StaleEpochError,
  statusFromColumn,
  StreamBusyError,
} from './model.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import { createSessionLoaders } from './loaders.ts'
import { findSession } from './store.ts'

export const SessionStatusEnum = builder.enumType('CrawlSessionStatus', {
  description: 'The state of a session.',
  values: {
    RUNNING: { value: 'running', description: 'It has started and not ended.' },
    COMPLETED: { value: 'completed', description: 'It reached the end of what there was to crawl.' },
    STOPPED: { value: 'stopped', description: 'It ended early, as it was asked to.' },
    FAILED: { value: 'failed', description: 'It could not continue. `errorMessage` says why.' },
  } as const,
})

const END_REASONS = ['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER'] as const

const SessionEndReasonEnum = builder.enumType('SessionEndReason', {
  description: 'What ended a session.',
  values: {
    REPORTED: { description: 'The crawler ended it.' },
    LEASE_EXPIRED: { description: 'Its lease ran out without a sign of life.' },
    TAKEN_OVER: { description: 'Another session took the stream.' },
  } satisfies Record<(typeof END_REASONS)[number], { description: string }>,
})

export const CrawlMetricsInputType = builder.inputType('CrawlMetricsInput', {
  description: "A crawler's counts since its last report. Waymark adds them up.",
  fields: (t) => ({
    apiRequests: t.int({ description: 'Requests to the platform, 0 to 2^31 - 1.' }),
    rateLimitHits: t.int({ description: 'Requests that the platform refused by its rate limit, 0 to 2^31 - 1.' }),
  }),
})

/**
 * Resolves a field from a whole session. If only a summary was read, because no other field seemed to be selected
 * (graphql-reading.ts), the session is read by its key.
 * @throws Fault SERVICE_UNAVAILABLE if the session was deleted meanwhile
 */
function fromWhole<Answer>(answer: (session: CrawlSession, context: Context) => Answer | Promise<Answer>) {
  return (session: ListedSession, _args: unknown, context: Context): Answer | Promise<Answer> => {
    if ('epoch' in session) return answer(session, context)
    return context.loaders
      .of(createSessionLoaders)
      .byId.load(session.sessionId)
      .then((whole) => {
        if (whole) return answer(whole, context)
        throw new Fault('SERVICE_UNAVAILABLE', 'The session was deleted while it was read: ask again.')
      })
  }
}

/** The type of what resolvers get, in the form of Prisma's select. */
type SummarySelect = Readonly<Record<keyof SessionSummary, true>>

/** Its resolvers get the columns of a summary. Other fields use fromWhole. */
export const SessionType = builder.prismaNode<'CrawlSession', [], unknown, SummarySelect>('CrawlSession', {
  description: 'One run of a crawler over one stream of one user.',
  id: { resolve: ({ sessionId }) => sessionId, description: 'An opaque global ID. The natural key is `sessionId`.' },
  findUnique: (sessionId, { caller }) => ({ sessionId, ...reachWhere(caller.userIds) }),
  nullable: true,
  fields: (t) => ({
    sessionId: t.exposeString('sessionId', { description: 'The natural key, unique among all sessions.' }),
    user: t.field({
      type: UserType,
      description: 'The user whose list it crawls.',
      // The foreign key guarantees that the user exists, and the ID is all that a user has: no statement is needed.
      resolve: ({ userId }) => ({ userId }),
    }),
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', {
      description: 'The stream, as "<platform>/<list>" in lower case, e.g. twitter/bookmarks.',
    }),
    platform: t.field({
      type: PlatformEnum,
      description: 'The platform that the stream name begins with.',
      resolve: ({ stream }) => platformOf(stream).name,
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      description: 'When it started, by the clock of the database.',
    }),
    completedAt: t.expose('completedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended, in any status. Null: it is running.',
    }),
    status: t.field({
      type: SessionStatusEnum,
      description:
        'The state of the run. A status that another program wrote and that is none of these reads as FAILED.',
      resolve: ({ status }) => statusFromColumn(status),
    }),
    bookmarksProcessed: t.exposeInt('bookmarksProcessed', {
      description:
        'The number of bookmarks that it processed: the sum of `bookmarksAdded` of its saves, or the highest total ' +
        'that it reported if that is more.',
    }),
    directImport: t.boolean({
      description: 'The flag that startSession was given. Waymark only stores it.',
      resolve: fromWhole((session) => session.directImport),
    }),
    enableSummarization: t.boolean({
      description: 'The flag that startSession was given. Waymark only stores it.',
      resolve: fromWhole((session) => session.enableSummarization),
    }),
    outputFilePath: t.string({
      nullable: true,
      description: 'The file that the crawler writes, as it reported. Null: it reported none.',
      resolve: fromWhole((session) => session.outputFilePath),
    }),
    errorMessage: t.string({
      nullable: true,
      description: 'The reason why it failed. Null: none was reported.',
      resolve: fromWhole((session) => session.errorMessage),
    }),
    epoch: t.int({
      description:
        'The number of this start. It rises with each startSession of the user and stream, and none is used twice. ' +
        '0: not started through this API.',
      resolve: fromWhole((session) => session.epoch),
    }),
    leaseSeconds: t.int({
      nullable: true,
      description: 'How many seconds it owns the stream after each sign of life. Null: not started through this API.',
      resolve: fromWhole((session) => session.leaseSeconds),
    }),
    leaseExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it loses the stream unless it renews the lease. Null: it has ended, or it has no lease.',
      resolve: fromWhole(({ status, leaseExpiresAt }) => (status === 'running' ? leaseExpiresAt : null)),
    }),
    heartbeatAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'The time of its last sign of life: its start, a save or a heartbeat. Null: not started through this API.',
      resolve: fromWhole((session) => session.heartbeatAt),
    }),
    stopRequestedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was first asked to stop. Null: it was not asked.',
      resolve: fromWhole((session) => session.stopRequestedAt),
    }),
    rateLimitedUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'When the platform lets the crawler continue, as its last save or heartbeat reported. The lease lasts at ' +
        'least until then. Null: not rate limited, or ended.',
      resolve: fromWhole(({ status, rateLimitedUntil }) => (status === 'running' ? rateLimitedUntil : null)),
    }),
    worker: t.string({
      nullable: true,
      description: 'The host, pod or name of the crawler, as startSession was given. Null: none was given.',
      resolve: fromWhole((session) => session.worker),
    }),
    endReason: t.field({
      type: SessionEndReasonEnum,
      nullable: true,
      description: 'What ended it. Null: it is running, or another program ended it.',
      resolve: fromWhole(({ endReason }) => END_REASONS.find((reason) => reason === endReason) ?? null),
    }),
    attempt: t.int({
      description: 'How many sessions in a row have tried this crawl: 1, or one more than the session that it resumes.',
      resolve: fromWhole((session) => session.attempt),
    }),
    stalled: t.boolean({
      description: 'Whether it is alive and not rate limited, and its position has not moved for 5 leases.',
      resolve: fromWhole((session, { clock }) => isStalled(session, clock.now())),
    }),
    commits: t.int({
      description: 'The number of its saves that were accepted.',
      resolve: fromWhole((session) => session.commits),
    }),
    bookmarksPerSecond: t.float({
      nullable: true,
      description: 'The average rate from its first save to its last. Null: fewer than two saves.',
      resolve: fromWhole(bookmarksPerSecond),
    }),
    apiRequests: t.int({
      description: 'Requests to the platform: the sum of what it reported.',
      resolve: fromWhole((session) => session.apiRequests),
    }),
    rateLimitHits: t.int({
      description: 'Requests that the platform refused by its rate limit: the sum of what it reported.',
      resolve: fromWhole((session) => session.rateLimitHits),
    }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'The current checkpoint of its user and stream. Null: none is saved.',
      resolve: ({ userId, stream }, _args, { loaders }, info) =>
        loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({ userId, stream }),
    }),
  }),
})

builder.prismaObjectField(SessionType, 'resumedFrom', (t) =>
  t.relation('resumed', {
    type: SessionType,
    nullable: true,
    description: 'The unfinished session that this one continues. Null: it continues none, or that one was pruned.',
    query: (_args, { caller }) => ({ where: reachWhere(caller.userIds) }),
    // For sessions that Prisma has not read.
    resolve: (query, session, args, context) =>
      fromWhole(({ resumedFrom }) =>
        resumedFrom === null ? null : findSession(context.database, context.caller.userIds, resumedFrom, query),
      )(session, args, context),
  }),
)

builder.objectType(SessionClosedError, {
  ...userError({
    name: 'SessionClosedError',
    code: 'SESSION_CLOSED',
    meaning: 'The session has ended.',
    description: 'The session has ended. Start a new one: it continues from the checkpoint.',
  }),
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session that has ended.',
      resolve: ({ session }) => session,
    }),
  }),
})

builder.objectType(StreamBusyError, {
  ...userError({
    name: 'StreamBusyError',
    code: 'STREAM_BUSY',
    meaning: 'A live session owns the stream of this user.',
    description:
      'A live session owns the stream of this user. Wait until `retryAt`, ask it to stop, or start with `takeover`.',
  }),
  fields: (t) => ({
    owner: t.field({
      type: SessionType,
      description: 'The session that owns the stream.',
      resolve: ({ owner }) => owner,
    }),
    retryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: "When the owner's lease expires unless the owner renews it. Null: not known.",
      resolve: ({ owner }) => owner.leaseExpiresAt,
    }),
  }),
})

builder.objectType(SessionNotFoundError, {
  ...userError({
    name: 'SessionNotFoundError',
    code: 'SESSION_NOT_FOUND',
    meaning: 'There is no such session of this user and stream.',
    description: 'There is no such session of this user and stream. Check the three, or call startSession.',
  }),
})

builder.objectType(StaleEpochError, {
  ...userError({
    name: 'StaleEpochError',
    code: 'STALE_EPOCH',
    meaning: 'Another session has taken the stream.',
    description: 'Another session has taken the stream. Stop crawling; what was saved before stands.',
  }),
  fields: (t) => ({
    currentEpoch: t.exposeInt('currentEpoch', { description: 'The epoch that the stream has now.' }),
  }),
})

builder.objectField(CheckpointType, 'liveSession', (t) =>
  t.prismaField({
    type: SessionType,
    nullable: true,
    description: 'The live session that owns the stream of this user. Null: there is none.',
    resolve: (query, checkpoint, args, context) =>
      fromState(async (state, { caller, clock, database }) => {
        if (state?.ownerSessionId == null) return null
        const owner = await findSession(database, caller.userIds, state.ownerSessionId, query)
        return owner && isLive(owner, clock.now()) ? owner : null
      })(checkpoint, args, context),
  }),
)

builder.objectType(SessionExistsError, {
  ...userError({
    name: 'SessionExistsError',
    code: 'SESSION_EXISTS',
    meaning: 'A session with this ID already exists.',
    description: 'A session with this ID already exists. Use it if it is yours and runs, or leave `sessionId` out.',
  }),
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session that has this ID.',
      resolve: ({ session }) => session,
    }),
  }),
})

builder.queryField('session', (t) =>
  t.field({
    type: SessionType,
    scope: 'read',
    nullable: true,
    description: 'The session with this ID. Null: there is none.',
    args: { sessionId: t.arg.string({ required: true, description: 'The natural key of the session.' }) },
    resolve: (_parent, { sessionId }, { loaders }) =>
      loaders.of(createSessionLoaders).byId.load(requireIdentifier('sessionId', sessionId)),
  }),
)
