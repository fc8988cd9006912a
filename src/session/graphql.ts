import { CheckpointType } from '../checkpoint/graphql.ts'
import { checkpointReadingOf } from '../checkpoint/graphql-reading.ts'
import { requireIdentifier } from '../graphql/arguments.ts'
import { builder } from '../graphql/builder.ts'
import { userError } from '../graphql/errors.ts'
import { PlatformEnum } from '../stream/graphql.ts'
import { platformOf } from '../stream/model.ts'
import { UserType } from '../user/graphql.ts'
import {
  bookmarksPerSecond,
  isLive,
  isStalled,
  SessionClosedError,
  SessionExistsError,
  SessionNotFoundError,
  StaleEpochError,
  statusFromColumn,
  StreamBusyError,
} from './model.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import { createSessionLoaders } from './loaders.ts'

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

export const SessionType = builder.prismaObject('CrawlSession', {
  description: 'One run of a crawler over one stream of one user.',
  findUnique: null,
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
    epoch: t.exposeInt('epoch', {
      description:
        'Strictly grows with each startSession on the stream; never reused; 0: not started through this API.',
    }),
    leaseSeconds: t.exposeInt('leaseSeconds', {
      nullable: true,
      description: 'How long it owns the stream after each sign of life.',
    }),
    leaseExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it loses the stream unless it renews; null once ended.',
      resolve: ({ status, leaseExpiresAt }) => (status === 'running' ? leaseExpiresAt : null),
    }),
    heartbeatAt: t.expose('heartbeatAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Its last sign of life: a start, save or heartbeat.',
    }),
    stopRequestedAt: t.expose('stopRequestedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was first asked to stop.',
    }),
    rateLimitedUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'As its last save or heartbeat told; the lease lasts at least until then.',
      resolve: ({ status, rateLimitedUntil }) => (status === 'running' ? rateLimitedUntil : null),
    }),
    worker: t.exposeString('worker', { nullable: true, description: 'Host, pod or name, as told to startSession.' }),
    endReason: t.field({
      type: SessionEndReasonEnum,
      nullable: true,
      description: 'null while running, and where another program ended it.',
      resolve: ({ endReason }) => END_REASONS.find((reason) => reason === endReason) ?? null,
    }),
    attempt: t.exposeInt('attempt', { description: "1, or the resumed session's attempt + 1." }),
    stalled: t.boolean({
      description: 'Alive, but the position has not moved for 5 leases, and it is not rate limited.',
      resolve: (session, _args, { clock }) => isStalled(session, clock.now()),
    }),
    commits: t.exposeInt('commits', { description: 'Accepted saves.' }),
    bookmarksPerSecond: t.float({
      nullable: true,
      description: 'From the first save to the last; null until there are two.',
      resolve: (session) => bookmarksPerSecond(session),
    }),
    apiRequests: t.exposeInt('apiRequests', { description: 'Requests to the platform, as reported; added up.' }),
    rateLimitHits: t.exposeInt('rateLimitHits', { description: 'Refusals by the platform, as reported; added up.' }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: "The current checkpoint of the session's user and stream.",
      resolve: ({ userId, stream }, _args, { loaders }, info) =>
        loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({ userId, stream }),
    }),
  }),
})

builder.nodeRef(SessionType, {
  id: {
    resolve: ({ sessionId }: { sessionId: string }) => sessionId,
    description: 'Opaque and global; the natural key is sessionId.',
  },
  loadManyWithoutCache: (sessionIds, { loaders }) =>
    Promise.all(sessionIds.map((sessionId) => loaders.of(createSessionLoaders).byId.load(sessionId))),
})

builder.objectField(SessionType, 'resumedFrom', (t) =>
  t.field({
    type: SessionType,
    nullable: true,
    description: 'The unfinished session that this one carries on; null also where that was pruned.',
    resolve: ({ resumedFrom }, _args, { loaders }) =>
      resumedFrom === null ? null : loaders.of(createSessionLoaders).byId.load(resumedFrom),
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
  t.field({
    type: SessionType,
    nullable: true,
    description: "The stream's owner now.",
    resolve: async ({ state }, _args, { loaders, clock }) => {
      if (state?.ownerSessionId == null) return null
      const owner = await loaders.of(createSessionLoaders).byId.load(state.ownerSessionId)
      return owner && isLive(owner, clock.now()) ? owner : null
    },
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
