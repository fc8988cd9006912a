"""What Waymark answers, as frozen dataclasses.

Times have a zone. Values of enums are strings, also those that a later server adds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, Optional, Tuple

from ._times import read_present_time, read_time

Json = Dict[str, Any]


@dataclass(frozen=True)
class InputIssue:
    """One wrong value. `path` is its place, e.g. ("input", "itemId")."""

    path: Tuple[str, ...]
    message: str


@dataclass(frozen=True)
class SessionOwner:
    """The session that owns a busy list."""

    session_id: str
    worker: Optional[str]
    lease_expires_at: Optional[datetime]


@dataclass(frozen=True)
class Pause:
    """No session starts on the list until then."""

    until: datetime
    reason: Optional[str]
    paused_by: str

    @classmethod
    def read(cls, data: Json) -> Pause:
        return cls(read_present_time(data["until"]), data["reason"], data["pausedBy"])


@dataclass(frozen=True)
class CatchUp:
    """The crawl of what came on top of a list beside a long unfinished crawl."""

    last_item_id: Optional[str]
    page_token: Optional[str]
    head_item_ids: Tuple[str, ...]
    started_at: datetime

    @classmethod
    def read(cls, data: Json) -> CatchUp:
        return cls(
            data["lastItemId"], data["pageToken"], tuple(data["headItemIds"]), read_present_time(data["startedAt"])
        )


@dataclass(frozen=True)
class Checkpoint:
    """How far the crawls of one list have got. docs/crawling.md explains head, anchors and `complete`."""

    id: str
    user_id: str
    stream: str
    platform: str
    last_item_id: str
    last_tweet_id: Optional[str]
    bookmarks_count: int
    last_crawled_at: datetime
    created_at: datetime
    updated_at: datetime
    last_completed_at: Optional[datetime]
    last_item_published_at: Optional[datetime]
    version: int
    epoch: int
    page_token: Optional[str]
    head_item_ids: Tuple[str, ...]
    anchor_item_ids: Tuple[str, ...]
    complete: bool
    full_pass: bool
    full_pass_has_item: bool
    catch_up: Optional[CatchUp]
    pause: Optional[Pause]

    @classmethod
    def read(cls, data: Json) -> Checkpoint:
        return cls(
            id=data["id"],
            user_id=data["userId"],
            stream=data["stream"],
            platform=data["platform"],
            last_item_id=data["lastItemId"],
            last_tweet_id=data["lastTweetId"],
            bookmarks_count=data["bookmarksCount"],
            last_crawled_at=read_present_time(data["lastCrawledAt"]),
            created_at=read_present_time(data["createdAt"]),
            updated_at=read_present_time(data["updatedAt"]),
            last_completed_at=read_time(data["lastCompletedAt"]),
            last_item_published_at=read_time(data["lastItemPublishedAt"]),
            version=data["version"],
            epoch=data["epoch"],
            page_token=data["pageToken"],
            head_item_ids=tuple(data["headItemIds"]),
            anchor_item_ids=tuple(data["anchorItemIds"]),
            complete=data["complete"],
            full_pass=data["fullPass"],
            full_pass_has_item=data["fullPassHasItem"],
            catch_up=CatchUp.read(data["catchUp"]) if data["catchUp"] else None,
            pause=Pause.read(data["pause"]) if data["pause"] else None,
        )


@dataclass(frozen=True)
class CrawlSession:
    """One run of a crawler over one list of one user."""

    id: str
    session_id: str
    user_id: str
    stream: str
    platform: str
    status: str
    started_at: datetime
    completed_at: Optional[datetime]
    bookmarks_processed: int
    mode: Optional[str]
    plan_reason: Optional[str]
    epoch: int
    attempt: int
    worker: Optional[str]
    lease_seconds: Optional[int]
    lease_expires_at: Optional[datetime]
    heartbeat_at: Optional[datetime]
    rate_limited_until: Optional[datetime]
    stop_requested_at: Optional[datetime]
    stop_reason: Optional[str]
    stall_reason: Optional[str]
    end_reason: Optional[str]
    error_message: Optional[str]
    output_file_path: Optional[str]
    direct_import: bool
    enable_summarization: bool
    commits: int
    api_requests: int
    rate_limit_hits: int

    @classmethod
    def read(cls, data: Json) -> CrawlSession:
        return cls(
            id=data["id"],
            session_id=data["sessionId"],
            user_id=data["userId"],
            stream=data["stream"],
            platform=data["platform"],
            status=data["status"],
            started_at=read_present_time(data["startedAt"]),
            completed_at=read_time(data["completedAt"]),
            bookmarks_processed=data["bookmarksProcessed"],
            mode=data["mode"],
            plan_reason=data["planReason"],
            epoch=data["epoch"],
            attempt=data["attempt"],
            worker=data["worker"],
            lease_seconds=data["leaseSeconds"],
            lease_expires_at=read_time(data["leaseExpiresAt"]),
            heartbeat_at=read_time(data["heartbeatAt"]),
            rate_limited_until=read_time(data["rateLimitedUntil"]),
            stop_requested_at=read_time(data["stopRequestedAt"]),
            stop_reason=data["stopReason"],
            stall_reason=data["stallReason"],
            end_reason=data["endReason"],
            error_message=data["errorMessage"],
            output_file_path=data["outputFilePath"],
            direct_import=data["directImport"],
            enable_summarization=data["enableSummarization"],
            commits=data["commits"],
            api_requests=data["apiRequests"],
            rate_limit_hits=data["rateLimitHits"],
        )


@dataclass(frozen=True)
class Plan:
    """What a crawl has to do: where it begins and where it may stop. Write `reason` to the log."""

    mode: str
    after_item_id: Optional[str]
    page_token: Optional[str]
    until_item_ids: Tuple[str, ...]
    reason: str
    pause: Optional[Pause]
    # Only the start of a session tells.
    _is_ascending: bool = field(default=False, repr=False, compare=False)

    @classmethod
    def read(cls, data: Json, is_ascending: bool = False) -> Plan:
        return cls(
            data["mode"],
            data["afterItemId"],
            data["pageToken"],
            tuple(data["untilItemIds"]),
            data["reason"],
            Pause.read(data["pause"]) if data["pause"] else None,
            is_ascending,
        )

    @property
    def begins_at_top(self) -> bool:
        return self.after_item_id is None and self.page_token is None


@dataclass(frozen=True)
class Revision:
    """One version of a checkpoint, and who wrote it."""

    user_id: str
    stream: str
    version: int
    source: str
    actor: Optional[str]
    last_item_id: Optional[str]
    bookmarks_count: int
    page_token: Optional[str]
    head_item_ids: Tuple[str, ...]
    anchor_item_ids: Tuple[str, ...]
    complete: bool
    full_pass: bool
    full_pass_has_item: bool
    catch_up: Optional[CatchUp]
    session_id: Optional[str]
    epoch: int
    recorded_at: datetime

    @classmethod
    def read(cls, data: Json) -> Revision:
        return cls(
            user_id=data["userId"],
            stream=data["stream"],
            version=data["version"],
            source=data["source"],
            actor=data["actor"],
            last_item_id=data["lastItemId"],
            bookmarks_count=data["bookmarksCount"],
            page_token=data["pageToken"],
            head_item_ids=tuple(data["headItemIds"]),
            anchor_item_ids=tuple(data["anchorItemIds"]),
            complete=data["complete"],
            full_pass=data["fullPass"],
            full_pass_has_item=data["fullPassHasItem"],
            catch_up=CatchUp.read(data["catchUp"]) if data["catchUp"] else None,
            session_id=data["session"]["sessionId"] if data["session"] else None,
            epoch=data["epoch"],
            recorded_at=read_present_time(data["recordedAt"]),
        )


@dataclass(frozen=True)
class Rollback:
    """`checkpoint` as it is now, or in a dry run as it would be; None: the restored version is a clear.

    `revision` is the new version; None: a dry run, or nothing changed.
    """

    checkpoint: Optional[Checkpoint]
    target: Revision
    revision: Optional[Revision]


@dataclass(frozen=True)
class Saved:
    """What a session's save answers. `checkpoint` is None where only a token was kept, since there is none yet."""

    stop_requested: bool
    replayed: bool
    stall_reason: Optional[str]
    created: bool
    ignored_head_item_ids: Tuple[str, ...]
    checkpoint: Optional[Checkpoint]


@dataclass(frozen=True)
class CheckpointChange:
    """A change of a checkpoint or of its pause. `checkpoint` was read when it was delivered; None: cleared by now."""

    kind: str
    cursor: str
    occurred_at: datetime
    node_id: str
    user_id: str
    stream: str
    version: int
    last_item_id: Optional[str]
    bookmarks_count: int
    session_id: Optional[str]
    checkpoint: Optional[Checkpoint]

    @classmethod
    def read(cls, data: Json) -> CheckpointChange:
        return cls(
            kind=data["kind"],
            cursor=data["cursor"],
            occurred_at=read_present_time(data["occurredAt"]),
            node_id=data["nodeId"],
            user_id=data["userId"],
            stream=data["stream"],
            version=data["version"],
            last_item_id=data["lastItemId"],
            bookmarks_count=data["bookmarksCount"],
            session_id=data["session"]["sessionId"] if data["session"] else None,
            checkpoint=Checkpoint.read(data["checkpoint"]) if data["checkpoint"] else None,
        )


@dataclass(frozen=True)
class SessionChange:
    """A change of a session. `session` was read when it was delivered; None: deleted by now."""

    kind: str
    cursor: str
    occurred_at: datetime
    node_id: str
    session_id: str
    user_id: str
    stream: str
    previous_status: Optional[str]
    status: str
    session: Optional[CrawlSession]

    @classmethod
    def read(cls, data: Json) -> SessionChange:
        return cls(
            kind=data["kind"],
            cursor=data["cursor"],
            occurred_at=read_present_time(data["occurredAt"]),
            node_id=data["nodeId"],
            session_id=data["sessionId"],
            user_id=data["userId"],
            stream=data["stream"],
            previous_status=data["previousStatus"],
            status=data["status"],
            session=CrawlSession.read(data["session"]) if data["session"] else None,
        )
