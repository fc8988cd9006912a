import { InvalidInputError } from '../../errors/domain-error.ts'
import { builder } from '../../graphql/builder.ts'
import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { checkpointNodeId } from '../checkpoint/graphql-node-id.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { type Checkpoint, CheckpointExistsError, CheckpointNotFoundError } from '../checkpoint/model.ts'
import { StreamBusyError } from '../session/model.ts'
import { moveCheckpoint, type MovedCheckpoints } from './service.ts'

const MoveCheckpointInputType = builder.inputType('MoveCheckpointInput', {
  description: 'From which user to which, and what: exactly one of `stream` and `allStreams: true`.',
  fields: (t) => ({
    fromUserId: t.string({ required: true, description: 'The user who has the checkpoint.' }),
    toUserId: t.string({ required: true, description: 'The user who gets it. The user must be registered.' }),
    stream: t.string({ description: STREAM_DESCRIPTION }),
    allStreams: t.boolean({
      defaultValue: false,
      description: 'True: every stream on which the user has a checkpoint. All are moved, or none.',
    }),
    dryRun: t.boolean({ defaultValue: false, description: 'True: tell what would happen, and write nothing.' }),
  }),
})

const MovedCheckpoint = builder
  .objectRef<{ readonly checkpoint: Checkpoint; readonly fromUserId: string }>('MovedCheckpoint')
  .implement({
    description: 'A checkpoint that has another user now.',
    fields: (t) => ({
      checkpoint: t.field({
        type: CheckpointType,
        description: 'The checkpoint of the new user; in a dry run, as it would be.',
        resolve: ({ checkpoint }) => checkpoint,
      }),
      previousNodeId: t.id({
        description: 'The `id` that the checkpoint had, so that caches can drop it.',
        resolve: ({ checkpoint, fromUserId }) => checkpointNodeId({ userId: fromUserId, stream: checkpoint.stream }),
      }),
    }),
  })

const MoveCheckpointSuccess = builder.objectRef<MovedCheckpoints>('MoveCheckpointSuccess').implement({
  description: 'The checkpoints have another user. Sessions and history stay with the old one.',
  fields: (t) => ({
    moved: t.field({
      type: [MovedCheckpoint],
      description: 'The checkpoints, in the order of their stream names.',
      resolve: ({ fromUserId, checkpoints }) => checkpoints.map((checkpoint) => ({ checkpoint, fromUserId })),
    }),
  }),
})

const MoveCheckpointResult = builder.errorUnion('MoveCheckpointResult', {
  description: 'The result of moveCheckpoint.',
  types: [
    MoveCheckpointSuccess,
    InvalidInputError,
    UserNotFoundError,
    CheckpointNotFoundError,
    StreamBusyError,
    CheckpointExistsError,
  ],
  resolveType: () => 'MoveCheckpointSuccess',
})

builder.mutationField('moveCheckpoint', (t) =>
  t.field({
    type: MoveCheckpointResult,
    scope: 'operate',
    description:
      'Moves a checkpoint to another user, with its whole state and its pause. Sessions and history stay with the old ' +
      'user. Refused while a live session owns the list of either user, and where the new user has a checkpoint. A ' +
      'list that has only a pause or a kept page token is not moved.',
    args: {
      input: t.arg({ type: MoveCheckpointInputType, required: true, description: 'What to move, and to whom.' }),
    },
    resolve: (_parent, { input }, { database, caller }) => moveCheckpoint(database, caller, input),
  }),
)
