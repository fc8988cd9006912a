import { InvalidInputError } from '../../errors/domain-error.ts'
import { builder } from '../../graphql/builder.ts'
import { SessionStatusEnum } from './graphql-status.ts'
import { pruneSessions } from './prune.ts'

const PruneSessionsInputType = builder.inputType('PruneSessionsInput', {
  description: 'Conditions on the sessions to delete. All that are given must hold.',
  fields: (t) => ({
    completedBefore: t.field({
      type: 'DateTime',
      required: true,
      description: 'Sessions whose `completedAt` is earlier. Sessions that ended less than 24 hours ago always stay.',
    }),
    status: t.field({
      type: [SessionStatusEnum],
      description: 'Sessions in one of these statuses. RUNNING and an empty list match none. Default: all but RUNNING.',
    }),
    userId: t.string({ description: 'Sessions of this user.' }),
    stream: t.string({ description: 'Sessions of this stream.' }),
    dryRun: t.boolean({ defaultValue: false, description: 'True: count the sessions and delete nothing.' }),
  }),
})

const PruneSessionsSuccess = builder.objectRef<{ count: number }>('PruneSessionsSuccess').implement({
  description: 'The sessions are deleted. Checkpoints and their history stay.',
  fields: (t) => ({
    count: t.exposeInt('count', { description: 'How many were deleted. In a dry run: how many would be.' }),
  }),
})

const PruneSessionsResult = builder.errorUnion('PruneSessionsResult', {
  description: 'The result of pruneSessions.',
  types: [PruneSessionsSuccess, InvalidInputError],
  resolveType: () => 'PruneSessionsSuccess',
})

builder.mutationField('pruneSessions', (t) =>
  t.field({
    type: PruneSessionsResult,
    scope: 'operate',
    description: 'Deletes old sessions that have ended. Feeds deliver a DELETED event for each.',
    args: { input: t.arg({ type: PruneSessionsInputType, required: true, description: 'The conditions.' }) },
    resolve: async (_parent, { input }, { database, caller }) => {
      const pruned = await pruneSessions(database, caller, input)
      return pruned instanceof Error ? pruned : { count: pruned }
    },
  }),
)
