import { builder } from '../graphql/builder.ts'
import type { Principal } from '../identity/principal.ts'

const ViewerType = builder.objectRef<Principal>('Viewer').implement({
  description: 'Who calls, as the server sees it.',
  fields: (t) => ({
    subject: t.exposeString('subject', {
      description: '"local", "key:<client>" or "jwt:<subject>"; the actor of what it changes.',
    }),
    scopes: t.stringList({
      description: 'What it may do: read, crawl, operate, admin.',
      resolve: ({ scopes }) => [...scopes],
    }),
    userIds: t.stringList({
      nullable: true,
      description: 'The only users that exist for it; null: everybody.',
      resolve: ({ userIds }) => (userIds === 'all' ? null : [...userIds].sort()),
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its key or token runs out; null: never.',
    }),
  }),
})

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    scope: 'none',
    description: 'Who you are here. Needs no scope.',
    resolve: (_parent, _args, { caller }) => caller,
  }),
)
