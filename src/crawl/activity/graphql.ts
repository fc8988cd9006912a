import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { requireStream } from '../../stream/model.ts'
import { activity, type ActivityBucket, type TimeBucket } from './activity.ts'

declare module '../../graphql/context.ts' {
  interface Context {
    /** How many days of history are promised. */
    readonly historyRetentionDays: number
  }
}

const TimeBucketEnum = builder.enumType('TimeBucket', {
  description: 'The length of a bucket of a chart.',
  values: {
    MINUTE: { description: 'One whole minute.' },
    HOUR: { description: 'One whole hour in UTC.' },
    DAY: { description: 'One whole day in UTC.' },
  } satisfies Record<TimeBucket, { description: string }>,
})

const ActivityBucketType = builder.objectRef<ActivityBucket>('ActivityBucket').implement({
  description: 'One bucket of a chart: counts from `start` to the start of the next bucket.',
  fields: (t) => ({
    start: t.expose('start', {
      type: 'DateTime',
      description: 'The beginning of the bucket: a whole UTC minute, hour or day.',
    }),
    bookmarksAdded: t.exposeFloat('bookmarksAdded', {
      description: 'How much `bookmarksCount` of the checkpoints grew. One that shrank counts 0.',
    }),
    saves: t.exposeInt('saves', {
      description:
        'Changes of checkpoints by a save, an import or another program. A save that changes nothing does not count.',
    }),
    sessionsStarted: t.exposeInt('sessionsStarted', { description: 'Sessions that started in the bucket.' }),
    sessionsCompleted: t.exposeInt('sessionsCompleted', {
      description: 'Sessions that ended as COMPLETED in the bucket.',
    }),
    sessionsStopped: t.exposeInt('sessionsStopped', { description: 'Sessions that ended as STOPPED in the bucket.' }),
    sessionsFailed: t.exposeInt('sessionsFailed', {
      description: 'Sessions that ended in the bucket as FAILED, or in an unknown status.',
    }),
  }),
})

builder.queryField('activity', (t) =>
  t.field({
    type: [ActivityBucketType],
    scope: 'read',
    description:
      'What happened between `from` and `to`, in whole UTC buckets, empty ones included. At most 500 buckets, and ' +
      '`from` within the retention of the history. Pruned sessions are not counted.',
    extensions: { pricedItems: 500 },
    args: {
      from: t.arg({
        type: 'DateTime',
        required: true,
        description: 'The beginning, rounded down to the start of its bucket.',
      }),
      to: t.arg({
        type: 'DateTime',
        required: true,
        description: 'The end, which is not included. It may be in the future.',
      }),
      bucket: t.arg({ type: TimeBucketEnum, required: true, description: 'The length of each bucket.' }),
      userId: t.arg.string({ description: 'Count only this user.' }),
      stream: t.arg.string({ description: 'Count only this stream.' }),
    },
    resolve: (_parent, { from, to, bucket, userId, stream }, context) =>
      activity(context, context.caller, {
        from,
        to,
        bucket,
        userId: userId == null ? undefined : requireIdentifier('userId', userId),
        stream: stream == null ? undefined : requireStream('stream', stream),
      }),
  }),
)
