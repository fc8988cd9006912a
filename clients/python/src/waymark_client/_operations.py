"""What the API offers, with the client's types. Each is a rule."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional, Sequence, Tuple

from . import _documents as documents
from ._effects import Rule, Shielded
from ._requests import Requests
from ._times import write_time
from .models import Checkpoint, CrawlSession, Json, Pause, Plan, Revision, Rollback, Saved

DEFAULT_STREAM = "twitter/bookmarks"
DEFAULT_LEASE_SECONDS = 60
_MOST_MESSAGE_CHARACTERS = 10_000
_MOST_REASON_CHARACTERS = 500
_LAST_WORD_SECONDS = 5.0


@dataclass(frozen=True)
class Start:
    """How a session is to be started: the options of crawl() and start_session()."""

    user_id: str
    stream: str = DEFAULT_STREAM
    mode: str = "AUTO"
    lease_seconds: int = DEFAULT_LEASE_SECONDS
    takeover: bool = False
    worker: Optional[str] = None
    output_file_path: Optional[str] = None
    direct_import: bool = False
    enable_summarization: bool = False


@dataclass(frozen=True)
class Started:
    session: CrawlSession
    checkpoint: Optional[Checkpoint]
    plan: Plan


def start_session(requests: Requests, start: Start) -> Rule[Started]:
    """
    @raises BusyError if a live session owns the list; PausedError; WaymarkError USER_NOT_FOUND, CATCH_UP_IMPOSSIBLE;
    InvalidInputError
    """
    session_id = str(uuid.uuid4())
    given = {
        "userId": start.user_id,
        "stream": start.stream,
        "sessionId": session_id,
        "mode": start.mode,
        "leaseSeconds": start.lease_seconds,
        "takeover": start.takeover,
        "worker": start.worker or default_worker(),
        "outputFilePath": start.output_file_path,
        "directImport": start.direct_import,
        "enableSummarization": start.enable_summarization,
        # A repeat after a lost answer returns the session that it started.
        "idempotencyKey": session_id,
    }
    try:
        answer = yield from requests.mutate(documents.START_SESSION, given)
    except (Exception, GeneratorExit):
        raise
    except BaseException:
        # Interrupted: it may have been started, and would own the list until its lease ends.
        yield last_word(requests, session_id)
        raise
    checkpoint = Checkpoint.read(answer["checkpoint"]) if answer["checkpoint"] else None
    plan = Plan.read(answer["plan"], is_ascending=answer["ordering"] == "ASCENDING")
    return Started(CrawlSession.read(answer["session"]), checkpoint, plan)


def last_word(requests: Requests, session_id: str) -> Shielded:
    """Stops a session although the program is interrupted, so that the list is free."""
    stopping = stop_session(requests, session_id, budget_seconds=_LAST_WORD_SECONDS)
    return Shielded(stopping, _LAST_WORD_SECONDS)


def default_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[:255]


def save(requests: Requests, given: Json, *, with_checkpoint: bool) -> Rule[Saved]:
    """@raises LostError, OrderViolationError, VersionConflictError, BusyError, InvalidInputError"""
    document = documents.SAVE_CHECKPOINT if with_checkpoint else documents.SAVE_PAGE
    answer = yield from requests.mutate(document, given)
    saver = answer.get("saver") or answer.get("session") or {}
    checkpoint = answer.get("checkpoint")
    return Saved(
        stop_requested=answer["stopRequested"],
        replayed=answer["replayed"],
        stall_reason=saver.get("stallReason"),
        created=bool(answer.get("created")),
        ignored_head_item_ids=tuple(answer.get("ignoredHeadItemIds") or ()),
        checkpoint=Checkpoint.read(checkpoint) if checkpoint else None,
    )


def page_of(
    start: "Start | CrawlSession",
    session_id: str,
    *,
    item_id: Optional[str],
    bookmarks_added: Optional[int],
    page_token: Optional[str],
    head_item_ids: Optional[Sequence[str]],
    api_requests: int = 0,
) -> Json:
    """The input of a session's save. Each has one key, kept over its retries."""
    given: Json = {
        "userId": start.user_id,
        "stream": start.stream,
        "sessionId": session_id,
        "itemId": item_id,
        "pageToken": page_token,
        "idempotencyKey": str(uuid.uuid4()),
    }
    if bookmarks_added is not None and item_id is not None:
        given["bookmarksAdded"] = bookmarks_added
    if head_item_ids is not None:
        given["headItemIds"] = list(head_item_ids)
    if api_requests > 0:
        given["metrics"] = {"apiRequests": api_requests}
    return given


def heartbeat(
    requests: Requests,
    session_id: str,
    *,
    rate_limited_until: Optional[datetime] = None,
    is_hit: bool = False,
    api_requests: int = 0,
    budget_seconds: Optional[float] = None,
) -> Rule[bool]:
    """@returns whether somebody asked the session to stop. @raises LostError"""
    given: Json = {"sessionId": session_id}
    if rate_limited_until is not None:
        given["rateLimitedUntil"] = write_time(rate_limited_until)
    metrics = {"rateLimitHits": int(is_hit), "apiRequests": api_requests}
    if any(metrics.values()):
        given["metrics"] = metrics
    answer = yield from requests.mutate(documents.HEARTBEAT, given, budget_seconds=budget_seconds)
    return bool(answer["stopRequested"])


def complete_session(requests: Requests, session_id: str, output_file_path: Optional[str] = None) -> Rule[None]:
    """@raises LostError"""
    given: Json = {"sessionId": session_id}
    if output_file_path is not None:
        given["outputFilePath"] = output_file_path
    yield from requests.mutate(documents.COMPLETE_SESSION, given)


def stop_session(requests: Requests, session_id: str, *, budget_seconds: Optional[float] = None) -> Rule[None]:
    """@raises LostError"""
    yield from requests.mutate(documents.STOP_SESSION, {"sessionId": session_id}, budget_seconds=budget_seconds)


def fail_session(
    requests: Requests, session_id: str, message: str, *, budget_seconds: Optional[float] = None
) -> Rule[None]:
    """@raises LostError"""
    given = {"sessionId": session_id, "errorMessage": _storable(message, _MOST_MESSAGE_CHARACTERS) or "failed"}
    yield from requests.mutate(documents.FAIL_SESSION, given, budget_seconds=budget_seconds)


def pause_crawl(
    requests: Requests, session: "Start | CrawlSession", session_id: str, until: datetime, reason: Optional[str]
) -> Rule[Optional[Pause]]:
    """@returns the pause that stands now: a session only lengthens one. @raises LostError"""
    given: Json = {
        "userId": session.user_id,
        "stream": session.stream,
        "until": write_time(until),
        "sessionId": session_id,
    }
    if reason:
        given["reason"] = _storable(reason, _MOST_REASON_CHARACTERS)
    answer = yield from requests.mutate(documents.PAUSE_CRAWL, given)
    return Pause.read(answer["pause"]) if answer["pause"] else None


def _storable(text: str, most: int) -> str:
    """PostgreSQL's texts hold no NUL, and UTF-8 no half of a pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:most]


def message_of(error: BaseException) -> str:
    """@returns what failSession is told of an error"""
    if isinstance(error, KeyError):
        return f"KeyError: {error}"
    return str(error) or type(error).__name__


def read_checkpoint(requests: Requests, user_id: str, stream: str) -> Rule[Optional[Checkpoint]]:
    data = yield from requests.send(documents.READ_CHECKPOINT, {"userId": user_id, "stream": stream})
    return Checkpoint.read(data["checkpoint"]) if data["checkpoint"] else None


def read_last_item(requests: Requests, user_id: str, stream: str) -> Rule[Tuple[Optional[str], int]]:
    """@returns the last item and the count; None and 0 where there is no checkpoint"""
    data = yield from requests.send(documents.READ_LAST_ITEM, {"userId": user_id, "stream": stream})
    found = data["checkpoint"]
    return (found["lastItemId"], found["bookmarksCount"]) if found else (None, 0)


def save_checkpoint(
    requests: Requests, user_id: str, stream: str, item_id: str, bookmarks_count: Optional[int]
) -> Rule[Checkpoint]:
    """@raises BusyError while a live session owns the list"""
    given: Json = {"userId": user_id, "stream": stream, "itemId": item_id, "idempotencyKey": str(uuid.uuid4())}
    if bookmarks_count is not None:
        given["bookmarksCount"] = bookmarks_count
    saved = yield from save(requests, given, with_checkpoint=True)
    assert saved.checkpoint is not None, "a save with an item answers the checkpoint"
    return saved.checkpoint


def clear_checkpoint(requests: Requests, user_id: str, stream: str) -> Rule[bool]:
    """@returns whether there was one. @raises BusyError while a live session owns the list"""
    before = yield from read_checkpoint(requests, user_id, stream)
    answer = yield from requests.mutate(documents.CLEAR_CHECKPOINT, {"userId": user_id, "stream": stream})
    if answer["cleared"] or before is None:
        return bool(answer["cleared"])
    # An answer that got lost was repeated: then the newest revision may be this clear.
    newest, _ = yield from read_history_page(requests, user_id, stream, None)
    return bool(newest) and newest[0].source == "CLEAR" and newest[0].version > before.version


def read_plan(requests: Requests, user_id: str, stream: str) -> Rule[Optional[Plan]]:
    """@returns None where the user does not exist"""
    data = yield from requests.send(documents.READ_PLAN, {"userId": user_id, "stream": stream})
    return Plan.read(data["resumePlan"]) if data["resumePlan"] else None


def rollback(
    requests: Requests,
    user_id: str,
    stream: str,
    to_version: Optional[int],
    to_time: Optional[datetime],
    dry_run: bool,
    expected_version: Optional[int],
) -> Rule[Rollback]:
    """@raises BusyError, VersionConflictError, InvalidInputError, WaymarkError HISTORY_EXPIRED, CHECKPOINT_NOT_FOUND"""
    given: Json = {"userId": user_id, "stream": stream, "dryRun": dry_run}
    if to_version is not None:
        given["toVersion"] = to_version
    if to_time is not None:
        given["toTime"] = write_time(to_time)
    if expected_version is not None:
        given["expectedVersion"] = expected_version
    answer = yield from requests.mutate(documents.ROLLBACK_CHECKPOINT, given)
    return Rollback(
        checkpoint=Checkpoint.read(answer["checkpoint"]) if answer["checkpoint"] else None,
        target=Revision.read(answer["target"]),
        revision=Revision.read(answer["revision"]) if answer["revision"] else None,
    )


def read_history_page(
    requests: Requests, user_id: str, stream: str, after: Optional[str]
) -> Rule[Tuple[Tuple[Revision, ...], Optional[str]]]:
    """@returns a hundred revisions, newest first, and the cursor of the next page; None: it was the last"""
    variables = {"userId": user_id, "stream": stream, "after": after}
    data = yield from requests.send(documents.READ_HISTORY, variables)
    page: Any = data["checkpointHistory"]
    info = page["pageInfo"]
    revisions = tuple(Revision.read(node) for node in page["nodes"])
    return revisions, info["endCursor"] if info["hasNextPage"] else None
