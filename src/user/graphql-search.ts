import { requireIdentifier } from '../graphql/arguments.ts'
import { builder } from '../graphql/builder.ts'
import { forwardArguments } from '../graphql/page-descriptions.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../graphql/paging.ts'
import { UserConnection } from './graphql.ts'
import { countFoundUsers, searchUsers } from './search-store.ts'

/** The name in the cursors. */
const LIST = 'searchUsers'

builder.queryField('searchUsers', (t) =>
  t.field({
    type: UserConnection,
    scope: 'read',
    description:
      'The users whose `userId` begins with a text, in the order of its code points. Case counts, and `%` and `_` ' +
      'stand for themselves.',
    args: {
      prefix: t.arg.string({
        required: true,
        description: 'How the `userId` begins, at most 255 characters. An empty text: all users.',
      }),
      first: t.arg.int(forwardArguments.first),
      after: t.arg.string(forwardArguments.after),
    },
    validate: pageArgumentsSchema,
    resolve: async (_parent, args, { caller, database }) => {
      const prefix = args.prefix === '' ? '' : requireIdentifier('prefix', args.prefix)
      const page = toKeysetPage(LIST, ['text'], args)
      const users = await searchUsers(database, caller.userIds, prefix, page)
      return toConnection(LIST, page, users, () => countFoundUsers(database, caller.userIds, prefix))
    },
  }),
)
