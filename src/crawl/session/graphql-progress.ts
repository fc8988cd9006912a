import { builder } from '../../graphql/builder.ts'
import { fromWhole, SessionType } from './graphql.ts'
import { bookmarksPerSecond } from './model.ts'

export const CrawlMetricsInputType = builder.inputType('CrawlMetricsInput', {
  description: "A crawler's counts since its last report. Waymark adds them up.",
  fields: (t) => ({
    apiRequests: t.int({ description: 'Requests to the platform, 0 to 2^31 - 1.' }),
    rateLimitHits: t.int({ description: 'Requests that the platform refused by its rate limit, 0 to 2^31 - 1.' }),
  }),
})

/** The options of the input field `rateLimitedUntil`, of a save and a heartbeat. */
export const rateLimitedUntilOptions = {
  type: 'DateTime',
  description:
    'When the platform lets the crawler continue, at most 24 hours ahead. The lease lasts at least until then. ' +
    'Null: the crawler is not rate limited.',
} as const

builder.objectFields(SessionType, (t) => ({
  commits: t.int({
    description: 'The number of its saves that were accepted.',
    resolve: fromWhole((session) => session.commits),
  }),
  bookmarksPerSecond: t.float({
    nullable: true,
    description: 'The average rate from its first save to its last. Null: fewer than two saves.',
    resolve: fromWhole(bookmarksPerSecond),
  }),
  apiRequests: t.int({
    description: 'Requests to the platform: the sum of what it reported.',
    resolve: fromWhole((session) => session.apiRequests),
  }),
  rateLimitHits: t.int({
    description: 'Requests that the platform refused by its rate limit: the sum of what it reported.',
    resolve: fromWhole((session) => session.rateLimitHits),
  }),
}))
