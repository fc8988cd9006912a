import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { builder } from '../../graphql/builder.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { checkpointNodeId } from '../checkpoint/graphql-node-id.ts'
import { SessionType } from '../session/graphql.ts'
import { CrawlMetricsInputType, rateLimitedUntilOptions } from '../session/graphql-progress.ts'
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
  type SavedToken,
  type Saving,
} from './service.ts'

declare module '../../graphql/context.ts' {
  interface Context {
    /** Adds a save to the set that is written next. */
    readonly submitSave: Saving['submitSave']
  }
}

const SaveCheckpointInputType = builder.inputType('SaveCheckpointInput', {
  description: 'The progress of a crawl. Send it after each page.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The user whose list it is. The user must be registered.' }),
    stream: t.string({
      description: `The stream, as "<platform>/<list>". Default: that of the session, else ${DEFAULT_STREAM}.`,
    }),
    itemId: t.string({
      description:
        'The ID of the last item that was processed. Always a string: tweet IDs exceed 2^53. Null: the page had no ' +
        'items, and only the page token moves; that needs `sessionId` and `pageToken`.',
    }),
    bookmarksCount: t.int({
      description:
        'The total of bookmarks processed so far, repeats included, 0 to 2^31 - 1. It can be sent again safely. Not ' +
        'together with `bookmarksAdded`, nor without `itemId`; without both, the total stays.',
    }),
    bookmarksAdded: t.int({
      description:
        'The number of bookmarks to add to the totals of the checkpoint and the session, 0 to 2^31 - 1. Send an ' +
        '`idempotencyKey` with it, so that a repeat counts once.',
    }),
    crawledAt: t.field({
      type: 'DateTime',
      description:
        'When the page was crawled, from the year 2000 to 24 hours ahead. Default: now, by the clock of the database.',
    }),
    sessionId: t.string({
      description:
        'The session that saves. It must own the stream. Without it, the save is refused while a live session owns ' +
        'the stream.',
    }),
    pageToken: t.string({
      description: "The platform's token of the next page, at most 8 KiB. A save without it removes the stored one.",
    }),
    headItemIds: t.stringList({
      description:
        'The newest items of the list, newest first, at most 50. Send them with the first page that has items, and ' +
        'with the next pages until there are three. Only those of the session that saved the first item of the crawl ' +
        'count; they become the anchors when the crawl completes. An ID that the platform cannot have is left out.',
    }),
    expectedVersion: t.int({
      description:
        'The version that the checkpoint must have; another one is VERSION_CONFLICT. 0: there must be no checkpoint.',
    }),
    idempotencyKey: t.string({
      description:
        'A key of at most 255 characters that makes a repeat safe: under it, the save takes effect once and a repeat ' +
        'returns its result. It belongs to the session, or for saves without one to the user and stream, for 24 hours. ' +
        'The same key with other content is INVALID_INPUT. A refused save can be repeated. A save that a rollback or ' +
        'a clear undid is judged anew.',
    }),
    metrics: t.field({ type: CrawlMetricsInputType, description: "The crawler's counts since its last report." }),
    rateLimitedUntil: t.field(rateLimitedUntilOptions),
  }),
})

const SaveCheckpointSuccess = builder.objectRef<SavedCheckpoint>('SaveCheckpointSuccess').implement({
  description: 'The save is committed and on disk.',
  fields: (t) => ({
    checkpoint: t.field({
      type: CheckpointType,
      description: 'The checkpoint after this save.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
    created: t.exposeBoolean('created', {
      description: 'Whether the save created the checkpoint. False: it updated one.',
    }),
    session: t.field({
      type: SessionType,
      nullable: true,
      description: 'The session that saved, as this save left it. Null: the save named none.',
      resolve: ({ session }) => session,
    }),
    stopRequested: t.boolean({
      description: 'True: somebody asked the session to stop. Call stopSession. False also without a session.',
      resolve: ({ session }) => session !== undefined && session.stopRequestedAt !== null,
    }),
    replayed: t.exposeBoolean('replayed', {
      description: 'Whether it was written before under the same key. True: nothing was written now.',
    }),
    ignoredHeadItemIds: t.stringList({
      description: 'The IDs of `headItemIds` that were left out, because the platform cannot have them.',
      resolve: ({ ignoredHeadItemIds }) => [...ignoredHeadItemIds],
    }),
  }),
})

const TokenSavedSuccess = builder.objectRef<SavedToken>('TokenSavedSuccess').implement({
  description: 'The page token is kept. There is no checkpoint, since no item was saved yet.',
  fields: (t) => ({
    session: t.field({
      type: SessionType,
      description: 'The session that saved, as this save left it.',
      resolve: ({ session }) => session,
    }),
    stopRequested: t.boolean({
      description: 'True: somebody asked the session to stop. Call stopSession.',
      resolve: ({ session }) => session.stopRequestedAt !== null,
    }),
    replayed: t.exposeBoolean('replayed', {
      description: 'Whether it was written before under the same key. True: nothing was written now.',
    }),
  }),
})

const SaveCheckpointResult = builder.errorUnion('SaveCheckpointResult', {
  description: 'The result of a save.',
  types: [
    SaveCheckpointSuccess,
    TokenSavedSuccess,
    InvalidInputError,
    UserNotFoundError,
    SessionNotFoundError,
    SessionClosedError,
    StaleEpochError,
    StreamBusyError,
    VersionConflictError,
    OrderViolationError,
  ],
  resolveType: (saved) =>
    typeof saved === 'object' && 'checkpoint' in saved ? 'SaveCheckpointSuccess' : 'TokenSavedSuccess',
})

builder.mutationField('saveCheckpoint', (t) =>
  t.field({
    type: SaveCheckpointResult,
    scope: 'crawl',
    description:
      'Saves the position of a crawl: the last item that was processed. Creates the checkpoint if there is none.',
    args: { input: t.arg({ type: SaveCheckpointInputType, required: true, description: 'The progress to save.' }) },
    resolve: (_parent, { input }, context) => saveCheckpoint(context, context.caller, input),
  }),
)

builder.mutationField('saveCheckpoints', (t) =>
  t.field({
    type: [SaveCheckpointResult],
    scope: ({ import: importing }) => (importing ? 'operate' : 'crawl'),
    description:
      'Up to 10,000 saves. Each is judged alone, in order, and has a result of its own. A value of the wrong type ' +
      'rejects the whole request.',
    args: {
      inputs: t.arg({ type: [SaveCheckpointInputType], required: true, description: 'The saves, at most 10,000.' }),
      import: t.arg.boolean({
        defaultValue: false,
        description:
          'True: an import by an operator. It registers missing users and records the source IMPORT. `headItemIds` ' +
          'become the anchors, and make the checkpoint complete.',
      }),
    },
    resolve: (_parent, { inputs, import: importing }, context) =>
      saveCheckpoints(context, context.caller, inputs, { importing: importing ?? false }),
  }),
)

const ClearCheckpointInputType = builder.inputType('ClearCheckpointInput', {
  description: 'The checkpoint to clear.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The natural key of the user.' }),
    stream: t.string({
      defaultValue: DEFAULT_STREAM,
      description: STREAM_DESCRIPTION,
    }),
    sessionId: t.string({ description: 'The session that clears. Required while a live session owns the stream.' }),
    expectedVersion: t.int({
      description:
        'The version that the checkpoint must have; another one is VERSION_CONFLICT. 0: there must be no checkpoint.',
    }),
  }),
})

const ClearCheckpointSuccess = builder.objectRef<ClearedCheckpoint>('ClearCheckpointSuccess').implement({
  description: 'The checkpoint does not exist any more. The next crawl starts at the top.',
  fields: (t) => ({
    cleared: t.boolean({
      description: 'Whether there was a checkpoint. False: there was none, which is no error.',
      resolve: ({ checkpoint }) => checkpoint !== undefined,
    }),
    lastItemId: t.string({
      nullable: true,
      description: 'The ID of the last item of the cleared checkpoint. Null: there was none.',
      resolve: ({ checkpoint }) => checkpoint?.lastItemId,
    }),
    nodeId: t.id({
      nullable: true,
      description: 'The `id` of the cleared checkpoint, so that caches can drop it. Null: there was none.',
      resolve: ({ key, checkpoint }) => (checkpoint ? checkpointNodeId(key) : null),
    }),
  }),
})

const ClearCheckpointResult = builder.errorUnion('ClearCheckpointResult', {
  description: 'The result of clearCheckpoint.',
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
    description:
      'Deletes the checkpoint of a user and stream, with its token, head, anchors and count. The history stays, so ' +
      'rollbackCheckpoint can restore it.',
    args: { input: t.arg({ type: ClearCheckpointInputType, required: true, description: 'The checkpoint to clear.' }) },
    resolve: (_parent, { input }, { database, caller }) => clearCheckpoint(database, caller, input),
  }),
)
