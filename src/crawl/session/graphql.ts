import { CheckpointType, fromState } from '../checkpoint/graphql.ts'
import { checkpointReadingOf } from '../checkpoint/graphql-reading.ts'
import { requireIdentifier } from '../../graphql/arguments.ts'
import { shownLeaseEnd } from '../../database/lease-time.ts'
import { reachWhere } from '../../database/reach.ts'
import { Fault } from '../../errors/fault.ts'
import { builder } from '../../graphql/builder.ts'
import type { Context } from '../../graphql/context.ts'
import { platformOptions, STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { userOptions } from '../../user/graphql.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import { SessionEndReasonEnum, SessionStatusEnum, StallReasonEnum } from './graphql-status.ts'
import { createSessionLoaders } from './loaders.ts'
import {
  type CrawlSession,
  END_REASONS,
  isLive,
  type ListedSession,
  type SessionSummary,
  statusFromColumn,
} from './model.ts'
import { stallReasonOf } from './stall.ts'
import { findSession } from './store.ts'

/**
 * Resolves a field from a whole session. If only a summary was read, because no other field seemed to be selected
 * (graphql-reading.ts), the session is read by its key.
 * @throws Fault SERVICE_UNAVAILABLE if the session was deleted meanwhile
 */
export function fromWhole<Answer>(answer: (session: CrawlSession, context: Context) => Answer | Promise<Answer>) {
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
    user: t.field(userOptions),
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', {
      description: STREAM_DESCRIPTION,
    }),
    platform: t.field(platformOptions),
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
      resolve: fromWhole((session, { clock }) => (session.status === 'running' ? shownLeaseEnd(clock, session) : null)),
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
      description: 'Whether it makes no progress although it is alive: `stallReason` is not null.',
      resolve: fromWhole((session, { clock }) => stallReasonOf(session, clock) !== null),
    }),
    stallReason: t.field({
      type: StallReasonEnum,
      nullable: true,
      description: 'Why it makes no progress although it is alive. Null: it is not stalled.',
      resolve: fromWhole((session, { clock }) => stallReasonOf(session, clock)),
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

builder.objectField(CheckpointType, 'liveSession', (t) =>
  t.prismaField({
    type: SessionType,
    nullable: true,
    description: 'The live session that owns the stream of this user. Null: there is none.',
    resolve: (query, checkpoint, args, context) =>
      fromState(async (state, { caller, clock, database }) => {
        if (state?.ownerSessionId == null) return null
        const owner = await findSession(database, caller.userIds, state.ownerSessionId, query)
        return owner && isLive(owner, clock) ? owner : null
      })(checkpoint, args, context),
  }),
)

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
