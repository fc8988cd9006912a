import { builder } from '../../graphql/builder.ts'
import { userError } from '../../graphql/errors.ts'
import { CheckpointNotFoundError, HistoryExpiredError, OrderViolationError, VersionConflictError } from './model.ts'

builder.objectType(CheckpointNotFoundError, {
  ...userError({
    name: 'CheckpointNotFoundError',
    code: 'CHECKPOINT_NOT_FOUND',
    meaning: 'There has never been such a checkpoint.',
    description: 'The user and stream have never had a checkpoint, so there is nothing to roll back to.',
  }),
})

builder.objectType(VersionConflictError, {
  ...userError({
    name: 'VersionConflictError',
    code: 'VERSION_CONFLICT',
    meaning: 'The checkpoint has another version than expected.',
    description: 'The checkpoint has another version than `expectedVersion`. Read it again, then decide.',
  }),
  fields: (t) => ({
    currentVersion: t.exposeInt('currentVersion', {
      description: 'The version that the checkpoint has. 0: there is no checkpoint.',
    }),
  }),
})

builder.objectType(OrderViolationError, {
  ...userError({
    name: 'OrderViolationError',
    code: 'ORDER_VIOLATION',
    meaning: 'The stream is ASCENDING, and the item ID is below the stored one.',
    description: 'The stream is ASCENDING, and the item is below the stored one. Continue after `lastItemId`.',
  }),
  fields: (t) => ({ lastItemId: t.exposeString('lastItemId', { description: 'The ID of the stored item.' }) }),
})

builder.objectType(HistoryExpiredError, {
  ...userError({
    name: 'HistoryExpiredError',
    code: 'HISTORY_EXPIRED',
    meaning: 'The history does not hold that revision any more.',
    description: 'The history does not hold that revision any more. Choose `oldestVersion` or a later one.',
  }),
  fields: (t) => ({
    oldestVersion: t.exposeInt('oldestVersion', { description: 'The oldest version that the history holds.' }),
  }),
})
