import { type DomainError, type DomainErrorCode, InvalidInputError, type InputIssue } from '../domain-error.ts'
import { UserNotFoundError } from '../user/model.ts'
import {
  CheckpointNotFoundError,
  HistoryExpiredError,
  OrderViolationError,
  VersionConflictError,
} from '../checkpoint/model.ts'
import { SessionNotFoundError, StaleEpochError } from '../session/model.ts'
import { builder } from './builder.ts'

/** The one map from domain errors to the contract's types; those that show a session are in session/graphql.ts, beside its type. */

const ErrorCode = builder.enumType('ErrorCode', {
  description: 'What kept an operation from succeeding. May grow: treat an unknown code as a failure with a message.',
  values: {
    INVALID_INPUT: { description: 'A value is wrong; `issues` names each.' },
    USER_NOT_FOUND: { description: 'There is no such user.' },
    CHECKPOINT_NOT_FOUND: { description: 'There is no such checkpoint.' },
    SESSION_NOT_FOUND: { description: 'There is no such session of this user and stream.' },
    SESSION_EXISTS: { description: 'A session with this ID was started already.' },
    SESSION_CLOSED: { description: 'The session has ended.' },
    STREAM_BUSY: { description: 'A live session owns the stream.' },
    STALE_EPOCH: { description: 'A later session has taken the stream.' },
    VERSION_CONFLICT: { description: 'The checkpoint is at another version than expected.' },
    ORDER_VIOLATION: { description: 'The stream asks for growing item IDs, and this one is lower.' },
    HISTORY_EXPIRED: { description: 'That revision is past the retention of the history.' },
  } satisfies Record<DomainErrorCode, { description: string }>,
})

export const UserErrorInterface = builder.interfaceRef<DomainError>('UserError').implement({
  description: 'Something that a caller can expect. Nothing was written.',
  fields: (t) => ({
    code: t.field({ type: ErrorCode, resolve: (error) => error.code }),
    message: t.exposeString('message', { description: 'What was wrong and what to do.' }),
  }),
})

const InputIssueType = builder.objectRef<InputIssue>('InputIssue').implement({
  description: 'One wrong value.',
  fields: (t) => ({
    path: t.stringList({
      description: 'Where it stands in the arguments, e.g. ["input", "itemId"].',
      resolve: ({ path }) => [...path],
    }),
    message: t.exposeString('message', { description: 'What is wrong with it.' }),
  }),
})

builder.objectType(InvalidInputError, {
  name: 'InvalidInputError',
  description: 'One or more values are wrong.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    issues: t.field({
      type: [InputIssueType],
      // Rarely more, and ten thousand saves may each have one: see http/limits/cost.ts.
      extensions: { pricedItems: 1 },
      resolve: ({ issues }) => [...issues],
    }),
  }),
})

builder.objectType(UserNotFoundError, {
  name: 'UserNotFoundError',
  description: 'There is no such user: register it first.',
  interfaces: [UserErrorInterface],
})

builder.objectType(SessionNotFoundError, {
  name: 'SessionNotFoundError',
  description: 'There is no such session of this user and stream.',
  interfaces: [UserErrorInterface],
})

builder.objectType(StaleEpochError, {
  name: 'StaleEpochError',
  description: 'A later session has taken the stream: stop crawling.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({
    currentEpoch: t.exposeInt('currentEpoch', { description: 'Of the session that owns the stream since.' }),
  }),
})

builder.objectType(VersionConflictError, {
  name: 'VersionConflictError',
  description: 'The checkpoint is at another version than expected: read it again.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ currentVersion: t.exposeInt('currentVersion', { description: '0: there is no checkpoint.' }) }),
})

builder.objectType(OrderViolationError, {
  name: 'OrderViolationError',
  description: 'The stream is ASCENDING and is further already.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ lastItemId: t.exposeString('lastItemId', { description: 'Where it is.' }) }),
})

builder.objectType(CheckpointNotFoundError, {
  name: 'CheckpointNotFoundError',
  description: 'There has never been one.',
  interfaces: [UserErrorInterface],
})

builder.objectType(HistoryExpiredError, {
  name: 'HistoryExpiredError',
  description: 'That revision was pruned.',
  interfaces: [UserErrorInterface],
  fields: (t) => ({ oldestVersion: t.exposeInt('oldestVersion', { description: 'The oldest that is kept.' }) }),
})
