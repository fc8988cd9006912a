import { builder } from '../../graphql/builder.ts'

export const SessionStatusEnum = builder.enumType('CrawlSessionStatus', {
  description: 'The state of a session.',
  values: {
    RUNNING: { value: 'running', description: 'It has started and not ended.' },
    COMPLETED: { value: 'completed', description: 'It reached the end of what there was to crawl.' },
    STOPPED: { value: 'stopped', description: 'It ended early, as it was asked to.' },
    FAILED: { value: 'failed', description: 'It could not continue. `errorMessage` says why.' },
  } as const,
})

export const END_REASONS = ['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER'] as const

export const SessionEndReasonEnum = builder.enumType('SessionEndReason', {
  description: 'What ended a session.',
  values: {
    REPORTED: { description: 'The crawler ended it.' },
    LEASE_EXPIRED: { description: 'Its lease ran out without a sign of life.' },
    TAKEN_OVER: { description: 'Another session took the stream.' },
  } satisfies Record<(typeof END_REASONS)[number], { description: string }>,
})
