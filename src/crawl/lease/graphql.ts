import { CheckpointType } from '../checkpoint/graphql.ts'
import { builder } from '../../graphql/builder.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { CrawlMetricsInputType, SessionType } from '../session/graphql.ts'
import { ResumePlanType } from '../plan/graphql.ts'
import {
  type CrawlSession,
  SessionClosedError,
  SessionExistsError,
  SessionNotFoundError,
  StaleEpochError,
  StreamBusyError,
} from '../session/model.ts'
import { planOfStarted } from '../plan/service.ts'
import {
  completeSession,
  failSession,
  heartbeat,
  requestStop,
  startSession,
  type StartedSession,
  stopSession,
} from './service.ts'

const TOTAL_SO_FAR = "The session's total so far; a lower one than stored changes nothing."

const StartSessionInputType = builder.inputType('StartSessionInput', {
  description: 'A run of a crawler that begins.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'Whose list; the user must be known.' }),
    stream: t.string({ defaultValue: DEFAULT_STREAM, description: '"<platform>/<list>".' }),
    sessionId: t.string({ description: 'Default: made by the server (UUIDv7).' }),
    directImport: t.boolean({ defaultValue: false, description: 'Kept for whoever reads the session.' }),
    enableSummarization: t.boolean({ defaultValue: false, description: 'Kept for whoever reads the session.' }),
    outputFilePath: t.string({ description: 'Where the crawler writes.' }),
    leaseSeconds: t.int({
      description: 'How long the session owns the stream after each sign of life. Default 60; 5 to 3600.',
    }),
    worker: t.string({ description: 'Host, pod or name, up to 255 characters.' }),
    takeover: t.boolean({
      defaultValue: false,
      description: 'true: end the present owner as FAILED (TAKEN_OVER) and own the stream.',
    }),
    idempotencyKey: t.string({
      description: 'A repeat after a lost answer returns the session it started while that runs.',
    }),
  }),
})

const StartSessionSuccess = builder.objectRef<StartedSession>('StartSessionSuccess').implement({
  description: 'The session runs.',
  fields: (t) => ({
    session: t.field({ type: SessionType, resolve: ({ session }) => session }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'Where to resume from; null: crawl from the beginning.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
    plan: t.field({
      type: ResumePlanType,
      description: 'What this crawl has to do.',
      resolve: (started, _args, { database, caller }) => planOfStarted(database, caller, started),
    }),
  }),
})

const StartSessionResult = builder.errorUnion('StartSessionResult', {
  description: 'What became of startSession.',
  types: [StartSessionSuccess, InvalidInputError, UserNotFoundError, SessionExistsError, StreamBusyError],
  resolveType: () => 'StartSessionSuccess',
})

const HeartbeatInputType = builder.inputType('HeartbeatInput', {
  description: 'A sign of life.',
  fields: (t) => ({
    sessionId: t.string({ required: true }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
    metrics: t.field({ type: CrawlMetricsInputType }),
    rateLimitedUntil: t.field({
      type: 'DateTime',
      description: 'When the platform lets the crawler go on; at most 24 h ahead. The lease lasts at least until then.',
    }),
  }),
})

const HeartbeatSuccess = builder.objectRef<{ session: CrawlSession }>('HeartbeatSuccess').implement({
  description: 'The session runs.',
  fields: (t) => ({
    session: t.field({ type: SessionType, resolve: ({ session }) => session }),
    stopRequested: t.boolean({
      description: 'true: finish the page, save, call stopSession.',
      resolve: ({ session }) => session.stopRequestedAt !== null,
    }),
  }),
})

const HeartbeatResult = builder.errorUnion('HeartbeatResult', {
  description: 'What became of heartbeat.',
  types: [HeartbeatSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError, StaleEpochError],
  resolveType: () => 'HeartbeatSuccess',
})

const CompleteSessionInputType = builder.inputType('CompleteSessionInput', {
  description: 'A session whose crawl reached the end.',
  fields: (t) => ({
    sessionId: t.string({ required: true }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
    outputFilePath: t.string({ description: 'Where the crawler wrote.' }),
  }),
})

const StopSessionInputType = builder.inputType('StopSessionInput', {
  description: 'A session that was asked to stop before the end.',
  fields: (t) => ({
    sessionId: t.string({ required: true }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
  }),
})

const FailSessionInputType = builder.inputType('FailSessionInput', {
  description: 'A session that could not go on.',
  fields: (t) => ({
    sessionId: t.string({ required: true }),
    errorMessage: t.string({ required: true, description: 'Why, for whoever looks at the session later.' }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
  }),
})

const EndSessionSuccess = builder.objectRef<{ session: CrawlSession }>('EndSessionSuccess').implement({
  description: 'The session has ended.',
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

const EndSessionResult = builder.errorUnion('EndSessionResult', {
  description:
    'What became of ending a session. Ending it in the status that it has already succeeds and changes nothing; in another one is SESSION_CLOSED.',
  types: [EndSessionSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError, StaleEpochError],
  resolveType: () => 'EndSessionSuccess',
})

builder.mutationField('startSession', (t) =>
  t.field({
    type: StartSessionResult,
    scope: 'crawl',
    description: 'Begins a run of a crawler, and says where it resumes.',
    args: { input: t.arg({ type: StartSessionInputType, required: true }) },
    resolve: (_parent, { input }, { database, caller }) => startSession(database, caller, input),
  }),
)

builder.mutationField('heartbeat', (t) =>
  t.field({
    type: HeartbeatResult,
    scope: 'crawl',
    description: 'Says that the crawler lives, and how far its session is.',
    args: { input: t.arg({ type: HeartbeatInputType, required: true }) },
    resolve: async (_parent, { input }, { database, clock, caller }) =>
      inSuccess(await heartbeat(database, clock, caller, input)),
  }),
)

builder.mutationField('completeSession', (t) =>
  t.field({
    type: EndSessionResult,
    scope: 'crawl',
    description: 'Ends a session whose crawl reached the end.',
    args: { input: t.arg({ type: CompleteSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) =>
      inSuccess(await completeSession(database, caller, input)),
  }),
)

builder.mutationField('stopSession', (t) =>
  t.field({
    type: EndSessionResult,
    scope: 'crawl',
    description: 'Ends a session that was asked to stop before the end.',
    args: { input: t.arg({ type: StopSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await stopSession(database, caller, input)),
  }),
)

builder.mutationField('failSession', (t) =>
  t.field({
    type: EndSessionResult,
    scope: 'crawl',
    description: 'Ends a session that could not go on.',
    args: { input: t.arg({ type: FailSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await failSession(database, caller, input)),
  }),
)

const RequestStopInputType = builder.inputType('RequestStopInput', {
  description: 'Which session is to stop.',
  fields: (t) => ({ sessionId: t.string({ required: true }) }),
})

const RequestStopSuccess = builder.objectRef<{ session: CrawlSession }>('RequestStopSuccess').implement({
  description: 'Its next save or heartbeat will say so.',
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

const RequestStopResult = builder.errorUnion('RequestStopResult', {
  description: 'What became of requestStop.',
  types: [RequestStopSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError],
  resolveType: () => 'RequestStopSuccess',
})

builder.mutationField('requestStop', (t) =>
  t.field({
    type: RequestStopResult,
    scope: 'operate',
    description:
      'Asks a running session to stop: it finishes its page, saves and ends as STOPPED. Asking again changes nothing.',
    args: { input: t.arg({ type: RequestStopInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await requestStop(database, caller, input)),
  }),
)

function inSuccess<Refusal extends Error>(result: CrawlSession | Refusal): { session: CrawlSession } | Refusal {
  return result instanceof Error ? result : { session: result }
}
