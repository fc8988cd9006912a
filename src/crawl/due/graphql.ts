import { builder } from '../../graphql/builder.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { forwardArguments } from '../../graphql/page-descriptions.ts'
import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { requireStream } from '../../stream/model.ts'
import { CheckpointType } from '../checkpoint/graphql.ts'
import { checkpointReadingOf } from '../checkpoint/graphql-reading.ts'
import { createCheckpointLoaders } from '../checkpoint/loaders.ts'
import { createDueLoaders } from './loaders.ts'
import type { DueList } from './model.ts'
import { countDue, listDue } from './store.ts'

const DueListType = builder.objectRef<DueList>('DueList').implement({
  description: 'A list that may be crawled now: it is neither running nor paused, nor completed since.',
  fields: (t) => ({
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', { description: STREAM_DESCRIPTION }),
    checkpoint: t.field({
      type: CheckpointType,
      nullable: true,
      description: 'The checkpoint of the list. Null: none is saved.',
      resolve: ({ userId, stream }, _args, { loaders }, info) =>
        loaders.of(createCheckpointLoaders).byKey[checkpointReadingOf(info)].load({ userId, stream }),
    }),
    lastStartedAt: t.expose('lastStartedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a session was last started on the list. Null: never.',
    }),
    failuresInARow: t.int({
      description:
        'How many sessions of the list have failed since the last one that did not, at most 100. Wait longer before the ' +
        'next start the more there are.',
      resolve: ({ userId, stream }, _args, { loaders }) =>
        loaders.of(createDueLoaders).failuresInARow.load({ userId, stream }),
    }),
  }),
})

const DueListConnection = builder.connectionObject(
  { type: DueListType, name: 'DueListConnection', description: 'A page of lists that are due.' },
  { name: 'DueListEdge', description: 'A list that is due in a page, with its cursor.' },
)

/** The name in the cursors. */
const LIST = 'dueLists'

builder.queryField('dueLists', (t) =>
  t.field({
    type: DueListConnection,
    scope: 'read',
    description:
      'What a scheduler asks for: the lists of all registered users, with or without a checkpoint, that are neither ' +
      'running nor paused nor completed since a time. Those that were never started come first, by `userId`. Then come ' +
      'those that were started, longest ago first, so that a list that fails each time starves nobody. A list that is ' +
      'started while you read the pages leaves the list, and may come again at its end: `startedBefore` prevents that.',
    args: {
      stream: t.arg.string({ required: true, description: STREAM_DESCRIPTION }),
      completedBefore: t.arg({
        type: 'DateTime',
        required: true,
        description: 'Lists that have not completed at this time or later, or never did.',
      }),
      startedBefore: t.arg({
        type: 'DateTime',
        description: 'Lists that were not started at this time or later, or never were. Default: whenever.',
      }),
      first: t.arg.int(forwardArguments.first),
      after: t.arg.string(forwardArguments.after),
    },
    validate: pageArgumentsSchema,
    resolve: async (_parent, args, { caller, database, loaders }) => {
      const query = {
        stream: requireStream('stream', args.stream),
        completedBefore: args.completedBefore,
        startedBefore: args.startedBefore ?? undefined,
      }
      const page = toKeysetPage(LIST, ['time', 'text'], args)
      const { keptScans } = loaders.of(createDueLoaders)
      const lists = await listDue(database, caller.userIds, keptScans, query, page)
      return toConnection(LIST, page, lists, () => countDue(database, caller.userIds, query))
    },
  }),
)
