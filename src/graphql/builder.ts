import SchemaBuilder from '@pothos/core'
import ErrorsPlugin from '@pothos/plugin-errors'
import PrismaPlugin from '@pothos/plugin-prisma'
import RelayPlugin from '@pothos/plugin-relay'
import ValidationPlugin from '@pothos/plugin-validation'
import { z } from 'zod'
import { Fault } from '../errors/fault.ts'
import type { Context } from './context.ts'
import { getDatamodel } from './generated/pothos-types.ts'
import type PrismaTypes from './generated/pothos-types.ts'
import { decodeNodeId, encodeNodeId } from './node-id.ts'
import { pageDescriptions } from './page-descriptions.ts'
import { DateTime } from './scalars.ts'
import ScopePlugin from './scope-plugin.ts'

const NODES_AT_ONCE = 100

/** The builder that every type of the API is made with. This file defines no type but the DateTime scalar. */
export const builder = new SchemaBuilder<{
  Context: Context
  PrismaTypes: PrismaTypes
  Scalars: { DateTime: { Input: Date; Output: Date }; ID: { Input: string; Output: string } }
  DefaultFieldNullability: false
  DefaultEdgesNullability: { list: false; items: false }
  Connection: { totalCount: () => Promise<number>; feedCursor?: string }
}>({
  // The errors plugin comes first: it must wrap what the other plugins make of a resolver.
  plugins: [ErrorsPlugin, ScopePlugin, PrismaPlugin, RelayPlugin, ValidationPlugin],
  defaultFieldNullability: false,
  prisma: {
    client: ({ database }) => database.prisma,
    dmmf: getDatamodel(),
    exposeDescriptions: false,
  },
  relay: {
    clientMutationId: 'omit',
    cursorType: 'String',
    ...pageDescriptions,
    encodeGlobalID: encodeNodeId,
    decodeGlobalID: decodeNodeId,
    nodeQueryOptions: {
      scope: 'read',
      args: { id: { description: 'The `id` of an object, as an earlier answer gave it.' } },
      description: 'The object with this `id`. Null: there is none, or not any more.',
    },
    nodesQueryOptions: {
      scope: 'read',
      args: { ids: { description: `The ids of the objects, at most ${NODES_AT_ONCE}.` } },
      validate: z.looseObject({
        ids: z.array(z.unknown()).max(NODES_AT_ONCE, `must not be more than ${NODES_AT_ONCE} at once`),
      }),
      description:
        'The objects with these ids, in the order of the ids. Null in a place: there is none, or not any more.',
    },
    idFieldOptions: { description: 'An opaque ID, unique among all objects of this API. It never changes.' },
    nodeTypeOptions: { description: 'An object with an `id`, by which `node` reads it again.' },
    pageInfoTypeOptions: { description: 'The place of a page in its list.' },
  },
  validation: {
    validationError: ({ issues }) => new Fault('BAD_USER_INPUT', issues.map(describeIssue).join('; ')),
  },
})

function describeIssue({ path, message }: { path?: readonly unknown[] | undefined; message: string }): string {
  const where = (path ?? []).map((part) => String(typeof part === 'object' && part && 'key' in part ? part.key : part))
  return where.length > 0 ? `${where.join('.')}: ${message}` : message
}

builder.addScalarType('DateTime', DateTime)
builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description:
      'The number of nodes in the whole list. Select it only where you need it: counting takes time in proportion to ' +
      'the rows.',
    resolve: ({ totalCount }) => totalCount(),
  }),
)
builder.queryType({ description: 'All reads. They change nothing.' })
builder.mutationType({
  description:
    'All writes. An expected refusal is a member of the result union: select `... on UserError { code message }` ' +
    'everywhere. Other failures are top-level errors with `extensions.code`.',
})
builder.subscriptionType({
  description:
    'All feeds of changes. With `after`, a feed continues where a list was read or an earlier subscription ended.',
})
