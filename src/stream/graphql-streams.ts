import { InvalidInputError } from '../errors/domain-error.ts'
import { builder } from '../graphql/builder.ts'
import { PlatformEnum } from './graphql.ts'
import { platformOf, type Stream } from './model.ts'
import { allStreams, configureStream } from './service.ts'
import { findStreams } from './settings-store.ts'

const ItemOrderingEnum = builder.enumType('ItemOrdering', {
  description: 'Whether the item IDs that are saved in a stream must grow.',
  values: {
    NONE: {
      value: 'none',
      description:
        'They need not. Bookmark lists are in the order of bookmarking: an old tweet bookmarked now has a lower ID.',
    },
    ASCENDING: {
      value: 'ascending',
      description:
        "A save below the stored item is ORDER_VIOLATION, compared as the platform's IDs compare. INVALID_INPUT where they don't.",
    },
  } as const,
})

export const StreamType = builder.node(builder.objectRef<Stream>('Stream'), {
  description: 'A list that is crawled, of however many users.',
  id: { resolve: ({ name }) => name, description: 'Opaque and global; the natural key is the name.' },
  loadManyWithoutCache: async (names, { database, caller }) => {
    const found = new Map((await findStreams(database, caller.userIds, names)).map((stream) => [stream.name, stream]))
    return names.map((name) => found.get(name))
  },
  fields: (t) => ({
    name: t.exposeString('name', { description: '"<platform>/<list>", e.g. twitter/bookmarks, reddit/saved.' }),
    platform: t.field({
      type: PlatformEnum,
      description: 'Read from the name.',
      resolve: ({ name }) => platformOf(name).name,
    }),
    ordering: t.expose('ordering', {
      type: ItemOrderingEnum,
      description: 'NONE until configureStream says otherwise.',
    }),
  }),
})

builder.queryField('streams', (t) =>
  t.field({
    type: [StreamType],
    scope: 'read',
    description: 'Each stream that has a checkpoint, a session or a setting, by name.',
    resolve: (_parent, _args, { database, caller }) => allStreams(database, caller),
  }),
)

const ConfigureStreamInputType = builder.inputType('ConfigureStreamInput', {
  description: 'What a stream demands of its saves.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'It need not have been crawled yet.' }),
    ordering: t.field({ type: ItemOrderingEnum, required: true }),
  }),
})

const ConfigureStreamSuccess = builder.objectRef<{ stream: Stream }>('ConfigureStreamSuccess').implement({
  description: 'Saves from now on are judged by it; what is stored stays.',
  fields: (t) => ({ stream: t.field({ type: StreamType, resolve: ({ stream }) => stream }) }),
})

const ConfigureStreamResult = builder.errorUnion('ConfigureStreamResult', {
  description: 'What became of configureStream.',
  types: [ConfigureStreamSuccess, InvalidInputError],
  resolveType: () => 'ConfigureStreamSuccess',
})

builder.mutationField('configureStream', (t) =>
  t.field({
    type: ConfigureStreamResult,
    scope: 'operate',
    description: 'Sets what a stream demands of its saves, for all users.',
    args: { input: t.arg({ type: ConfigureStreamInputType, required: true }) },
    resolve: async (_parent, { input }, { database, caller }) => {
      const configured = await configureStream(database, caller, input)
      return configured instanceof Error ? configured : { stream: configured }
    },
  }),
)
