import { requireIdentifier } from '../../graphql/arguments.ts'
import { builder } from '../../graphql/builder.ts'
import { requireStream } from '../../stream/model.ts'
import { activity, type ActivityBucket, type TimeBucket } from './activity.ts'

declare module '../../graphql/context.ts' {
  interface Context {
    /** How far back the history is promised to reach. */
    readonly historyRetentionDays: number
  }
}

const TimeBucketEnum = builder.enumType('TimeBucket', {
  description: 'How long a bucket of a chart is.',
  values: {
    MINUTE: { description: 'From one whole minute to the next.' },
    HOUR: { description: 'From one whole hour to the next, in UTC.' },
    DAY: { description: 'From midnight to midnight, in UTC.' },
  } satisfies Record<TimeBucket, { description: string }>,
})

const ActivityBucketType = builder.objectRef<ActivityBucket>('ActivityBucket').implement({
  description: 'What happened from its start to the next one.',
  fields: (t) => ({
    start: t.expose('start', { type: 'DateTime' }),
    bookmarksAdded: t.exposeFloat('bookmarksAdded', {
      description: 'Growth of bookmarksCount, of all checkpoints asked for; shrinking counts 0.',
    }),
    saves: t.exposeInt('saves', {
      description:
        'Changes of a checkpoint by a save, an import or another program. A save that changes nothing is none.',
    }),
    sessionsStarted: t.exposeInt('sessionsStarted'),
    sessionsCompleted: t.exposeInt('sessionsCompleted', { description: 'By completedAt, as the next two.' }),
    sessionsStopped: t.exposeInt('sessionsStopped'),
    sessionsFailed: t.exposeInt('sessionsFailed', { description: 'Those with a status that we don’t know, too.' }),
  }),
})

builder.queryField('activity', (t) =>
  t.field({
    type: [ActivityBucketType],
    scope: 'read',
    description:
      'What happened in each bucket that holds a moment from `from` up to, but not including, `to`; whole UTC buckets, empty ones included, at most 500. `from` must be within the retention of history. Pruned sessions are not counted.',
    extensions: { pricedItems: 500 },
    args: {
      from: t.arg({ type: 'DateTime', required: true }),
      to: t.arg({ type: 'DateTime', required: true, description: 'Exclusive; may be in the future.' }),
      bucket: t.arg({ type: TimeBucketEnum, required: true }),
      userId: t.arg.string({ description: 'Of this user only.' }),
      stream: t.arg.string({ description: 'Of this stream only.' }),
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
