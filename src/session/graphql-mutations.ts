import { CheckpointType } from '../checkpoint/graphql.ts'
import { builder } from '../graphql/builder.ts'
import { InvalidInputError } from '../domain-error.ts'
import { UserNotFoundError } from '../user/model.ts'
import { DEFAULT_STREAM } from '../stream/model.ts'
import { SessionType } from './graphql.ts'
import { type CrawlSession, SessionClosedError, SessionExistsError, SessionNotFoundError } from './model.ts'
import { completeSession, failSession, heartbeat, startSession, type StartedSession, stopSession } from './service.ts'

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
  }),
})

const StartSessionResult = builder.errorUnion('StartSessionResult', {
  description: 'What became of startSession.',
  types: [StartSessionSuccess, InvalidInputError, UserNotFoundError, SessionExistsError],
  resolveType: () => 'StartSessionSuccess',
})

const HeartbeatInputType = builder.inputType('HeartbeatInput', {
  description: 'A sign of life.',
  fields: (t) => ({
    sessionId: t.string({ required: true }),
    bookmarksProcessed: t.int({ description: TOTAL_SO_FAR }),
  }),
})

const HeartbeatSuccess = builder.objectRef<{ session: CrawlSession }>('HeartbeatSuccess').implement({
  description: 'The session runs.',
  fields: (t) => ({ session: t.field({ type: SessionType, resolve: ({ session }) => session }) }),
})

const HeartbeatResult = builder.errorUnion('HeartbeatResult', {
  description: 'What became of heartbeat.',
  types: [HeartbeatSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError],
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
  types: [EndSessionSuccess, InvalidInputError, SessionNotFoundError, SessionClosedError],
  resolveType: () => 'EndSessionSuccess',
})

builder.mutationField('startSession', (t) =>
  t.field({
    type: StartSessionResult,
    description: 'Begins a run of a crawler, and says where it resumes.',
    args: { input: t.arg({ type: StartSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller, feed }) => {
      const started = await startSession(database, caller, input)
      feed.announce()
      return started
    },
  }),
)

builder.mutationField('heartbeat', (t) =>
  t.field({
    type: HeartbeatResult,
    description: 'Says that the crawler lives, and how far its session is.',
    args: { input: t.arg({ type: HeartbeatInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) => inSuccess(await heartbeat(database, caller, input)),
  }),
)

builder.mutationField('completeSession', (t) =>
  t.field({
    type: EndSessionResult,
    description: 'Ends a session whose crawl reached the end.',
    args: { input: t.arg({ type: CompleteSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller, feed }) => {
      const ended = await completeSession(database, caller, input)
      feed.announce()
      return inSuccess(ended)
    },
  }),
)

builder.mutationField('stopSession', (t) =>
  t.field({
    type: EndSessionResult,
    description: 'Ends a session that was asked to stop before the end.',
    args: { input: t.arg({ type: StopSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller, feed }) => {
      const ended = await stopSession(database, caller, input)
      feed.announce()
      return inSuccess(ended)
    },
  }),
)

builder.mutationField('failSession', (t) =>
  t.field({
    type: EndSessionResult,
    description: 'Ends a session that could not go on.',
    args: { input: t.arg({ type: FailSessionInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller, feed }) => {
      const ended = await failSession(database, caller, input)
      feed.announce()
      return inSuccess(ended)
    },
  }),
)

function inSuccess<Refusal extends Error>(result: CrawlSession | Refusal): { session: CrawlSession } | Refusal {
  return result instanceof Error ? result : { session: result }
}
