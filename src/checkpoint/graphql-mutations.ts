import { builder } from '../graphql/builder.ts'
import { InvalidInputError } from '../domain-error.ts'
import { checkpointNodeId } from '../graphql/node-id.ts'
import { SessionType } from '../session/graphql.ts'
import { SessionClosedError, SessionNotFoundError } from '../session/model.ts'
import { UserNotFoundError } from '../user/model.ts'
import { DEFAULT_STREAM } from '../stream/model.ts'
import { CheckpointType } from './graphql.ts'
import { clearCheckpoint, type ClearedCheckpoint, saveCheckpoint, type SavedCheckpoint } from './service.ts'

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
    sessionId: t.string({ description: 'The session that saves: it must run, and be of this user and stream.' }),
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
  }),
})

const SaveCheckpointResult = builder.errorUnion('SaveCheckpointResult', {
  description: 'What became of saveCheckpoint.',
  types: [SaveCheckpointSuccess, InvalidInputError, UserNotFoundError, SessionNotFoundError, SessionClosedError],
  resolveType: () => 'SaveCheckpointSuccess',
})

builder.mutationField('saveCheckpoint', (t) =>
  t.field({
    type: SaveCheckpointResult,
    description: 'Moves the checkpoint of a user and stream to the last item processed. Makes it where there is none.',
    args: { input: t.arg({ type: SaveCheckpointInputType, required: true }) },
    resolve: (_parent, { input }, context) => saveCheckpoint(context, context.caller, input),
  }),
)

const ClearCheckpointInputType = builder.inputType('ClearCheckpointInput', {
  description: 'Which checkpoint to forget.',
  fields: (t) => ({
    userId: t.string({ required: true }),
    stream: t.string({ defaultValue: DEFAULT_STREAM }),
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
  types: [ClearCheckpointSuccess, InvalidInputError],
  resolveType: () => 'ClearCheckpointSuccess',
})

builder.mutationField('clearCheckpoint', (t) =>
  t.field({
    type: ClearCheckpointResult,
    description: 'Forgets the checkpoint of a user and stream.',
    args: { input: t.arg({ type: ClearCheckpointInputType, required: true }) },
    resolve: (_parent, { input }, { database, caller }) => clearCheckpoint(database, caller, input),
  }),
)
