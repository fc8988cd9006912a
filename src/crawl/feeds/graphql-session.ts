import { STREAM_DESCRIPTION } from '../../stream/graphql.ts'
import { Fault } from '../../errors/fault.ts'
import { builder } from '../../graphql/builder.ts'
import { afterOptions } from '../../graphql/feed-options.ts'
import { encodeNodeId } from '../../graphql/node-id.ts'
import type { SESSION_EVENT_KINDS } from './session-feed.ts'
import { type SessionStatusEvent, watchSessions } from './session-feed.ts'
import { SessionType } from '../session/graphql.ts'
import { SessionStatusEnum } from '../session/graphql-status.ts'
import { SessionFilterInput, toSessionFilter } from '../session/graphql-lists.ts'
import { createSessionLoaders } from '../session/loaders.ts'

const SessionEventKindEnum = builder.enumType('SessionEventKind', {
  description: 'What happened to a session. More kinds may come.',
  values: {
    STARTED: { description: 'It was created.' },
    STATUS_CHANGED: { description: 'Its status changed.' },
    DELETED: { description: 'It was deleted.' },
    STOP_REQUESTED: { description: 'It was asked to stop. Its status did not change.' },
    STALLED: {
      description:
        'It has stalled: see `stallReason` of the session. Told once, within about a second. Its status did not change.',
    },
    RECOVERED: { description: 'It had stalled and makes progress again. Its status did not change.' },
    RATE_LIMITED: {
      description:
        'It reported `rateLimitedUntil`: with a save, or with the first such heartbeat since its last save. Its ' +
        'status did not change.',
    },
  } satisfies Record<(typeof SESSION_EVENT_KINDS)[number], { description: string }>,
})

const SessionStatusEventType = builder.objectRef<SessionStatusEvent>('SessionStatusEvent').implement({
  description: 'A change of a session, whoever made it: this API or another SQL client.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', {
      description: 'The place of this event in the feed. Send it as `after` to continue behind it.',
    }),
    kind: t.field({ type: SessionEventKindEnum, description: 'What happened.', resolve: ({ kind }) => kind }),
    occurredAt: t.expose('occurredAt', {
      type: 'DateTime',
      description: 'When it was written, by the clock of the database.',
    }),
    nodeId: t.id({
      description: 'The `id` of the session, also after it was deleted.',
      resolve: ({ sessionId }) => encodeNodeId('CrawlSession', sessionId),
    }),
    sessionId: t.exposeString('sessionId', { description: 'The natural key of the session.' }),
    userId: t.exposeString('userId', { description: 'The natural key of the user.' }),
    stream: t.exposeString('stream', {
      description: STREAM_DESCRIPTION,
    }),
    previousStatus: t.field({
      type: SessionStatusEnum,
      nullable: true,
      description: 'The status before this event. Null: the session has just been created.',
      resolve: ({ previousStatus }) => previousStatus,
    }),
    status: t.field({
      type: SessionStatusEnum,
      description: 'The status as of this event. After DELETED: the last one.',
      resolve: ({ status }) => status,
    }),
    session: t.field({
      type: SessionType,
      nullable: true,
      description:
        'The session, read when the event is delivered: it may be newer than the event. Null: it is deleted by now.',
      resolve: ({ sessionId }, _args, { loaders }) => loaders.of(createSessionLoaders).byId.load(sessionId),
    }),
  }),
})

/** Conditions on what changes without an event, or that an event does not carry. */
const LIST_CONDITIONS = [
  ...(['startedBefore', 'startedAfter', 'completedBefore', 'completedAfter', 'activeAfter'] as const),
  ...(['stalled', 'stallReason', 'endReason', 'worker', 'rateLimited'] as const),
] as const

builder.subscriptionField('sessionStatusChanged', (t) =>
  t.field({
    type: SessionStatusEventType,
    scope: 'read',
    description:
      'Delivers each session that is created, changes its status, is asked to stop, stalls, recovers, is rate limited ' +
      'or is deleted. Events of one session come in the order of their commits.',
    args: {
      filter: t.arg({
        type: SessionFilterInput,
        description:
          'Which sessions. Default: all. `status` matches the new or the previous status, so you also see a session ' +
          'leave it. Other conditions than `userId`, `stream`, `platform` and `status` are refused with BAD_USER_INPUT.',
      }),
      after: t.arg.string(afterOptions),
    },
    subscribe: (_parent, { filter, after }, { feed, caller, lastEventId }) => {
      const refused = LIST_CONDITIONS.filter((name) => filter?.[name] != null)
      if (refused.length > 0) {
        throw new Fault(
          'BAD_USER_INPUT',
          `${refused.join(' and ')} can select rows of a list, not events: leave them out.`,
        )
      }
      return watchSessions(feed, caller, toSessionFilter(filter ?? {}), lastEventId ?? after ?? undefined)
    },
    resolve: (event) => event,
  }),
)
