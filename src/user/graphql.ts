import { builder } from '../graphql/builder.ts'
import { InvalidInputError } from '../domain-error.ts'
import { requireIdentifier } from '../graphql/arguments.ts'
import { pageArgumentsSchema, toConnection, toKeysetPage } from '../graphql/paging.ts'
import { requireScope } from '../caller.ts'
import { registerUser } from './service.ts'
import { countUsers, listUsers } from './store.ts'

export const UserType = builder.prismaNode('User', {
  description: 'Somebody whose lists are crawled.',
  id: { field: 'userId', description: 'Opaque and global; the natural key is userId.' },
  nullable: true,
  fields: (t) => ({
    userId: t.exposeString('userId', { description: "The natural key: public.user's id." }),
  }),
})

builder.queryField('user', (t) =>
  t.prismaField({
    type: 'User',
    nullable: true,
    description: 'A user by their ID. null: there is none.',
    args: { userId: t.arg.string({ required: true }) },
    resolve: (query, _parent, { userId }, { caller, database }) => {
      requireScope(caller, 'read')
      return database.prisma.user.findUnique({ ...query, where: { userId: requireIdentifier('userId', userId) } })
    },
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
      description: 'All users, by ID.',
      validate: pageArgumentsSchema,
      resolve: async (_parent, args, { caller, database }) => {
        requireScope(caller, 'read')
        const page = toKeysetPage('users', 1, args)
        return toConnection('users', page, await listUsers(database, page), () => countUsers(database))
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
    description: 'Makes a user known, so that their lists can be crawled. Again for a known one: returns it.',
    args: { input: t.arg({ type: RegisterUserInputType, required: true }) },
    resolve: async (_parent, { input }, { caller, database }) => {
      const user = await registerUser(database, caller, input)
      return user instanceof Error ? user : { user }
    },
  }),
)
