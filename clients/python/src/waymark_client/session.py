"""A session whose pages the program fetches itself, without asyncio."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Callable, Optional, Sequence, Type

from ._drive import Driver
from ._effects import Rule, T
from ._sessions import SessionRules
from .models import Checkpoint, CrawlSession, Plan, Saved


class Session:
    """
    One run of a crawler, from `Waymark.start_session`. The end of its `with` block stops it, unless it has ended.

    Every method but the ends renews the lease. Each raises LostError where the session is no longer this program's.
    """

    def __init__(self, rules: SessionRules, driver: Callable[[], Driver]) -> None:
        self._rules = rules
        self._driver = driver

    @property
    def session_id(self) -> str:
        return self._rules.session_id

    @property
    def plan(self) -> Plan:
        """Where the crawl begins and where it may stop."""
        return self._rules.started.plan

    @property
    def checkpoint(self) -> Optional[Checkpoint]:
        """As it was at the start. None: crawl from the top."""
        return self._rules.started.checkpoint

    @property
    def session(self) -> CrawlSession:
        """As it was at the start."""
        return self._rules.started.session

    @property
    def stop_requested(self) -> bool:
        """Whether an answer said that somebody wants it to stop: finish the page, save, then stop()."""
        return self._rules.stop_requested

    def save(
        self,
        item_id: Optional[str] = None,
        bookmarks_added: Optional[int] = None,
        page_token: Optional[str] = None,
        head_item_ids: Optional[Sequence[str]] = None,
    ) -> Saved:
        """
        Saves a page that was processed, under a key that counts it once.
        @param item_id the last item of the page; None: it had none, and only the token moves
        @param bookmarks_added how many of its items were new
        @param page_token names the next page, at most 8 KiB. Without it the stored one is removed
        @param head_item_ids the newest items, with the first page that has items, until there are three
        @raises OrderViolationError, InvalidInputError
        """
        return self._run(self._rules.save(item_id, bookmarks_added, page_token, head_item_ids))

    def rate_limited(self, until: datetime) -> None:
        """Reports that the platform makes the crawl wait, at most 24 h. The lease lasts at least until then."""
        self._run(self._rules.heartbeat(until))

    def heartbeat(self) -> bool:
        """Says that the crawler lives. @returns whether somebody wants it to stop"""
        return self._run(self._rules.heartbeat())

    def complete(self, output_file_path: Optional[str] = None) -> None:
        """The crawl has reached the end of its plan."""
        self._run(self._rules.complete(output_file_path))

    def stop(self) -> None:
        """It ends early. The next session resumes."""
        self._run(self._rules.stop())

    def fail(self, error: "BaseException | str") -> None:
        """It cannot go on. The next session resumes."""
        self._run(self._rules.fail(error))

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._run(self._rules.leave(error))

    def finish(self, error: Optional[BaseException]) -> None:
        """Ends it by how its work ended, as run_session does."""
        self._run(self._rules.finish(error))

    def _run(self, rule: Rule[T]) -> T:
        return self._driver().run(rule)
