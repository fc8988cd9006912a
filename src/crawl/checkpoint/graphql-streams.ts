import { builder } from '../../graphql/builder.ts'
import { StreamType } from '../../stream/graphql-streams.ts'
import { CheckpointType } from './graphql.ts'
import { createCheckpointLoaders } from './loaders.ts'

builder.objectField(StreamType, 'oldestCheckpoint', (t) =>
  t.field({
    type: CheckpointType,
    nullable: true,
    description: "By lastCrawledAt, of all users: the stream's lag. null: it has no checkpoint.",
    resolve: ({ name }, _args, { loaders }) => loaders.of(createCheckpointLoaders).oldestOfStream.load(name),
  }),
)
