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
  description: 'How a session stands.',
  values: {
    RUNNING: { value: 'running', description: 'Started and not ended.' },
    COMPLETED: { value: 'completed', description: 'Reached the end of what there was to crawl.' },
    STOPPED: { value: 'stopped', description: 'Was asked to stop before the end.' },
    FAILED: { value: 'failed', description: 'Could not go on; errorMessage says why.' },
  } as const,
})

const END_REASONS = ['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER'] as const

const SessionEndReasonEnum = builder.enumType('SessionEndReason', {
  description: 'Who ended a session.',
  values: {
    REPORTED: { description: 'Its crawler said so.' },
    LEASE_EXPIRED: { description: 'It gave no sign of life for as long as its lease.' },
    TAKEN_OVER: { description: 'Another session took the stream.' },
  } satisfies Record<(typeof END_REASONS)[number], { description: string }>,
})

export const CrawlMetricsInputType = builder.inputType('CrawlMetricsInput', {
  description: 'What a crawler counted since its last report; added up.',
  fields: (t) => ({
    apiRequests: t.int({ description: 'Requests to the platform.' }),
    rateLimitHits: t.int({ description: 'Refusals by the platform.' }),
  }),
})

/**
 * Resolves a field from a whole session. Where a summary alone was read, because nothing else seemed to be selected
 * (graphql-reading.ts), the session is read by its key.
 * @throws Fault SERVICE_UNAVAILABLE where it was deleted meanwhile
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

/** For the type of what resolvers get, as Prisma's select has it. */
type SummarySelect = Readonly<Record<keyof SessionSummary, true>>

/** Its resolvers get the columns of a summary; what else there is comes by fromWhole. */
export const SessionType = builder.prismaNode<'CrawlSession', [], unknown, SummarySelect>('CrawlSession', {
  description: 'One run of a crawler over one stream of one user.',
  id: { resolve: ({ sessionId }) => sessionId, description: 'Opaque and global; the natural key is sessionId.' },
  findUnique: (sessionId, { caller }) => ({ sessionId, ...reachWhere(caller.userIds) }),
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
    directImport: t.boolean({
      description: 'As told to startSession.',
      resolve: fromWhole((session) => session.directImport),
    }),
    enableSummarization: t.boolean({
      description: 'As told to startSession.',
      resolve: fromWhole((session) => session.enableSummarization),
    }),
    outputFilePath: t.string({
      nullable: true,
      description: 'Where the crawler writes, as it told.',
      resolve: fromWhole((session) => session.outputFilePath),
    }),
    errorMessage: t.string({
      nullable: true,
      description: 'Why it failed.',
      resolve: fromWhole((session) => session.errorMessage),
    }),
    epoch: t.int({
      description:
        'Strictly grows with each startSession on the stream; never reused; 0: not started through this API.',
      resolve: fromWhole((session) => session.epoch),
    }),
    leaseSeconds: t.int({
      nullable: true,
      description: 'How long it owns the stream after each sign of life.',
      resolve: fromWhole((session) => session.leaseSeconds),
    }),
    leaseExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it loses the stream unless it renews; null once ended.',
      resolve: fromWhole(({ status, leaseExpiresAt }) => (status === 'running' ? leaseExpiresAt : null)),
    }),
    heartbeatAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Its last sign of life: a start, save or heartbeat.',
      resolve: fromWhole((session) => session.heartbeatAt),
    }),
    stopRequestedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was first asked to stop.',
      resolve: fromWhole((session) => session.stopRequestedAt),
    }),
    rateLimitedUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'As its last save or heartbeat told; the lease lasts at least until then.',
      resolve: fromWhole(({ status, rateLimitedUntil }) => (status === 'running' ? rateLimitedUntil : null)),
    }),
    worker: t.string({
      nullable: true,
      description: 'Host, pod or name, as told to startSession.',
      resolve: fromWhole((session) => session.worker),
    }),
    endReason: t.field({
      type: SessionEndReasonEnum,
      nullable: true,
      description: 'null while running, and where another program ended it.',
      resolve: fromWhole(({ endReason }) => END_REASONS.find((reason) => reason === endReason) ?? null),
    }),
    attempt: t.int({
      description: "1, or the resumed session's attempt + 1.",
      resolve: fromWhole((session) => session.attempt),
    }),
    stalled: t.boolean({
      description: 'Alive, but the position has not moved for 5 leases, and it is not rate limited.',
      resolve: fromWhole((session, { clock }) => isStalled(session, clock.now())),
    }),
    commits: t.int({ description: 'Accepted saves.', resolve: fromWhole((session) => session.commits) }),
    bookmarksPerSecond: t.float({
      nullable: true,
      description: 'From the first save to the last; null until there are two.',
      resolve: fromWhole(bookmarksPerSecond),
    }),
    apiRequests: t.int({
      description: 'Requests to the platform, as reported; added up.',
      resolve: fromWhole((session) => session.apiRequests),
    }),
    rateLimitHits: t.int({
      description: 'Refusals by the platform, as reported; added up.',
      resolve: fromWhole((session) => session.rateLimitHits),
    }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: "The current checkpoint of the session's user and stream.",
      resolve: ({ userId, stream }, _args, { loaders }, info) =>
        loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({ userId, stream }),
    }),
  }),
})

builder.prismaObjectField(SessionType, 'resumedFrom', (t) =>
  t.relation('resumed', {
    type: SessionType,
    nullable: true,
    description: 'The unfinished session that this one carries on; null also where that was pruned.',
    query: (_args, { caller }) => ({ where: reachWhere(caller.userIds) }),
    // Of sessions that Prisma has not read.
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
    description: 'The session has ended: start a new one, which carries on from the checkpoint.',
  }),
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

builder.objectType(StreamBusyError, {
  ...userError({
    name: 'StreamBusyError',
    code: 'STREAM_BUSY',
    meaning: 'A live session owns the stream.',
    description: 'A live session owns the stream.',
  }),
  fields: (t) => ({
    owner: t.field({ type: SessionType, resolve: ({ owner }) => owner }),
    retryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: "When the owner's lease ends unless it is renewed.",
      resolve: ({ owner }) => owner.leaseExpiresAt,
    }),
  }),
})

builder.objectType(SessionNotFoundError, {
  ...userError({
    name: 'SessionNotFoundError',
    code: 'SESSION_NOT_FOUND',
    meaning: 'There is no such session of this user and stream.',
    description: 'There is no such session of this user and stream.',
  }),
})

builder.objectType(StaleEpochError, {
  ...userError({
    name: 'StaleEpochError',
    code: 'STALE_EPOCH',
    meaning: 'A later session has taken the stream.',
    description: 'A later session has taken the stream: stop crawling.',
  }),
  fields: (t) => ({
    currentEpoch: t.exposeInt('currentEpoch', { description: 'Of the session that owns the stream since.' }),
  }),
})

builder.objectField(CheckpointType, 'liveSession', (t) =>
  t.prismaField({
    type: SessionType,
    nullable: true,
    description: "The stream's owner now.",
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
    meaning: 'A session with this ID was started already.',
    description: 'A session with this ID was started already.',
  }),
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

builder.queryField('session', (t) =>
  t.field({
    type: SessionType,
    scope: 'read',
    nullable: true,
    description: 'A session by its ID. null: there is none.',
    args: { sessionId: t.arg.string({ required: true }) },
    resolve: (_parent, { sessionId }, { loaders }) =>
      loaders.of(createSessionLoaders).byId.load(requireIdentifier('sessionId', sessionId)),
  }),
)
