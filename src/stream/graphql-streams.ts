import { InvalidInputError } from '../errors/domain-error.ts'
import { builder } from '../graphql/builder.ts'
import { PlatformEnum, STREAM_DESCRIPTION } from './graphql.ts'
import { platformOf, type Stream } from './model.ts'
import { allStreams, configureStream } from './service.ts'
import { findStreams } from './settings-store.ts'

export const ItemOrderingEnum = builder.enumType('ItemOrdering', {
  description: 'The order that the item IDs of successive saves must keep.',
  values: {
    NONE: {
      value: 'none',
      description: 'No order. Right for bookmark lists: a tweet that is bookmarked today may be old and have a low ID.',
    },
    ASCENDING: {
      value: 'ascending',
      description:
        'Rising. A save whose item ID is below the stored one is ORDER_VIOLATION. Not possible on platforms whose ' +
        'IDs have no order (YOUTUBE and OTHER).',
    },
  } as const,
})

export const StreamType = builder.node(builder.objectRef<Stream>('Stream'), {
  description: 'A list of a platform that is crawled, for any number of users.',
  id: { resolve: ({ name }) => name, description: 'An opaque global ID. The natural key is `name`.' },
  loadManyWithoutCache: async (names, { database, caller }) => {
    const found = new Map((await findStreams(database, caller.userIds, names)).map((stream) => [stream.name, stream]))
    return names.map((name) => found.get(name))
  },
  fields: (t) => ({
    name: t.exposeString('name', {
      description:
        'The natural key: "<platform>/<list>", at most 255 characters, e.g. reddit/saved. Two names that differ in the ' +
        'case of the list are two lists.',
    }),
    platform: t.field({
      type: PlatformEnum,
      description: 'The platform that the name begins with.',
      resolve: ({ name }) => platformOf(name).name,
    }),
    ordering: t.expose('ordering', {
      type: ItemOrderingEnum,
      description: 'The order that saves must keep. NONE until configureStream sets it.',
    }),
  }),
})

builder.queryField('streams', (t) =>
  t.field({
    type: [StreamType],
    scope: 'read',
    description: 'All streams that have a checkpoint, a session or a setting, in the order of their names.',
    resolve: (_parent, _args, { database, caller }) => allStreams(database, caller),
  }),
)

const ConfigureStreamInputType = builder.inputType('ConfigureStreamInput', {
  description: 'The settings of a stream.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: `${STREAM_DESCRIPTION} It need not have been crawled.`,
    }),
    ordering: t.field({
      type: ItemOrderingEnum,
      required: true,
      description: 'The order that saves must keep from now on.',
    }),
  }),
})

const ConfigureStreamSuccess = builder.objectRef<{ stream: Stream }>('ConfigureStreamSuccess').implement({
  description: 'The settings hold for saves from now on. Stored data stay as they are.',
  fields: (t) => ({
    stream: t.field({
      type: StreamType,
      description: 'The stream with its new settings.',
      resolve: ({ stream }) => stream,
    }),
  }),
})

const ConfigureStreamResult = builder.errorUnion('ConfigureStreamResult', {
  description: 'The result of configureStream.',
  types: [ConfigureStreamSuccess, InvalidInputError],
  resolveType: () => 'ConfigureStreamSuccess',
})

builder.mutationField('configureStream', (t) =>
  t.field({
    type: ConfigureStreamResult,
    scope: 'operate',
    description: 'Sets which order the saves of a stream must keep, for all users.',
    args: {
      input: t.arg({ type: ConfigureStreamInputType, required: true, description: 'The stream and its settings.' }),
    },
    resolve: async (_parent, { input }, { database, caller }) => {
      const configured = await configureStream(database, caller, input)
      return configured instanceof Error ? configured : { stream: configured }
    },
  }),
)
