import { builder } from '../../graphql/builder.ts'
import { StreamType } from '../../stream/graphql-streams.ts'
import { CheckpointType } from './graphql.ts'
import { createCheckpointLoaders } from './loaders.ts'

builder.objectField(StreamType, 'oldestCheckpoint', (t) =>
  t.field({
    type: CheckpointType,
    nullable: true,
    description:
      'The checkpoint of any user with the earliest `lastCrawledAt`. Its age is the lag of the stream. Null: there ' +
      'is no checkpoint.',
    resolve: ({ name }, _args, { loaders }) => loaders.of(createCheckpointLoaders).oldestOfStream.load(name),
  }),
)
