import { builder } from '../../graphql/builder.ts'
import { userError } from '../../graphql/errors.ts'
import { CatchUpImpossibleError } from './model.ts'

builder.objectType(CatchUpImpossibleError, {
  ...userError({
    name: 'CatchUpImpossibleError',
    code: 'CATCH_UP_IMPOSSIBLE',
    meaning: 'A catch-up has nowhere to stop.',
    description:
      'The unfinished crawl has no head of at least two items, or the stream is ASCENDING. Start with the mode AUTO.',
  }),
})
