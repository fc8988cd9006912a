import { InvalidInputError } from '../../errors/domain-error.ts'
import { builder } from '../../graphql/builder.ts'
import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { StreamBusyError } from '../session/model.ts'
import { importCheckpoints, type ImportedCheckpoint } from './service.ts'

const ImportCatchUpInputType = builder.inputType('ImportCatchUpInput', {
  description: 'An unfinished catch-up, as `Checkpoint.catchUp` gave it.',
  fields: (t) => ({
    lastItemId: t.string({ description: 'The last item that it processed. Null: none yet.' }),
    pageToken: t.string({ description: "The platform's token of its next page, at most 8 KiB. Null: there is none." }),
    headItemIds: t.stringList({ required: true, description: 'The newest items when it began, at most 50.' }),
    startedAt: t.field({ type: 'DateTime', required: true, description: 'When its session saved first.' }),
  }),
})

const ImportCheckpointInputType = builder.inputType('ImportCheckpointInput', {
  description:
    'The whole state of a list and its pause, field by field as `Checkpoint` gave it. Times are from the year 2000 to ' +
    '24 hours ahead.',
  fields: (t) => ({
    userId: t.string({ required: true, description: 'The user whose list it is. A missing user is registered.' }),
    stream: t.string({ required: true, description: STREAM_DESCRIPTION }),
    lastItemId: t.string({ required: true, description: 'The ID of the last item that was processed.' }),
    bookmarksCount: t.int({ required: true, description: 'The total of bookmarks processed so far, 0 to 2^31 - 1.' }),
    lastCrawledAt: t.field({ type: 'DateTime', required: true, description: 'When the list was last crawled.' }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When the checkpoint was created. Null: as it is now, or now for a new one.',
    }),
    lastCompletedAt: t.field({ type: 'DateTime', description: 'When a crawl last completed here. Null: never.' }),
    pageToken: t.string({ description: "The platform's token of the next page, at most 8 KiB. Null: there is none." }),
    headItemIds: t.stringList({
      required: true,
      description: 'The head of the unfinished crawl, newest first, at most 50. Empty: there is none.',
    }),
    anchorItemIds: t.stringList({
      required: true,
      description: 'The head of the last crawl that completed, newest first, at most 50. Empty: there is none.',
    }),
    complete: t.boolean({ required: true, description: 'Whether the crawl reached its end.' }),
    fullPass: t.boolean({
      defaultValue: false,
      description: 'Whether a full pass is unfinished. Not with `complete`.',
    }),
    fullPassHasItem: t.boolean({
      defaultValue: false,
      description: 'Whether the full pass has saved an item. Only with `fullPass`.',
    }),
    catchUp: t.field({
      type: ImportCatchUpInputType,
      description: 'The unfinished catch-up. Null: there is none. Not with `complete`.',
    }),
    pausedUntil: t.field({
      type: 'DateTime',
      description: 'When the pause ends, at most 400 days ahead. Null, or a time that is over: the list is not paused.',
    }),
    pauseReason: t.string({ description: 'The reason of the pause, up to 500 characters. Only with `pausedUntil`.' }),
    pausedBy: t.string({
      description: 'The subject who paused the list. Only with `pausedUntil`. Null: the caller.',
    }),
  }),
})

const ImportCheckpointSuccess = builder.objectRef<ImportedCheckpoint>('ImportCheckpointSuccess').implement({
  description: 'The list has this state now.',
  fields: (t) => ({
    checkpoint: t.field({
      type: CheckpointType,
      description: 'The checkpoint as it was written.',
      resolve: ({ checkpoint }) => checkpoint,
    }),
    created: t.exposeBoolean('created', {
      description: 'Whether the import created the checkpoint. False: it overwrote one.',
    }),
  }),
})

const ImportCheckpointResult = builder.errorUnion('ImportCheckpointResult', {
  description: 'The result of one import.',
  types: [ImportCheckpointSuccess, InvalidInputError, StreamBusyError],
  resolveType: () => 'ImportCheckpointSuccess',
})

builder.mutationField('importCheckpoints', (t) =>
  t.field({
    type: [ImportCheckpointResult],
    scope: 'operate',
    description:
      'Writes the states of up to 10,000 lists as they are given, over what is there: an export, imported into an empty ' +
      'database, is the same when it is exported again. Each has a result of its own, in order. After a fault, send all ' +
      'again: it gives the same state. History and sessions are no part of it.',
    args: {
      inputs: t.arg({
        type: [ImportCheckpointInputType],
        required: true,
        description:
          'The states, at most 10,000. A request has at most 1 MiB: about 400 states with full heads, or 3,000 small ones.',
      }),
    },
    resolve: (_parent, { inputs }, { database, clock, caller }) => importCheckpoints(database, clock, caller, inputs),
  }),
)
