import { builder } from '../../graphql/builder.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../../graphql/paging.ts'
import { SessionType } from '../session/graphql.ts'
import { RevisionConnection, RevisionType } from './graphql.ts'
import { createRevisionCounts, createRevisionLoaders } from './session-revisions.ts'

builder.objectField(SessionType, 'revisions', (t) =>
  t.connection(
    {
      type: RevisionType,
      scope: 'read',
      description:
        'The versions of its checkpoint that this session wrote, newest first. The server prunes those that are older ' +
        'than its retention.',
      validate: pageArgumentsSchema,
      resolve: async ({ sessionId }, args, context) => {
        const page = toKeysetPage('revisions', ['version'], args)
        const revisions = await context.loaders.of(createRevisionLoaders).load({ sessionId, page })
        return toConnection('revisions', page, revisions, () =>
          context.ownLoaders.of(createRevisionCounts).load(sessionId),
        )
      },
    },
    RevisionConnection,
  ),
)
