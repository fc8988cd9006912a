import { builder } from '../../graphql/builder.ts'
import { userError } from '../../graphql/errors.ts'
import { CrawlPauseType } from './graphql.ts'
import { StreamPausedError } from './model.ts'

builder.objectType(StreamPausedError, {
  ...userError({
    name: 'StreamPausedError',
    code: 'STREAM_PAUSED',
    meaning: 'The list is paused.',
    description: 'The list is paused. Start when the pause ends, or ask an operator to unpause it.',
  }),
  fields: (t) => ({
    pause: t.field({ type: CrawlPauseType, description: 'The pause.', resolve: ({ pause }) => pause }),
  }),
})
