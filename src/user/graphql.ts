import { builder } from '../graphql/builder.ts'
import { InvalidInputError } from '../domain-error.ts'
import { requireIdentifier } from '../graphql/arguments.ts'
import { userError } from '../graphql/errors.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../graphql/paging.ts'
import { createUserLoaders } from './loaders.ts'
import { type User, UserNotFoundError } from './model.ts'
import { registerUser } from './service.ts'
import { countUsers, listUsers } from './store.ts'

// findUnique: null, here and in the other types: Prisma may read only where a resolver says so, and then within the caller's reach.
export const UserType = builder.prismaObject('User', {
  description: 'Somebody whose lists are crawled.',
  findUnique: null,
  fields: (t) => ({
    userId: t.exposeString('userId', { description: "The natural key: public.user's id." }),
  }),
})

builder.objectType(UserNotFoundError, {
  ...userError({
    name: 'UserNotFoundError',
    code: 'USER_NOT_FOUND',
    meaning: 'There is no such user.',
    description: 'There is no such user: register it first.',
  }),
})

builder.nodeRef(UserType, {
  id: { resolve: ({ userId }: User) => userId, description: 'Opaque and global; the natural key is userId.' },
  loadManyWithoutCache: (userIds, { loaders }) =>
    Promise.all(userIds.map((userId) => loaders.of(createUserLoaders).byId.load(userId))),
})

builder.queryField('user', (t) =>
  t.field({
    type: UserType,
    scope: 'read',
    nullable: true,
    description: 'A user by their ID. null: there is none.',
    args: { userId: t.arg.string({ required: true }) },
    resolve: (_parent, { userId }, { loaders }) =>
      loaders.of(createUserLoaders).byId.load(requireIdentifier('userId', userId)),
  }),
)

const UserConnection = builder.connectionObject(
  { type: UserType, name: 'UserConnection', description: 'A page of users.' },
  { name: 'UserEdge', description: 'A user in a page.' },
)

builder.queryField('users', (t) =>
  t.connection(
    {
      type: UserType,
      scope: 'read',
      description: 'All users, by ID.',
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, { caller, database }) => {
        const page = toKeysetPage('users', ['text'], args)
        return toConnection('users', page, await listUsers(database, caller.userIds, page), () =>
          countUsers(database, caller.userIds),
        )
      },
    },
    UserConnection,
  ),
)

const RegisterUserInputType = builder.inputType('RegisterUserInput', {
  description: 'A user to be known.',
  fields: (t) => ({
    userId: t.string({ required: true, description: '1 to 255 characters, no control characters.' }),
  }),
})

const RegisterUserSuccess = builder.objectRef<{ user: { userId: string } }>('RegisterUserSuccess').implement({
  description: 'The user is known.',
  fields: (t) => ({
    user: t.field({
      type: UserType,
      resolve: ({ user }) => user,
      description: 'Registering a known user again returns it.',
    }),
  }),
})

const RegisterUserResult = builder.errorUnion('RegisterUserResult', {
  description: 'What became of registerUser.',
  types: [RegisterUserSuccess, InvalidInputError],
  resolveType: () => 'RegisterUserSuccess',
})

builder.mutationField('registerUser', (t) =>
  t.field({
    type: RegisterUserResult,
    scope: 'operate',
    description: 'Makes a user known, so that their lists can be crawled. Again for a known one: returns it.',
    args: { input: t.arg({ type: RegisterUserInputType, required: true }) },
    resolve: async (_parent, { input }, { caller, database }) => {
      const user = await registerUser(database, caller, input)
      return user instanceof Error ? user : { user }
    },
  }),
)
