"""What crawl() answers and tells meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Optional, Tuple


@dataclass(frozen=True)
class SessionReport:
    """One session of a crawl: pages fetched, items handed to process, and how many of these were new."""

    session_id: str
    mode: str
    pages: int
    items: int
    added: int


@dataclass(frozen=True)
class CrawlReport:
    """
    `outcome` is one of:
    - completed: the crawl reached the end of its plan.
    - stopped: it was asked to stop, and did so after a page.
    - lost: another session has the list, or somebody ended this one. Nothing is to be done.
    - busy: another session has the list, so nothing was begun. `retry_at` is when its lease ends.
    - paused: the list is paused until `until`, because of `reason`.
    """

    outcome: str
    sessions: Tuple[SessionReport, ...] = ()
    retry_at: Optional[datetime] = None
    until: Optional[datetime] = None
    reason: Optional[str] = None


@dataclass(frozen=True)
class CrawlEvent:
    """
    What happened, for a log or a progress bar. `type` is one of:
    - started: a session. `mode` and `reason` are of its plan.
    - page: a page was fetched: `page_token` and the number of `items` on it.
    - saved: it was processed and saved: `items` that were handed to process, `added` of them new, `item_id`, and the
      `page_token` of the next page.
    - waiting: until `until`, for the platform (`reason` RATE_LIMITED) or for the owner of the list (BUSY).
    - stopRequested: the crawl stops after this page.
    - restartedFromTop: because of `reason`: TOKEN_REFUSED, EMPTY_END or LAST_ITEM_REMOVED.
    - done: `report`.
    """

    type: str
    session_id: Optional[str] = None
    mode: Optional[str] = None
    reason: Optional[str] = None
    page_token: Optional[str] = None
    item_id: Optional[str] = None
    items: Optional[int] = None
    added: Optional[int] = None
    until: Optional[datetime] = None
    report: Optional[CrawlReport] = None
