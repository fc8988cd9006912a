import { builder } from '../graphql/builder.ts'
import type { Principal } from '../identity/principal.ts'

const ViewerType = builder.objectRef<Principal>('Viewer').implement({
  description: 'The caller, as the server knows it.',
  fields: (t) => ({
    subject: t.exposeString('subject', {
      description:
        'The name of the caller: "local", "key:<client>" or "jwt:<subject>". The history keeps it as `actor`.',
    }),
    scopes: t.stringList({
      description: 'What the caller may do: read, crawl, operate, admin.',
      resolve: ({ scopes }) => [...scopes],
    }),
    userIds: t.stringList({
      nullable: true,
      description: 'The users whose data the caller can reach. Null: all users.',
      resolve: ({ userIds }) => (userIds === 'all' ? null : [...userIds].sort()),
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: "When the caller's key or token expires. Null: never.",
    }),
  }),
})

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    scope: 'none',
    description: 'The caller of this request. Needs no scope.',
    resolve: (_parent, _args, { caller }) => caller,
  }),
)
