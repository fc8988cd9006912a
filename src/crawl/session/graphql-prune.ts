import { InvalidInputError } from '../../errors/domain-error.ts'
import { builder } from '../../graphql/builder.ts'
import { SessionStatusEnum } from './graphql.ts'
import { pruneSessions } from './prune.ts'

const PruneSessionsInputType = builder.inputType('PruneSessionsInput', {
  description: 'Which ended sessions to delete; all that is given must hold.',
  fields: (t) => ({
    completedBefore: t.field({
      type: 'DateTime',
      required: true,
      description: 'completedAt earlier than this. Those that ended less than 24 h ago stay in any case.',
    }),
    status: t.field({
      type: [SessionStatusEnum],
      description: 'In one of these statuses; an empty list, or RUNNING, matches none. Default: any but RUNNING.',
    }),
    userId: t.string({ description: 'Of this user only.' }),
    stream: t.string({ description: 'Of this stream only.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'true: delete nothing, and tell how many would be.' }),
  }),
})

const PruneSessionsSuccess = builder.objectRef<{ count: number }>('PruneSessionsSuccess').implement({
  description: 'They are gone; checkpoints and their history stay.',
  fields: (t) => ({ count: t.exposeInt('count', { description: 'How many; in a dry run, how many would be.' }) }),
})

const PruneSessionsResult = builder.errorUnion('PruneSessionsResult', {
  description: 'What became of pruneSessions.',
  types: [PruneSessionsSuccess, InvalidInputError],
  resolveType: () => 'PruneSessionsSuccess',
})

builder.mutationField('pruneSessions', (t) =>
  t.field({
    type: PruneSessionsResult,
    scope: 'operate',
    description: 'Deletes old sessions that have ended. Their watchers hear of it.',
    args: { input: t.arg({ type: PruneSessionsInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) => {
      const pruned = await pruneSessions(database, caller, input)
      return pruned instanceof Error ? pruned : { count: pruned }
    },
  }),
)
