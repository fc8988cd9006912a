import { queryFromInfo } from '@pothos/plugin-prisma'
import { keysetArguments, pageOf } from '../database/keyset.ts'
import { reachWhere } from '../database/reach.ts'
import { builder } from '../graphql/builder.ts'
import { InvalidInputError } from '../errors/domain-error.ts'
import { requireIdentifier } from '../graphql/arguments.ts'
import { userError } from '../graphql/errors.ts'
import { NODE_PATHS, pageArgumentsSchema, toConnection, toKeysetPage } from '../graphql/paging.ts'
import { createUserLoaders } from './loaders.ts'
import { UserNotFoundError } from './model.ts'
import { registerUser } from './service.ts'
import { countUsers } from './store.ts'

export const UserType = builder.prismaNode('User', {
  description: 'A person whose lists are crawled.',
  id: { resolve: ({ userId }) => userId, description: 'An opaque global ID. The natural key is `userId`.' },
  findUnique: (userId, { caller }) => ({ userId, ...reachWhere(caller.userIds) }),
  nullable: true,
  fields: (t) => ({
    userId: t.exposeString('userId', { description: 'The natural key: the `id` in the table public.user.' }),
  }),
})

/** The options of the field `user` of whatever belongs to a user. */
export const userOptions = {
  type: UserType,
  description: 'The user whose list it is.',
  // The foreign key guarantees that the user exists, and the ID is all that a user has: no statement is needed.
  resolve: ({ userId }: { readonly userId: string }) => ({ userId }),
}

builder.objectType(UserNotFoundError, {
  ...userError({
    name: 'UserNotFoundError',
    code: 'USER_NOT_FOUND',
    meaning: 'The user does not exist.',
    description: 'The user does not exist. Call registerUser first.',
  }),
})

builder.queryField('user', (t) =>
  t.field({
    type: UserType,
    scope: 'read',
    nullable: true,
    description: 'The user with this ID. Null: there is none.',
    args: { userId: t.arg.string({ required: true, description: 'The natural key of the user.' }) },
    resolve: (_parent, { userId }, { loaders }) =>
      loaders.of(createUserLoaders).byId.load(requireIdentifier('userId', userId)),
  }),
)

export const UserConnection = builder.connectionObject(
  { type: UserType, name: 'UserConnection', description: 'A page of users.' },
  { name: 'UserEdge', description: 'A user in a page, with its cursor.' },
)

builder.queryField('users', (t) =>
  t.connection(
    {
      type: UserType,
      scope: 'read',
      description: 'All users that the caller can reach, in the order of `userId`.',
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, context, info) => {
        const { user } = context.database.prisma
        const isReached = reachWhere(context.caller.userIds)
        const page = toKeysetPage('users', ['text'], args)
        const { where, ...paged } = keysetArguments('userId', 'ASC', page, String)
        const query = queryFromInfo({ context, info, paths: NODE_PATHS })
        const rows = await user.findMany({ ...query, ...paged, where: { ...where, ...isReached } })
        const users = pageOf(rows, page, (node) => ({ node, position: [node.userId] }))
        return toConnection('users', page, users, () => countUsers(context.database, context.caller.userIds))
      },
    },
    UserConnection,
  ),
)

const RegisterUserInputType = builder.inputType('RegisterUserInput', {
  description: 'The user to register.',
  fields: (t) => ({
    userId: t.string({
      required: true,
      description: 'The natural key: 1 to 255 characters, none of them a control character.',
    }),
  }),
})

const RegisterUserSuccess = builder.objectRef<{ user: { userId: string } }>('RegisterUserSuccess').implement({
  description: 'The user is registered.',
  fields: (t) => ({
    user: t.field({
      type: UserType,
      resolve: ({ user }) => user,
      description: 'The user, new or known before.',
    }),
  }),
})

const RegisterUserResult = builder.errorUnion('RegisterUserResult', {
  description: 'The result of registerUser.',
  types: [RegisterUserSuccess, InvalidInputError],
  resolveType: () => 'RegisterUserSuccess',
})

builder.mutationField('registerUser', (t) =>
  t.field({
    type: RegisterUserResult,
    scope: 'operate',
    description:
      'Registers a user, so that the lists of this user can be crawled. Registering a known user changes nothing.',
    args: { input: t.arg({ type: RegisterUserInputType, required: true, description: 'The user to register.' }) },
    resolve: async (_parent, { input }, { caller, database }) => {
      const user = await registerUser(database, caller, input)
      return user instanceof Error ? user : { user }
    },
  }),
)
