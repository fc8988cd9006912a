"""One session of a crawl, from its start to its end."""

from __future__ import annotations

import operator
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, List, Optional, Tuple

from .. import _operations as operations
from .._effects import Call, Outcome, Rule, Sleep
from .._operations import Started
from .._requests import Requests, log
from ..errors import (
    LostError,
    NeedsAttentionError,
    OrderViolationError,
    PageTokenRefusedError,
    RateLimitedError,
    WaymarkError,
)
from .crawled_list import CrawledList, Page, Save, Step
from .lease import Lease
from .options import CrawlOptions
from .report import CrawlEvent, CrawlReport, SessionReport

# Waymark keeps a lease for a rate limit of a day at the most, and a pause for 400 days.
_LONGEST_LIMIT_SECONDS = 24 * 3600
_LONGEST_PAUSE = timedelta(days=399)
_SHORTEST_WAIT_SECONDS = 0.1
_LONGEST_SHORT_WAIT_SECONDS = 30.0
# Clocks differ: what Waymark is told stays below its limit of a day by this.
_CLOCK_MARGIN = timedelta(seconds=60)
# The clock of a machine that sleeps stands still: look at the wall's as often.
_LONGEST_SLEEP_SECONDS = 1.0
_LOOP = "LOOP: the page tokens of the list go round. Start the next crawl with the mode FULL."


class SessionRun:
    """Follows the plan of a session that was started."""

    def __init__(
        self, requests: Requests, options: CrawlOptions, started: Started, tell: Callable[[CrawlEvent], None]
    ) -> None:
        self._requests = requests
        self._options = options
        self._plan = started.plan
        self.session_id = started.session.session_id
        self._lease = Lease(requests, self.session_id, options.start.lease_seconds)
        self._list = CrawledList(started.plan)
        self._tell = tell
        self._pages = self._items = self._added = self._api_requests = 0
        self._is_stop_told = False

    def report(self) -> SessionReport:
        return SessionReport(self.session_id, self._plan.mode, self._pages, self._items, self._added)

    def run(self) -> Rule[CrawlReport]:
        """
        @returns completed, stopped or paused; the session has ended so
        @raises LostError where it is no longer this program's, and what fetch_page, process or a refusal raised. The
        session has not been ended then
        """
        try:
            return (yield from self._follow_plan())
        except NeedsAttentionError as error:
            until = _now() + _LONGEST_PAUSE
            report = yield from self._pause(until, error.reason)
            yield from self._end(operations.fail_session(self._requests, self.session_id, error.reason))
            return report
        except _LimitedTooLong as limited:
            report = yield from self._pause(limited.until, str(limited.__cause__))
            yield from self._end(operations.stop_session(self._requests, self.session_id))
            return report

    def _follow_plan(self) -> Rule[CrawlReport]:
        while not self._is_told_to_stop():
            try:
                page = yield from self._fetch()
            except PageTokenRefusedError as error:
                if not self._list.refuse():
                    error.args = (f"{error}: also in a crawl from the top, so it cannot go on",)
                    raise
                self._event("restartedFromTop", reason="TOKEN_REFUSED")
                continue
            except _StoppedWhileWaiting:
                break
            step = self._list.take(page)
            if step.restart is not None:
                self._event("restartedFromTop", reason=step.restart)
                yield from self._beat()
                continue
            try:
                yield from self._work(step)
            except _StoppedWhileWaiting:
                break
            if step.is_loop:
                raise WaymarkError(_LOOP, code="LOOP")
            if step.is_end and not self._is_told_to_stop():
                yield from operations.complete_session(self._requests, self.session_id)
                return CrawlReport("completed")
        yield from self._end(operations.stop_session(self._requests, self.session_id))
        return CrawlReport("stopped")

    def _end(self, end: Rule[None]) -> Rule[None]:
        """@raises LostError"""
        try:
            yield from end
        except LostError as error:
            # It was to end, and it has ended.
            if not error.is_lease_expired:
                raise

    def _is_told_to_stop(self) -> bool:
        is_told = self._lease.stop_requested or self._options.is_stopped()
        if is_told and not self._is_stop_told:
            self._is_stop_told = True
            self._event("stopRequested")
        return is_told

    # A page

    def _fetch(self) -> Rule[Page]:
        """@returns the page of the token. @raises what fetch_page raised, _LimitedTooLong, _StoppedWhileWaiting"""
        fetching = {"page_token": self._list.token, "mode": self._plan.mode}
        page = self._read_page((yield from self._patiently(self._options.fetch_page, (), fetching, is_fetch=True)))
        self._pages += 1
        self._event("page", page_token=self._list.token, items=len(page.items))
        return page

    def _read_page(self, answer: Any) -> Page:
        try:
            items, token = answer
        except (TypeError, ValueError):
            raise TypeError("fetch_page must return (items, next_token)") from None
        pairs: List[Tuple[str, Any]] = []
        for item in items:
            id = self._options.id(item)
            if id is None or id == "":
                raise ValueError("id() answered nothing for an item")
            pairs.append((str(id), item))
        return Page(tuple(pairs), None if token is None or token == "" else str(token))

    def _work(self, step: Step) -> Rule[None]:
        """Process, then save."""
        added = 0
        if step.fresh:
            yield from self._lease.heartbeat_if_due()
            items = [item for _, item in step.fresh]
            processing = {"session_id": self.session_id, "mode": self._plan.mode}
            answer = yield from self._patiently(self._options.process, (items,), processing)
            added = len(items) if answer is None else operator.index(answer)
            self._list.handed(step.fresh)
            self._items += len(items)
            self._added += added
        if step.save is not None:
            yield from self._save(step.save, len(step.fresh), added)
        elif not step.is_end and not step.is_loop:
            yield from self._beat()

    def _save(self, save: Save, items: int, added: int) -> Rule[None]:
        given = operations.page_of(
            self._options.start,
            self.session_id,
            item_id=save.item_id,
            bookmarks_added=added,
            page_token=save.page_token,
            head_item_ids=save.head,
            api_requests=self._take_api_requests(),
        )
        try:
            saved = yield from operations.save(self._requests, given, with_checkpoint=False)
        except OrderViolationError:
            if not self._list.is_below_stored:
                raise
            yield from self._beat()
            return
        self._lease.renewed(saved.stop_requested)
        self._list.saved(save)
        self._event("saved", item_id=save.item_id, page_token=save.page_token, items=items, added=added)
        if saved.stall_reason == "LOOP":
            raise WaymarkError(_LOOP, code="LOOP")

    def _beat(self) -> Rule[None]:
        """A sign of life where nothing is saved."""
        yield from self._lease.heartbeat(api_requests=self._take_api_requests())

    def _take_api_requests(self) -> int:
        """@returns how often the platform was asked since the last report"""
        taken, self._api_requests = self._api_requests, 0
        return taken

    def _patiently(
        self, function: Callable[..., Any], arguments: Tuple[Any, ...], options: Any, is_fetch: bool = False
    ) -> Rule[Any]:
        """
        Calls a function of the program, again after each wait that the platform asks for.
        @raises what the function raised; LostError if a heartbeat beside it found the session lost
        """
        hits = 0
        while True:
            lease = self._lease
            call = Call(
                function, arguments, options, lease.beside, lease.seconds_to_next, lease.look_seconds, is_fetch
            )
            self._api_requests += is_fetch
            outcome: Outcome = yield call
            if self._lease.lost is not None:
                raise self._lease.lost
            if isinstance(outcome.error, RateLimitedError):
                hits += 1
                yield from self._wait(outcome.error, hits)
            elif isinstance(outcome.error, LostError):
                raise OthersLoss(outcome.error)
            elif outcome.error is not None:
                raise outcome.error
            else:
                return outcome.value

    # Waiting

    def _wait(self, limit: RateLimitedError, hits: int) -> Rule[None]:
        """@raises _LimitedTooLong, _StoppedWhileWaiting, LostError"""
        now = _now()
        # A platform may name a time that is over: then the waits grow.
        shortest = min(_SHORTEST_WAIT_SECONDS * 2.0 ** min(hits - 1, 10), _LONGEST_SHORT_WAIT_SECONDS)
        until = max(limit.until, now + timedelta(seconds=shortest))
        seconds = (until - now).total_seconds()
        if seconds > min(self._options.max_wait_seconds, _LONGEST_LIMIT_SECONDS):
            raise _LimitedTooLong(until) from limit
        self._event("waiting", reason="RATE_LIMITED", until=until)
        latest = now + timedelta(seconds=_LONGEST_LIMIT_SECONDS) - _CLOCK_MARGIN
        yield from self._lease.heartbeat(min(until, latest), is_hit=True, api_requests=self._take_api_requests())
        while time.time() < until.timestamp():
            if self._is_told_to_stop():
                raise _StoppedWhileWaiting
            # Renewed to the end, or the lease would end together with the wait.
            if self._lease.seconds_to_next() <= 0:
                yield from self._lease.heartbeat(until)
            left = until.timestamp() - time.time()
            yield Sleep(max(min(left, self._lease.seconds_to_next(), _LONGEST_SLEEP_SECONDS), 0.01), self._options.stop)

    def _pause(self, until: datetime, reason: str) -> Rule[CrawlReport]:
        latest = _now() + _LONGEST_PAUSE
        asked = min(until, latest)
        pause = yield from operations.pause_crawl(
            self._requests, self._options.start, self.session_id, asked, reason
        )
        if pause is None:
            return CrawlReport("paused", until=asked, reason=reason)
        return CrawlReport("paused", until=pause.until, reason=pause.reason)

    def _event(self, type: str, **fields: Any) -> None:
        log.debug("session %s: %s %s", self.session_id, type, fields)
        self._tell(CrawlEvent(type, session_id=self.session_id, mode=self._plan.mode, **fields))


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), timezone.utc)


class OthersLoss(Exception):
    """The program's function lost a session of its own."""

    def __init__(self, error: LostError) -> None:
        super().__init__(error)
        self.error = error


class _LimitedTooLong(Exception):
    """The platform asks for more patience than max_wait."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


class _StoppedWhileWaiting(Exception):
    """It was told to stop while the platform made it wait."""
