"""One session of a crawl, from its start to its end."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, List, Optional, Tuple

from .. import _operations as operations
from .._effects import Call, Outcome, Rule, Sleep
from .._operations import Started
from .._requests import Requests, log
from ..errors import LostError, NeedsAttentionError, PageTokenRefusedError, RateLimitedError, WaymarkError
from .crawled_list import CrawledList, Page, Step
from .lease import Lease
from .options import CrawlOptions
from .report import CrawlEvent, CrawlReport, SessionReport

# Waymark keeps a lease for a rate limit of a day at the most, and a pause for 400 days.
_LONGEST_LIMIT_SECONDS = 24 * 3600
_LONGEST_PAUSE = timedelta(days=399)
_SHORTEST_WAIT_SECONDS = 0.1
# The clock of a machine that sleeps stands still: look at the wall's as often.
_LONGEST_SLEEP_SECONDS = 1.0


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
        self._pages = self._items = self._added = 0
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
                    error.args = (f"the platform refused a page token again, in a crawl from the top: {error}",)
                    raise
                self._event("restartedFromTop", reason="token_refused")
                yield from self._lease.heartbeat()
                continue
            except _StoppedWhileWaiting:
                break
            step = self._list.take(page)
            if step.restart is not None:
                self._event("restartedFromTop", reason=step.restart)
                yield from self._lease.heartbeat()
                continue
            if step.is_skipped:
                if not step.is_loop:
                    yield from self._lease.heartbeat()
            else:
                yield from self._work(page, step)
            if step.is_loop:
                raise WaymarkError("LOOP: the page tokens of the list go round", code="LOOP")
            if step.is_end:
                yield from operations.complete_session(self._requests, self.session_id)
                return CrawlReport("completed")
            self._list.advance(page)
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
        """@returns the page of the token, after as long a wait as the platform asks for"""
        while True:
            token = self._list.token
            fetching = {"page_token": token, "mode": self._plan.mode}
            try:
                answer = yield from self._call(self._options.fetch_page, (), fetching, may_give_up=True)
            except RateLimitedError as limit:
                yield from self._wait(limit)
                continue
            page = self._read_page(answer)
            self._pages += 1
            self._event("page", page_token=token, items=len(page.items))
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

    def _work(self, page: Page, step: Step) -> Rule[None]:
        """Process, then save."""
        added = 0
        if step.fresh:
            yield from self._lease.heartbeat_if_due()
            items = [item for _, item in step.fresh]
            processing = {"session_id": self.session_id, "mode": self._plan.mode}
            answer = yield from self._call(self._options.process, (items,), processing)
            added = len(items) if answer is None else int(answer)
            self._list.handed(step.fresh)
            self._items += len(items)
            self._added += added
        # Neither below an anchor nor back up.
        token = None if step.is_end or step.is_loop else page.next_token
        if step.item_ids:
            yield from self._save(step, added, token)
        elif token is not None:
            yield from self._save(step, 0, token)
        elif step.is_at_anchor:
            last = self._list.token_to_drop()
            if last is not None:
                yield from self._save(Step(item_ids=(last,), is_end=True), 0, None)

    def _save(self, step: Step, added: int, page_token: Optional[str]) -> Rule[None]:
        item_id = step.item_ids[-1] if step.item_ids else None
        given = operations.page_of(
            self._options.start,
            self.session_id,
            item_id=item_id,
            bookmarks_added=added,
            page_token=page_token,
            head_item_ids=step.head,
        )
        saved = yield from operations.save(self._requests, given, with_checkpoint=False)
        self._lease.renewed(saved.stop_requested)
        self._list.saved(step, page_token)
        self._event("saved", item_id=item_id, items=len(step.fresh), added=added)
        if saved.stall_reason == "LOOP" and not step.is_end:
            raise WaymarkError("LOOP: Waymark sees the page tokens of the list go round", code="LOOP")

    def _call(
        self, function: Callable[..., Any], arguments: Tuple[Any, ...], options: Any, may_give_up: bool = False
    ) -> Rule[Any]:
        """@raises what the function raised; LostError if a heartbeat beside it found the session lost"""
        call = Call(function, arguments, options, self._lease.beside, self._lease.seconds_to_next, may_give_up)
        outcome: Outcome = yield call
        if self._lease.lost is not None:
            raise self._lease.lost
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    # Waiting

    def _wait(self, limit: RateLimitedError) -> Rule[None]:
        """@raises _LimitedTooLong, _StoppedWhileWaiting, LostError"""
        now = _now()
        until = max(limit.until, now + timedelta(seconds=_SHORTEST_WAIT_SECONDS))
        seconds = (until - now).total_seconds()
        if seconds > min(self._options.max_wait_seconds, _LONGEST_LIMIT_SECONDS):
            raise _LimitedTooLong(until) from limit
        self._event("waiting", reason="rate_limited", until=until)
        yield from self._lease.heartbeat(until, is_hit=True)
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


class _LimitedTooLong(Exception):
    """The platform asks for more patience than max_wait."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


class _StoppedWhileWaiting(Exception):
    """It was told to stop while the platform made it wait."""
