"""A whole crawl: its sessions, one after the other."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import List, Optional

from .. import _operations as operations
from .._effects import Rule, Sleep
from .._operations import Start, Started
from .._requests import Requests, log
from ..errors import BusyError, LostError, PausedError, WaymarkError
from ..models import Plan
from .options import CrawlOptions
from .report import CrawlEvent, CrawlReport
from .session_run import OthersLoss, SessionRun

_FAIL_SECONDS = 5.0
_LONGEST_SLEEP_SECONDS = 1.0


def crawl(requests: Requests, options: CrawlOptions) -> Rule[CrawlReport]:
    """
    @returns how it ended
    @raises what fetch_page or process raised, and every WaymarkError that is no outcome. The session has ended then
    """
    return (yield from _Crawl(requests, options).run())


class _Crawl:
    def __init__(self, requests: Requests, options: CrawlOptions) -> None:
        self._requests = requests
        self._options = options
        self._runs: List[SessionRun] = []

    def run(self) -> Rule[CrawlReport]:
        try:
            report = yield from self._sessions()
        except OthersLoss as others:
            raise others.error from None
        whole = replace(report, sessions=tuple(run.report() for run in self._runs))
        self._tell(CrawlEvent("done", report=whole))
        return whole

    def _sessions(self) -> Rule[CrawlReport]:
        start = self._options.start
        try:
            started = yield from self._start_in_time(start)
        except BusyError as busy:
            return CrawlReport("busy", retry_at=busy.retry_at)
        except PausedError as paused:
            return CrawlReport("paused", until=paused.until, reason=paused.reason)
        is_repeated = False
        while started is not None:
            mode = started.plan.mode
            try:
                report = yield from self._session(started)
            except LostError as lost:
                log.warning("%s", lost.message)
                if not lost.is_lease_expired:
                    return CrawlReport("lost")
                if self._options.is_stopped():
                    return CrawlReport("stopped")
                try:
                    mode = "CATCH_UP" if mode == "CATCH_UP" else "AUTO"
                    started = yield from self._start_again(mode)
                except _Taken:
                    return CrawlReport("lost")
                except PausedError as paused:
                    return CrawlReport("paused", until=paused.until, reason=paused.reason)
                continue
            next_mode = once_more(started.plan) if report.outcome == "completed" and not is_repeated else None
            if next_mode is None or self._options.is_stopped():
                return report
            is_repeated = True
            try:
                started = yield from self._start_again(next_mode)
            except (_Taken, PausedError):
                return report
        return CrawlReport("stopped")

    def _start_in_time(self, start: Start) -> Rule[Optional[Started]]:
        """Waits for a busy list as long as it may. @returns None where it was told to stop meanwhile"""
        deadline = time.monotonic() + self._options.busy_wait_seconds
        while not self._options.is_stopped():
            try:
                return (yield from operations.start_session(self._requests, start))
            except BusyError as busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                self._tell(CrawlEvent("waiting", reason="BUSY", until=busy.retry_at))
                # Its owner may be done before its lease ends.
                yield Sleep(min(left, _LONGEST_SLEEP_SECONDS), self._options.stop)
        return None

    def _start_again(self, mode: str) -> Rule[Started]:
        """@raises _Taken, PausedError"""
        try:
            again = replace(self._options.start, mode=mode, takeover=False)
            return (yield from operations.start_session(self._requests, again))
        except BusyError:
            raise _Taken from None
        except WaymarkError as refused:
            # The crawl beside which it caught up is no more what it was.
            if refused.code != "CATCH_UP_IMPOSSIBLE":
                raise
            raise _Taken from None

    def _session(self, started: Started) -> Rule[CrawlReport]:
        run = SessionRun(self._requests, self._options, started, self._tell)
        self._runs.append(run)
        plan = started.plan
        log.info("session %s: %s: %s", run.session_id, plan.mode, plan.reason)
        self._tell(CrawlEvent("started", session_id=run.session_id, mode=plan.mode, reason=plan.reason))
        try:
            return (yield from run.run())
        except LostError:
            raise
        except OthersLoss as others:
            yield from self._fail(run, others.error)
            raise
        except Exception as error:
            yield from self._fail(run, error)
            raise
        except GeneratorExit:
            raise
        except BaseException:
            # Ctrl-C, a cancelled task, sys.exit(): the page is given up, and the list left to the next crawler.
            yield operations.last_word(self._requests, run.session_id)
            raise

    def _fail(self, run: SessionRun, error: Exception) -> Rule[None]:
        message = operations.message_of(error)
        log.error("session %s: %s", run.session_id, message)
        try:
            yield from operations.fail_session(self._requests, run.session_id, message, budget_seconds=_FAIL_SECONDS)
        except WaymarkError as unheard:
            # Its lease ends it.
            log.warning("session %s: could not be ended: %s", run.session_id, unheard.message)

    def _tell(self, event: CrawlEvent) -> None:
        if self._options.on_event is None:
            return
        try:
            self._options.on_event(event)
        except Exception:
            log.exception("on_event raised an error")


class _Taken(Exception):
    """Somebody else has the list by now."""


def once_more(plan: Plan) -> Optional[str]:
    """
    What came to the top while a crawl was interrupted lies above its head, and a crawl from the top finds it.
    @returns the mode of the next session; None: there is none
    """
    if plan.mode == "RESUME" and not plan._is_ascending:
        return "AUTO"
    if plan.mode == "CATCH_UP" and not plan.begins_at_top:
        return "CATCH_UP"
    return None
