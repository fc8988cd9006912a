import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { builder } from '../../graphql/builder.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { ItemOrderingEnum } from '../../stream/graphql-streams.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { findOrdering } from '../../stream/settings-store.ts'
import { SessionType } from '../session/graphql.ts'
import { CrawlMetricsInputType, rateLimitedUntilOptions } from '../session/graphql-progress.ts'
import { ResumePlanType } from '../plan/graphql.ts'
import {
  type CrawlSession,
  SessionClosedError,
  SessionExistsError,
  SessionNotFoundError,
  StaleEpochError,
  type StartMode,
  StreamBusyError,
} from '../session/model.ts'
import { CatchUpImpossibleError } from '../plan/model.ts'
import { StreamPausedError } from '../pause/model.ts'
import { completeSession, failSession, heartbeat, requestStop, startSession, stopSession } from './service.ts'
import type { StartedSession } from './store.ts'

const TOTAL_SO_FAR = 'The total of the session so far, 0 to 2^31 - 1. One that is lower than stored changes nothing.'

const StartModeEnum = builder.enumType('StartMode', {
  description: 'Which crawl a session begins or continues.',
  values: {
    AUTO: { description: 'What resumePlan says.' },
    FULL: {
      description:
        'The whole list again, to the end: after a list that ended early, for items that reappear below the anchors, ' +
        'or for a list that shows only its newest 800 or 1,000 items.',
    },
    CATCH_UP: {
      description:
        'Only what is above the head of an unfinished crawl. Without a checkpoint, or with a complete one, it is AUTO.',
    },
  } satisfies Record<StartMode, { description: string }>,
})

const StartSessionInputType = builder.inputType('StartSessionInput', {
  description: 'A run of a crawler to start.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The user whose list it crawls. The user must be registered.' }),
    stream: t.string({
      defaultValue: DEFAULT_STREAM,
      description: STREAM_DESCRIPTION,
    }),
    sessionId: t.string({
      description:
        'The natural key of the session: 1 to 255 characters. A caller that is bound to some users must send a UUID. ' +
        'Default: the server makes a UUIDv7.',
    }),
    directImport: t.boolean({ defaultValue: false, description: 'A flag that Waymark only stores.' }),
    enableSummarization: t.boolean({ defaultValue: false, description: 'A flag that Waymark only stores.' }),
    outputFilePath: t.string({ description: 'The file that the crawler writes, at most 4,096 characters.' }),
    leaseSeconds: t.int({
      description: 'How many seconds the session owns the stream after each sign of life: 5 to 3600, default 60.',
    }),
    worker: t.string({ description: 'The host, pod or name of the crawler, at most 255 characters.' }),
    takeover: t.boolean({
      defaultValue: false,
      description: 'True: end the present owner as FAILED (TAKEN_OVER) and own the stream.',
    }),
    mode: t.field({ type: StartModeEnum, defaultValue: 'AUTO', description: 'Which crawl to begin or continue.' }),
    ignorePause: t.boolean({
      defaultValue: false,
      description: 'True: start although the list is paused. Needs the scope operate.',
    }),
    idempotencyKey: t.string({
      description:
        'A key of at most 255 characters that makes a repeat safe: under it, a second call returns the session that ' +
        'the first one started, while that runs.',
    }),
  }),
})

const StartSessionSuccess = builder.objectRef<StartedSession>('StartSessionSuccess').implement({
  description: 'The session runs and owns the stream of its user.',
  fields: (t) => ({
    session: t.field({ type: SessionType, description: 'The session that runs.', resolve: ({ session }) => session }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'The checkpoint to resume from. Null: crawl from the top.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
    plan: t.field({
      type: ResumePlanType,
      description: 'What this crawl has to do.',
      resolve: ({ plan }) => plan,
    }),
    ordering: t.field({
      type: ItemOrderingEnum,
      description:
        'The order of the stream. ASCENDING: the list comes oldest first, and each crawl reads it to its end.',
      resolve: ({ session }, _args, { database }) => findOrdering(database, session.stream),
    }),
  }),
})

const StartSessionResult = builder.errorUnion('StartSessionResult', {
  description: 'The result of startSession.',
  types: [
    StartSessionSuccess,
    InvalidInputError,
    UserNotFoundError,
    SessionExistsError,
    StreamBusyError,
    StreamPausedError,
    CatchUpImpossibleError,
  ],
  resolveType: () => 'StartSessionSuccess',
})

const HeartbeatInputType = builder.inputType('HeartbeatInput', {
  description: 'A report that the crawler is alive, and its progress.',
  fields: (t) => ({
    sessionId: t.string({ required: true, description: 'The session that is alive.' }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
    metrics: t.field({ type: CrawlMetricsInputType, description: "The crawler's counts since its last report." }),
    rateLimitedUntil: t.field(rateLimitedUntilOptions),
  }),
})

const HeartbeatSuccess = builder.objectRef<{ session: CrawlSession }>('HeartbeatSuccess').implement({
  description: 'The lease of the session is renewed.',
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session after this heartbeat.',
      resolve: ({ session }) => session,
    }),
    stopRequested: t.boolean({
      description: 'True: somebody asked the session to stop. Finish the page, save, then call stopSession.',
      resolve: ({ session }) => session.stopRequestedAt !== null,
    }),
  }),
})

const HeartbeatResult = builder.errorUnion('HeartbeatResult', {
  description: 'The result of heartbeat.',
  types: [HeartbeatSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError, StaleEpochError],
  resolveType: () => 'HeartbeatSuccess',
})

const CompleteSessionInputType = builder.inputType('CompleteSessionInput', {
  description: 'A session whose crawl reached the end.',
  fields: (t) => ({
    sessionId: t.string({ required: true, description: 'The session to end.' }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
    outputFilePath: t.string({ description: 'The file that the crawler wrote, at most 4,096 characters.' }),
  }),
})

const StopSessionInputType = builder.inputType('StopSessionInput', {
  description: 'A session to end before its crawl reached the end.',
  fields: (t) => ({
    sessionId: t.string({ required: true, description: 'The session to end.' }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
  }),
})

const FailSessionInputType = builder.inputType('FailSessionInput', {
  description: 'A session to end because it could not continue.',
  fields: (t) => ({
    sessionId: t.string({ required: true, description: 'The session to end.' }),
    errorMessage: t.string({ required: true, description: 'The reason, at most 10,000 characters.' }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
  }),
})

const EndSessionSuccess = builder.objectRef<{ session: CrawlSession }>('EndSessionSuccess').implement({
  description: 'The session has ended.',
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session that has ended.',
      resolve: ({ session }) => session,
    }),
  }),
})

const EndSessionResult = builder.errorUnion('EndSessionResult', {
  description:
    'The result of ending a session. The same end again succeeds and changes nothing; another end is SESSION_CLOSED.',
  types: [EndSessionSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError, StaleEpochError],
  resolveType: () => 'EndSessionSuccess',
})

builder.mutationField('startSession', (t) =>
  t.field({
    type: StartSessionResult,
    scope: 'crawl',
    description:
      'Starts a run of a crawler: the new session owns the stream of its user, and the plan says where to resume.',
    args: { input: t.arg({ type: StartSessionInputType, required: true, description: 'The run to start.' }) },
    resolve: (_parent, { input }, { database, caller }) => startSession(database, caller, input),
  }),
)

builder.mutationField('heartbeat', (t) =>
  t.field({
    type: HeartbeatResult,
    scope: 'crawl',
    description: 'Reports that the crawler is alive, and its progress. Renews the lease.',
    args: { input: t.arg({ type: HeartbeatInputType, required: true, description: 'The session and its progress.' }) },
    resolve: async (_parent, { input }, { database, clock, caller }) =>
      inSuccess(await heartbeat(database, clock, caller, input)),
  }),
)

builder.mutationField('completeSession', (t) =>
  t.field({
    type: EndSessionResult,
    scope: 'crawl',
    description:
      'Ends a session whose crawl reached the end. The head of the crawl becomes the anchors of the next one.',
    args: { input: t.arg({ type: CompleteSessionInputType, required: true, description: 'The session to end.' }) },
    resolve: async (_parent, { input }, { database, caller }) =>
      inSuccess(await completeSession(database, caller, input)),
  }),
)

builder.mutationField('stopSession', (t) =>
  t.field({
    type: EndSessionResult,
    scope: 'crawl',
    description:
      'Ends a session before its crawl reached the end, e.g. because it was asked to stop. The next session resumes ' +
      'the crawl.',
    args: { input: t.arg({ type: StopSessionInputType, required: true, description: 'The session to end.' }) },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await stopSession(database, caller, input)),
  }),
)

builder.mutationField('failSession', (t) =>
  t.field({
    type: EndSessionResult,
    scope: 'crawl',
    description: 'Ends a session that could not continue, and keeps the reason. The next session resumes the crawl.',
    args: {
      input: t.arg({ type: FailSessionInputType, required: true, description: 'The session to end, and the reason.' }),
    },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await failSession(database, caller, input)),
  }),
)

const RequestStopInputType = builder.inputType('RequestStopInput', {
  description: 'The session to stop.',
  fields: (t) => ({ sessionId: t.string({ required: true, description: 'The natural key of the session.' }) }),
})

const RequestStopSuccess = builder.objectRef<{ session: CrawlSession }>('RequestStopSuccess').implement({
  description: 'The session is asked to stop. Its next save or heartbeat returns `stopRequested`.',
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session, which still runs.',
      resolve: ({ session }) => session,
    }),
  }),
})

const RequestStopResult = builder.errorUnion('RequestStopResult', {
  description: 'The result of requestStop.',
  types: [RequestStopSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError],
  resolveType: () => 'RequestStopSuccess',
})

builder.mutationField('requestStop', (t) =>
  t.field({
    type: RequestStopResult,
    scope: 'operate',
    description:
      'Asks a running session to stop: it finishes its page, saves and ends as STOPPED. Asking again changes nothing.',
    args: { input: t.arg({ type: RequestStopInputType, required: true, description: 'The session to stop.' }) },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await requestStop(database, caller, input)),
  }),
)

function inSuccess<Refusal extends Error>(result: CrawlSession | Refusal): { session: CrawlSession } | Refusal {
  return result instanceof Error ? result : { session: result }
}
