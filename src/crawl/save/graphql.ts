import { builder } from '../../graphql/builder.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { checkpointNodeId } from '../checkpoint/graphql-node-id.ts'
import { CrawlMetricsInputType, SessionType } from '../session/graphql.ts'
import { SessionClosedError, SessionNotFoundError, StaleEpochError, StreamBusyError } from '../session/model.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { OrderViolationError, VersionConflictError } from '../checkpoint/model.ts'
import {
  clearCheckpoint,
  type ClearedCheckpoint,
  saveCheckpoint,
  saveCheckpoints,
  type SavedCheckpoint,
  type Saving,
} from './service.ts'

declare module '../../graphql/context.ts' {
  interface Context {
    /** Hands a save to the set that is written next. */
    readonly submitSave: Saving['submitSave']
  }
}

const SaveCheckpointInputType = builder.inputType('SaveCheckpointInput', {
  description: 'How far a crawler has got; sent after each page.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'Whose list.' }),
    stream: t.string({ description: `Default: the named session's, else ${DEFAULT_STREAM}.` }),
    itemId: t.string({
      required: true,
      description: 'The last item processed; a tweet ID on Twitter. Always a string.',
    }),
    bookmarksCount: t.int({
      description:
        'The total processed so far, repeats included; safe to send again. At most one of this and bookmarksAdded; neither: unchanged.',
    }),
    bookmarksAdded: t.int({ description: 'Added to the stored total, atomically, and to the session’s.' }),
    crawledAt: t.field({ type: 'DateTime', description: 'Default: now.' }),
    sessionId: t.string({
      description:
        'The session that saves: it must own the stream. Without it the save is refused while any session does.',
    }),
    pageToken: t.string({
      description: "The platform's own; opaque, up to 8 KiB. A save without one clears the stored one.",
    }),
    headItemIds: t.stringList({
      description:
        'The newest items of this crawl, newest first, up to 50. Taken once, from the session that began the crawl; they become the anchors when it completes.',
    }),
    expectedVersion: t.int({ description: 'Compare-and-set; 0 means: there must be none.' }),
    idempotencyKey: t.string({
      description:
        'A repeat of a success under the same key returns it and writes nothing; refusals are judged anew. Kept 24 h, per user and stream. With other content it is INVALID_INPUT.',
    }),
    metrics: t.field({ type: CrawlMetricsInputType }),
    rateLimitedUntil: t.field({
      type: 'DateTime',
      description: 'When the platform lets the crawler go on; at most 24 h ahead. The lease lasts at least until then.',
    }),
  }),
})

const SaveCheckpointSuccess = builder.objectRef<SavedCheckpoint>('SaveCheckpointSuccess').implement({
  description: 'Stored: committed and on disk.',
  fields: (t) => ({
    checkpoint: t.field({ type: CheckpointType, resolve: ({ checkpoint }) => checkpoint }),
    created: t.exposeBoolean('created', { description: 'false: an existing one was updated.' }),
    session: t.field({
      type: SessionType,
      nullable: true,
      description: 'The named one, as this save left it.',
      resolve: ({ session }) => session,
    }),
    stopRequested: t.boolean({
      description: 'true: somebody asked this session to stop; call stopSession. false without a session.',
      resolve: ({ session }) => session !== undefined && session.stopRequestedAt !== null,
    }),
  }),
})

const SaveCheckpointResult = builder.errorUnion('SaveCheckpointResult', {
  description: 'What became of a save.',
  types: [
    SaveCheckpointSuccess,
    InvalidInputError,
    UserNotFoundError,
    SessionNotFoundError,
    SessionClosedError,
    StaleEpochError,
    StreamBusyError,
    VersionConflictError,
    OrderViolationError,
  ],
  resolveType: () => 'SaveCheckpointSuccess',
})

builder.mutationField('saveCheckpoint', (t) =>
  t.field({
    type: SaveCheckpointResult,
    scope: 'crawl',
    description: 'Moves the checkpoint of a user and stream to the last item processed. Makes it where there is none.',
    args: { input: t.arg({ type: SaveCheckpointInputType, required: true }) },
    resolve: (_parent, { input }, context) => saveCheckpoint(context, context.caller, input),
  }),
)

builder.mutationField('saveCheckpoints', (t) =>
  t.field({
    type: [SaveCheckpointResult],
    scope: ({ import: importing }) => (importing ? 'operate' : 'crawl'),
    description:
      'Up to 10,000 saves; each is judged alone, in order; a result each. A value of the wrong type still rejects the whole request.',
    args: {
      inputs: t.arg({ type: [SaveCheckpointInputType], required: true }),
      import: t.arg.boolean({
        defaultValue: false,
        description:
          'For operators: makes missing users, records IMPORT; headItemIds become the anchors and, where given, the checkpoint is complete.',
      }),
    },
    resolve: (_parent, { inputs, import: importing }, context) =>
      saveCheckpoints(context, context.caller, inputs, { importing: importing ?? false }),
  }),
)

const ClearCheckpointInputType = builder.inputType('ClearCheckpointInput', {
  description: 'Which checkpoint to forget.',
  fields: (t) => ({
    userId: t.string({ required: true }),
    stream: t.string({ defaultValue: DEFAULT_STREAM }),
    sessionId: t.string({ description: 'The session that clears; needed while one owns the stream.' }),
    expectedVersion: t.int({ description: 'Compare-and-set; 0 means: there must be none.' }),
  }),
})

const ClearCheckpointSuccess = builder.objectRef<ClearedCheckpoint>('ClearCheckpointSuccess').implement({
  description: 'There is no checkpoint now: the next crawl begins at the beginning.',
  fields: (t) => ({
    cleared: t.boolean({
      description: 'false: there was none, which is no error.',
      resolve: ({ checkpoint }) => checkpoint !== undefined,
    }),
    lastItemId: t.string({
      nullable: true,
      description: 'What was cleared.',
      resolve: ({ checkpoint }) => checkpoint?.lastItemId,
    }),
    nodeId: t.id({
      nullable: true,
      description: 'Its id, so that caches can drop it.',
      resolve: ({ key, checkpoint }) => (checkpoint ? checkpointNodeId(key) : null),
    }),
  }),
})

const ClearCheckpointResult = builder.errorUnion('ClearCheckpointResult', {
  description: 'What became of clearCheckpoint.',
  types: [
    ClearCheckpointSuccess,
    InvalidInputError,
    StreamBusyError,
    StaleEpochError,
    SessionNotFoundError,
    SessionClosedError,
    VersionConflictError,
  ],
  resolveType: () => 'ClearCheckpointSuccess',
})

builder.mutationField('clearCheckpoint', (t) =>
  t.field({
    type: ClearCheckpointResult,
    // A crawler may clear with its own session, which must own the stream.
    scope: ({ input }) => (input.sessionId == null ? 'operate' : ['crawl', 'operate']),
    description: 'Forgets the checkpoint of a user and stream.',
    args: { input: t.arg({ type: ClearCheckpointInputType, required: true }) },
    resolve: (_parent, { input }, { database, caller }) => clearCheckpoint(database, caller, input),
  }),
)
