import { builder } from '../../graphql/builder.ts'
import type { EndReason } from './model.ts'
import type { StallReason } from './stall.ts'

export const SessionStatusEnum = builder.enumType('CrawlSessionStatus', {
  description: 'The state of a session.',
  values: {
    RUNNING: { value: 'running', description: 'It has started and not ended.' },
    COMPLETED: { value: 'completed', description: 'It reached the end of what there was to crawl.' },
    STOPPED: { value: 'stopped', description: 'It ended early, as it was asked to.' },
    FAILED: { value: 'failed', description: 'It could not continue. `errorMessage` says why.' },
  } as const,
})

export const SessionEndReasonEnum = builder.enumType('SessionEndReason', {
  description: 'What ended a session.',
  values: {
    REPORTED: { description: 'The crawler ended it.' },
    LEASE_EXPIRED: { description: 'Its lease ran out without a sign of life.' },
    TAKEN_OVER: { description: 'Another session took the stream.' },
  } satisfies Record<EndReason, { description: string }>,
})

export const StallReasonEnum = builder.enumType('StallReason', {
  description: 'Why a live session makes no progress.',
  values: {
    NO_PROGRESS: {
      description: 'Neither its position nor its page token has moved for 5 leases, and it is not rate limited.',
    },
    LOOP: {
      description:
        'Its page tokens go round: a token that was kept has come back three times. Or 100 of its saves in a row had ' +
        'no item. It lasts until the session ends; without items, until a save has one. It goes before NO_PROGRESS.',
    },
  } satisfies Record<StallReason, { description: string }>,
})
