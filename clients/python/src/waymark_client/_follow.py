"""Lists, then watches, over any reconnect. docs/feeds.md says what the server promises."""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional

from . import _documents as documents
from ._effects import CloseStream, OpenStream, ReadStream, Reply, Rule, Sleep, Tell
from ._http1 import TransportError
from ._requests import RETRIED_CODES, Requests, log
from ._sse import EventParser
from ._times import write_time
from .errors import UnavailableError
from .feed_events import Change, Listed, Reset, Row
from .models import Checkpoint, CheckpointChange, CrawlSession, Json, SessionChange

# Waymark sends a sign of life each 12 s.
_SILENT_SECONDS = 30.0
# How soon a request to stop is seen while nothing comes.
_PERIOD_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0
_WATCHED_AGAIN = RETRIED_CODES | {"SLOW_CLIENT"}


@dataclass(frozen=True)
class Feed:
    """Which rows and changes."""

    list_document: str
    watch_document: str
    read_row: Callable[[Json], Any]
    read_change: Callable[[Json], Any]


FEEDS: Dict[str, Feed] = {
    "checkpoints": Feed(
        documents.LIST_CHECKPOINTS, documents.WATCH_CHECKPOINTS, Checkpoint.read, CheckpointChange.read
    ),
    "sessions": Feed(documents.LIST_SESSIONS, documents.WATCH_SESSIONS, CrawlSession.read, SessionChange.read),
}


def follow(
    requests: Requests, kind: str, filter: Optional[Mapping[str, Any]], after: Optional[str], stop: Optional[Any]
) -> Rule[None]:
    """
    Tells events until it is told to stop.
    @raises WaymarkError where trying again does not help, e.g. UNAUTHENTICATED, BAD_USER_INPUT; UnavailableError where
    Waymark could not be reached at all within the budget
    """
    if kind not in FEEDS:
        raise ValueError("follow either 'checkpoints' or 'sessions'")
    yield from _Follower(requests, FEEDS[kind], filter_of(filter), after, stop).run()


def filter_of(given: Optional[Mapping[str, Any]]) -> Optional[Json]:
    """A filter with the names of Python, as the API has it."""
    if given is None:
        return None
    return {
        re.sub(r"_([a-z])", lambda match: match[1].upper(), name): (
            write_time(value) if hasattr(value, "isoformat") else value
        )
        for name, value in given.items()
    }


class _Follower:
    def __init__(
        self, requests: Requests, feed: Feed, filter: Optional[Json], after: Optional[str], stop: Optional[Any]
    ) -> None:
        self._requests = requests
        self._feed = feed
        self._filter = filter
        self._cursor = after
        self._stop = stop
        self._failures = 0
        self._has_connected = False

    def run(self) -> Rule[None]:
        while not self._is_stopped():
            try:
                if self._cursor is None:
                    self._cursor = yield from self._list()
                    if self._cursor is None:
                        return
                yield from self._watch(self._cursor)
            except _Expired:
                self._cursor = None
                continue
            except UnavailableError as error:
                if not self._has_connected:
                    raise
                log.warning("the feed is interrupted, and goes on after its last cursor: %s", error.message)
            yield from self._pause()

    def _is_stopped(self) -> bool:
        return self._stop is not None and bool(self._stop.is_set())

    def _pause(self) -> Rule[None]:
        """About a second, and longer the more often it fails."""
        longest = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_SECONDS)
        seconds = longest * random.uniform(0.5, 1)
        self._failures += 1
        if not self._is_stopped():
            yield Sleep(seconds, self._stop)

    def _list(self) -> Rule[Optional[str]]:
        """Tells the rows. @returns the cursor that the list was read at; None: told to stop"""
        yield Tell(Reset())
        cursor: Optional[str] = None
        after: Optional[str] = None
        while not self._is_stopped():
            variables = {"filter": self._filter, "after": after}
            try:
                page: Any = (yield from self._requests.send(self._feed.list_document, variables))["list"]
            except UnavailableError as error:
                if not self._has_connected:
                    raise
                log.warning("a page of the list cannot be read yet: %s", error.message)
                yield from self._pause()
                continue
            self._has_connected, self._failures = True, 0
            # That of the first page: what changes while the others are read comes after it.
            cursor = cursor or page["feedCursor"]
            for node in page["nodes"]:
                yield Tell(Row(self._feed.read_row(node)))
                if self._is_stopped():
                    return None
            if not page["pageInfo"]["hasNextPage"]:
                yield Tell(Listed(cursor))
                return cursor
            after = page["pageInfo"]["endCursor"]
        return None

    def _watch(self, cursor: str) -> Rule[None]:
        """Tells changes until the stream ends. @raises _Expired, UnavailableError; WaymarkError where nothing helps"""
        variables = {"filter": self._filter, "after": cursor}
        body = json.dumps({"query": self._feed.watch_document, "variables": variables}).encode()
        opened = yield from self._open(body)
        self._has_connected = True
        try:
            yield from self._changes(opened)
        except Exception:
            yield CloseStream(opened)
            raise
        yield CloseStream(opened)

    def _changes(self, opened: Any) -> Rule[None]:
        parser = EventParser()
        silent_since = time.monotonic()
        while not self._is_stopped():
            received: Optional[bytes] = yield ReadStream(opened, _PERIOD_SECONDS)
            if received is None:
                if time.monotonic() - silent_since > _SILENT_SECONDS:
                    return
                continue
            if not received:
                return
            silent_since = time.monotonic()
            for event, data in parser.feed(received):
                if event == "complete" or self._is_stopped():
                    return
                if event == "next":
                    yield from self._tell(json.loads(data))

    def _open(self, body: bytes) -> Rule[Any]:
        deadline = time.monotonic() + self._requests.budget_seconds
        while True:
            try:
                opened: Any = yield OpenStream(body, self._requests.timeout_seconds)
                if not isinstance(opened, Reply):
                    return opened
                refused = self._requests.error_of(opened)
            except TransportError as broken:
                refused = UnavailableError(f"Waymark did not answer: {broken}", code="SERVICE_UNAVAILABLE")
            if refused.code == "CURSOR_EXPIRED":
                raise _Expired
            is_hopeless = not isinstance(refused, UnavailableError)
            if is_hopeless or self._has_connected or time.monotonic() > deadline or self._is_stopped():
                raise refused
            yield from self._pause()

    def _tell(self, answer: Json) -> Rule[None]:
        told = (answer.get("data") or {}).get("told")
        if told is None:
            error = self._requests.error_in(answer)
            if error.code == "CURSOR_EXPIRED":
                raise _Expired
            if error.code in _WATCHED_AGAIN and not isinstance(error, UnavailableError):
                raise UnavailableError(error.message, code=error.code)
            raise error
        self._failures = 0
        change = self._feed.read_change(told)
        yield Tell(Change(change, told["cursor"]))
        # Only now: an exception in the program's loop, and this event comes again.
        self._cursor = told["cursor"]


class _Expired(Exception):
    """The cursor is older than what is kept: list again."""


