"""Where a session is in the list, and what comes of each page. No requests are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Set, Tuple

from ..models import Plan
from .anchors import NEIGHBOURS, find_anchor

_MOST_HEAD_ITEMS = 50
# As many saves without an item in a row are a LOOP to Waymark; it doesn't see those that are skipped.
_MOST_EMPTY_PAGES = 100


@dataclass(frozen=True)
class Page:
    """What fetch_page answered: (ID, item) pairs, and the token of the next page; None: the list ends here."""

    items: Tuple[Tuple[str, Any], ...]
    next_token: Optional[str]

    @property
    def ids(self) -> Tuple[str, ...]:
        return tuple(id for id, _ in self.items)


@dataclass(frozen=True)
class Step:
    """
    What to do with a page. `item_ids` are those to save, `fresh` those to hand to process.

    `restart` says why the list is to be read from the top; `is_skipped`: heartbeat and go on; `is_end`: the plan is
    done; `is_loop`: the next token was there before.
    """

    item_ids: Tuple[str, ...] = ()
    fresh: Tuple[Tuple[str, Any], ...] = ()
    head: Optional[Tuple[str, ...]] = None
    restart: Optional[str] = None
    is_skipped: bool = False
    is_end: bool = False
    is_at_anchor: bool = False
    is_loop: bool = False


class CrawledList:
    """Follows one plan down a list, in one pass or several from the top."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.token = plan.page_token
        # The last item that was saved: down to it, a pass from the top skips.
        self._last = plan.after_item_id
        self._skip_to = plan.after_item_id if plan.page_token is None else None
        # An empty end right after a token that was kept is no end.
        self._is_end_doubtful = plan.page_token is not None
        self._begins_crawl = plan.after_item_id is None
        self._head_length = 0
        self._handed: Set[str] = set()
        self._above: List[str] = []
        self._fetched: Set[str] = set()
        self._empty_pages = 0
        self._was_refused = False
        self._is_token_saved = False

    def refuse(self) -> bool:
        """The platform refuses the token. @returns False where it did so before in this session"""
        if self._was_refused:
            return False
        self._was_refused = True
        self._restart(self._last)
        return True

    def take(self, page: Page) -> Step:
        """@returns what to do with the page that `token` names"""
        ids = page.ids
        anchor = find_anchor(self._above, ids, self._plan.until_item_ids)
        is_end = anchor is not None or page.next_token is None
        begin, end = 0, len(ids) if anchor is None else max(anchor, 0)
        is_loop = self._goes_round(page)
        if self._skip_to is not None:
            if self._skip_to not in ids:
                return self._skip(page, is_end, is_loop)
            begin = ids.index(self._skip_to) + 1
            self._skip_to = None
        elif is_end and not ids and anchor is None and self._is_end_doubtful:
            self._restart(self._last)
            return Step(restart="empty_end")
        if ids:
            self._is_end_doubtful = False
        wanted = page.items[begin:end]
        return Step(
            item_ids=tuple(id for id, _ in wanted),
            fresh=self._fresh(wanted),
            head=self._head_of(ids) if wanted else None,
            is_end=is_end,
            is_at_anchor=anchor is not None,
            is_loop=is_loop and not is_end,
        )

    def handed(self, fresh: Sequence[Tuple[str, Any]]) -> None:
        """process has done its work on these."""
        self._handed.update(id for id, _ in fresh)

    def saved(self, step: Step, page_token: Optional[str]) -> None:
        self._last = step.item_ids[-1] if step.item_ids else self._last
        self._is_token_saved = page_token is not None
        if step.head is not None:
            self._head_length += len(step.head)

    def token_to_drop(self) -> Optional[str]:
        """@returns the last item, where the last save's token leads to or below the anchor that ends the crawl"""
        return self._last if self._is_token_saved else None

    def advance(self, page: Page) -> None:
        """Goes to the next page."""
        self._above = [*self._above, *page.ids][-(NEIGHBOURS - 1) :]
        self._fetched.add(self.token or "")
        self.token = page.next_token

    def _skip(self, page: Page, is_end: bool, is_loop: bool) -> Step:
        if is_end:
            # Not met at all: the item was removed, and nothing may be skipped.
            self._restart(None)
            return Step(restart="item_removed")
        return Step(is_skipped=True, is_loop=is_loop)

    def _restart(self, skip_to: Optional[str]) -> None:
        self.token = None
        self._skip_to = skip_to
        self._is_end_doubtful = False
        self._above = []
        self._fetched = set()
        self._empty_pages = 0

    def _goes_round(self, page: Page) -> bool:
        self._empty_pages = 0 if page.items else self._empty_pages + 1
        token = page.next_token
        is_known = token is not None and (token == self.token or token in self._fetched)
        return is_known or self._empty_pages >= _MOST_EMPTY_PAGES

    def _fresh(self, wanted: Sequence[Tuple[str, Any]]) -> Tuple[Tuple[str, Any], ...]:
        """An item that comes again in one session is handed to process once."""
        fresh = {}
        for id, item in wanted:
            if id not in self._handed and id not in fresh:
                fresh[id] = item
        return tuple(fresh.items())

    def _head_of(self, ids: Sequence[str]) -> Optional[Tuple[str, ...]]:
        if not self._begins_crawl or self._head_length >= NEIGHBOURS:
            return None
        return tuple(dict.fromkeys(ids))[:_MOST_HEAD_ITEMS]
