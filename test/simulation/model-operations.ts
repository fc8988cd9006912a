const SESSION = `sessionId userId stream status epoch leaseSeconds leaseExpiresAt rateLimitedUntil stopRequestedAt endReason attempt
  resumedFrom { sessionId } commits bookmarksProcessed apiRequests rateLimitHits stalled mode`
const FRONTIERS = 'fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds }'
const PAUSE = 'pause { until reason pausedBy }'
const CHECKPOINT = `lastItemId bookmarksCount version epoch pageToken headItemIds anchorItemIds complete lastCompletedAt ${FRONTIERS}
  liveSession { sessionId } ${PAUSE}`
const PLAN = `mode afterItemId pageToken untilItemIds previousSession { sessionId } ${PAUSE}`
const REVISION = `version source epoch session { sessionId } lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete
  ${FRONTIERS}`

const REFUSAL = 'type: __typename ... on UserError { code }'
const BUSY = `... on StreamBusyError { owner { ${SESSION} } retryAt }`
const CONFLICT = '... on VersionConflictError { currentVersion }'
// Nullable in one member and not in another: GraphQL lets the two meet under one name only by an alias.
const CLOSED = `... on SessionClosedError { closed: session { ${SESSION} } }`
const FENCED = `... on StaleEpochError { currentEpoch } ${CLOSED}`
const SAVED = `${REFUSAL} ${FENCED} ${BUSY} ${CONFLICT}
  ... on OrderViolationError { lastItemId }
  ... on TokenSavedSuccess { replayed stopRequested closed: session { ${SESSION} } }
  ... on SaveCheckpointSuccess { created replayed stopRequested checkpoint { ${CHECKPOINT} } session { ${SESSION} } }`
const ENDED = `${REFUSAL} ${FENCED} ... on EndSessionSuccess { session { ${SESSION} } }`

const mutation = (field: string, inputType: string, selection: string) =>
  `mutation ($input: ${inputType}!) { result: ${field}(input: $input) { ${selection} } }`

/** Each mutation with everything of its answer that the model foretells. */
export const operations = {
  registerUser: mutation(
    'registerUser',
    'RegisterUserInput',
    'type: __typename ... on RegisterUserSuccess { user { userId } }',
  ),
  startSession: mutation(
    'startSession',
    'StartSessionInput',
    `${REFUSAL} ${BUSY}
     ... on SessionExistsError { session { ${SESSION} } } ... on StreamPausedError { ${PAUSE} }
     ... on StartSessionSuccess { session { ${SESSION} } checkpoint { ${CHECKPOINT} } plan { ${PLAN} } }`,
  ),
  saveCheckpoint: mutation('saveCheckpoint', 'SaveCheckpointInput', SAVED),
  saveCheckpoints: `mutation ($inputs: [SaveCheckpointInput!]!, $import: Boolean) {
    result: saveCheckpoints(inputs: $inputs, import: $import) { ${SAVED} } }`,
  heartbeat: mutation(
    'heartbeat',
    'HeartbeatInput',
    `${REFUSAL} ${FENCED} ... on HeartbeatSuccess { stopRequested session { ${SESSION} } }`,
  ),
  COMPLETED: mutation('completeSession', 'CompleteSessionInput', ENDED),
  STOPPED: mutation('stopSession', 'StopSessionInput', ENDED),
  FAILED: mutation('failSession', 'FailSessionInput', ENDED),
  requestStop: mutation(
    'requestStop',
    'RequestStopInput',
    `${REFUSAL} ${CLOSED} ... on RequestStopSuccess { session { ${SESSION} } }`,
  ),
  requestStopSessions: mutation(
    'requestStopSessions',
    'RequestStopSessionsInput',
    `${REFUSAL} ... on RequestStopSessionsSuccess { matched requested }`,
  ),
  clearCheckpoint: mutation(
    'clearCheckpoint',
    'ClearCheckpointInput',
    `${REFUSAL} ${FENCED} ${BUSY} ${CONFLICT} ... on ClearCheckpointSuccess { cleared lastItemId }`,
  ),
  rollbackCheckpoint: mutation(
    'rollbackCheckpoint',
    'RollbackCheckpointInput',
    `${REFUSAL} ${BUSY} ${CONFLICT} ... on RollbackCheckpointSuccess { target { ${REVISION} } revision { ${REVISION} }
      checkpoint { ${CHECKPOINT} } }`,
  ),
  pauseCrawl: mutation('pauseCrawl', 'PauseCrawlInput', `${REFUSAL} ${FENCED} ... on PauseCrawlSuccess { ${PAUSE} }`),
  unpauseCrawl: mutation('unpauseCrawl', 'UnpauseCrawlInput', `${REFUSAL} ... on PauseCrawlSuccess { ${PAUSE} }`),
  moveCheckpoint: mutation(
    'moveCheckpoint',
    'MoveCheckpointInput',
    `${REFUSAL} ${BUSY} ... on CheckpointExistsError { checkpoint { ${CHECKPOINT} } }
     ... on MoveCheckpointSuccess { moved { checkpoint { ${CHECKPOINT} } } }`,
  ),
  pruneSessions: mutation('pruneSessions', 'PruneSessionsInput', `${REFUSAL} ... on PruneSessionsSuccess { count }`),
  configureStream: mutation(
    'configureStream',
    'ConfigureStreamInput',
    `${REFUSAL} ... on ConfigureStreamSuccess { stream { name ordering } }`,
  ),
}

/** Everything that can be seen of one user and stream. */
export const LOOK = `query ($userId: String!, $stream: String!) {
  checkpoint(userId: $userId, stream: $stream) { ${CHECKPOINT} }
  plan: resumePlan(userId: $userId, stream: $stream) { ${PLAN} }
  history: checkpointHistory(userId: $userId, stream: $stream, first: 100) { nodes { ${REVISION} } }
  sessions(filter: { userId: $userId, stream: $stream }, orderBy: STARTED_AT_ASC, first: 100) { nodes { ${SESSION} } }
}`

/**
 * An answer in the model's terms: a session that another thing refers to is its ID, times are milliseconds, and
 * where a moment within the run's frozen one does not matter, whole tens of them.
 */
export function inModelTerms(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inModelTerms)
  if (typeof value !== 'object' || value === null) return value
  const result: Record<string, unknown> = {}
  for (const [field, given] of Object.entries(value)) {
    if (field === 'stopRequestedAt') result['stopRequested'] = given !== null
    else if (field === 'closed') result['session'] = inModelTerms(given)
    else if (field === 'user') result['userId'] = (given as { userId: string }).userId
    else if (/(At|Until)$|^until$/.test(field))
      result[field] = typeof given === 'string' ? Math.floor(Date.parse(given) / 10) * 10 : given
    else if (isReference(given)) result[field] = given.sessionId
    else result[field] = inModelTerms(given)
  }
  return result
}

function isReference(value: unknown): value is { sessionId: string } {
  return typeof value === 'object' && value !== null && 'sessionId' in value && Object.keys(value).length === 1
}
