"""The GraphQL that the client sends."""

from __future__ import annotations

_CATCH_UP = "catchUp { lastItemId pageToken headItemIds startedAt }"
_PAUSE = "pause { until reason pausedBy }"
CHECKPOINT = f"""id userId stream platform lastItemId lastTweetId bookmarksCount lastCrawledAt createdAt updatedAt
  lastCompletedAt lastItemPublishedAt version epoch pageToken headItemIds anchorItemIds complete fullPass
  fullPassHasItem {_CATCH_UP} {_PAUSE}"""
SESSION = """id sessionId userId stream platform status startedAt completedAt bookmarksProcessed mode planReason epoch
  attempt worker leaseSeconds leaseExpiresAt heartbeatAt rateLimitedUntil stopRequestedAt stopReason stallReason
  endReason errorMessage outputFilePath directImport enableSummarization commits apiRequests rateLimitHits"""
PLAN = f"mode afterItemId pageToken untilItemIds reason {_PAUSE}"
REVISION = f"""userId stream version source actor lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete
  fullPass fullPassHasItem {_CATCH_UP} session {{ sessionId }} epoch recordedAt"""

_REFUSED = "__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }"
_BUSY = "... on StreamBusyError { owner { sessionId worker leaseExpiresAt } retryAt }"
# The success has a nullable session under that name: GraphQL lets the two meet only by an alias.
_CLOSED = "... on SessionClosedError { closed: session { endReason } }"
_CONFLICT = "... on VersionConflictError { currentVersion }"


def mutation(name: str, selection: str) -> str:
    """A mutation whose answer is under `result`."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation ($input: {kind}!) {{ result: {name}(input: $input) {{ {_REFUSED} {selection} }} }}"


START_SESSION = mutation(
    "startSession",
    f"""{_BUSY} ... on StreamPausedError {{ {_PAUSE} }}
    ... on StartSessionSuccess {{
      session {{ {SESSION} }} checkpoint {{ {CHECKPOINT} }} plan {{ {PLAN} }} ordering }}""",
)
_SAVE_REFUSED = f"{_BUSY} {_CLOSED} {_CONFLICT} ... on OrderViolationError {{ lastItemId }}"
# A crawl saves often and needs little of the answer.
SAVE_PAGE = mutation(
    "saveCheckpoint",
    f"""{_SAVE_REFUSED}
    ... on SaveCheckpointSuccess {{
      stopRequested replayed created ignoredHeadItemIds saver: session {{ stallReason }} }}
    ... on TokenSavedSuccess {{ stopRequested replayed session {{ stallReason }} }}""",
)
SAVE_CHECKPOINT = mutation(
    "saveCheckpoint",
    f"""{_SAVE_REFUSED}
    ... on SaveCheckpointSuccess {{ stopRequested replayed created ignoredHeadItemIds saver: session {{ stallReason }}
      checkpoint {{ {CHECKPOINT} }} }}
    ... on TokenSavedSuccess {{ stopRequested replayed session {{ stallReason }} }}""",
)
HEARTBEAT = mutation("heartbeat", f"{_CLOSED} ... on HeartbeatSuccess {{ stopRequested }}")
COMPLETE_SESSION = mutation("completeSession", _CLOSED)
STOP_SESSION = mutation("stopSession", _CLOSED)
FAIL_SESSION = mutation("failSession", _CLOSED)
PAUSE_CRAWL = mutation("pauseCrawl", f"{_CLOSED} ... on PauseCrawlSuccess {{ {_PAUSE} }}")
CLEAR_CHECKPOINT = mutation(
    "clearCheckpoint", f"{_BUSY} {_CLOSED} {_CONFLICT} ... on ClearCheckpointSuccess {{ cleared }}"
)
ROLLBACK_CHECKPOINT = mutation(
    "rollbackCheckpoint",
    f"""{_BUSY} {_CONFLICT} ... on RollbackCheckpointSuccess {{
      checkpoint {{ {CHECKPOINT} }} target {{ {REVISION} }} revision {{ {REVISION} }} }}""",
)

READ_CHECKPOINT = f"""query ($userId: String!, $stream: String) {{
  checkpoint(userId: $userId, stream: $stream) {{ {CHECKPOINT} }} }}"""
READ_LAST_ITEM = """query ($userId: String!, $stream: String) {
  checkpoint(userId: $userId, stream: $stream) { lastItemId bookmarksCount } }"""
READ_PLAN = f"""query ($userId: String!, $stream: String) {{
  resumePlan(userId: $userId, stream: $stream) {{ {PLAN} }} }}"""
READ_HISTORY = f"""query ($userId: String!, $stream: String, $after: String) {{
  checkpointHistory(userId: $userId, stream: $stream, first: 100, after: $after) {{
    pageInfo {{ hasNextPage endCursor }} nodes {{ {REVISION} }} }} }}"""

LIST_CHECKPOINTS = f"""query ($filter: CheckpointFilter, $after: String) {{
  list: checkpoints(first: 100, filter: $filter, after: $after) {{
    feedCursor pageInfo {{ hasNextPage endCursor }} nodes {{ {CHECKPOINT} }} }} }}"""
LIST_SESSIONS = f"""query ($filter: CrawlSessionFilter, $after: String) {{
  list: sessions(first: 100, filter: $filter, after: $after) {{
    feedCursor pageInfo {{ hasNextPage endCursor }} nodes {{ {SESSION} }} }} }}"""
WATCH_CHECKPOINTS = f"""subscription ($filter: CheckpointFilter, $after: String) {{
  told: checkpointChanged(filter: $filter, after: $after) {{
    cursor kind occurredAt nodeId userId stream version lastItemId bookmarksCount session {{ sessionId }}
    checkpoint {{ {CHECKPOINT} }} }} }}"""
WATCH_SESSIONS = f"""subscription ($filter: CrawlSessionFilter, $after: String) {{
  told: sessionStatusChanged(filter: $filter, after: $after) {{
    cursor kind occurredAt nodeId sessionId userId stream previousStatus status session {{ {SESSION} }} }} }}"""
