"""Where a session is in the list, and what comes of each page. No requests are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence, Set, Tuple

from ..models import Plan
from .anchors import NEIGHBOURS, Anchors

_MOST_HEAD_ITEMS = 50
# What Waymark keeps at most.
_MOST_TOKEN_BYTES = 8_192
# As many saves without an item in a row are a LOOP to Waymark; it doesn't see those that are skipped.
_MOST_EMPTY_PAGES = 100


@dataclass(frozen=True)
class Page:
    """What fetch_page answered: (ID, item) pairs, and the token of the next page; None: the list ends here."""

    items: Tuple[Tuple[str, Any], ...]
    next_token: Optional[str]


@dataclass(frozen=True)
class Save:
    """What to save. `item_id` None: only the token moves."""

    item_id: Optional[str]
    page_token: Optional[str]
    head: Optional[Tuple[str, ...]] = None


@dataclass(frozen=True)
class Step:
    """
    What to do with a page: hand `fresh` to process, then `save`; None: a heartbeat will do.

    `restart` says why the list is read from the top now. `is_end`: the plan is done. `is_loop`: the next token was
    there before.
    """

    fresh: Tuple[Tuple[str, Any], ...] = ()
    save: Optional[Save] = None
    restart: Optional[str] = None
    is_end: bool = False
    is_loop: bool = False


class CrawledList:
    """Follows one plan down a list, in one pass or several from the top."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # The last item that was saved: down to it, a pass from the top skips.
        self._last = plan.after_item_id
        self._begins_crawl = plan.after_item_id is None
        self._head_length = 0
        self._handed: Set[str] = set()
        self._was_refused = False
        self._is_token_saved = False
        # Whether an ASCENDING list is read again from its top: what is saved there is below the stored item.
        self.is_below_stored = False
        self._begin(plan.page_token, plan.after_item_id if plan.page_token is None else None)

    def _begin(self, token: Optional[str], skip_to: Optional[str]) -> None:
        """A pass: from the top, or from a token that was kept, which leads to the page right below the last item."""
        self.token = token
        self._skip_to = skip_to
        self._anchors = Anchors(self._plan.until_item_ids, None if token is None else self._plan.after_item_id)
        self._met = {token}
        self._empty_pages = 0
        # Whether it began at a token that an earlier session kept, and has seen no item since.
        self._is_blind = token is not None

    def refuse(self) -> bool:
        """The platform refuses the token. @returns False where going to the top does not help, or not again"""
        if self._was_refused or self.token is None:
            return False
        self._was_refused = True
        self._begin(None, self._last)
        return True

    def take(self, page: Page) -> Step:
        """Goes to the next page. @returns what to do with this one"""
        ids = [id for id, _ in page.items]
        anchor = self._anchors.meet(ids)
        is_end = anchor is not None or page.next_token is None
        self._is_blind = self._is_blind and not ids
        if is_end and self._is_blind:
            self._begin(None, self._last)
            return Step(restart="EMPTY_END")
        begin = 0
        if self._skip_to is not None:
            if self._skip_to not in ids:
                return self._skip(page, is_end)
            begin = ids.index(self._skip_to) + 1
            self._skip_to = None
        wanted = page.items[begin : len(ids) if anchor is None else anchor]
        is_loop = not is_end and self._goes_round(page)
        self.token = page.next_token
        save = self._save_of(wanted, ids, None if is_end or is_loop else page.next_token)
        if save is None and anchor is not None and self._is_token_saved:
            # The token of the last save leads to the anchor: nobody shall go on below it.
            save = Save(self._last, None)
        return Step(fresh=self._fresh(wanted), save=save, is_end=is_end, is_loop=is_loop)

    def handed(self, fresh: Sequence[Tuple[str, Any]]) -> None:
        """process has done its work on these."""
        self._handed.update(id for id, _ in fresh)

    def saved(self, save: Save) -> None:
        self._last = save.item_id or self._last
        self._is_token_saved = save.page_token is not None
        self._head_length += len(save.head or ())

    def _skip(self, page: Page, is_end: bool) -> Step:
        if is_end:
            # Not met at all: the item was removed, and nothing may be skipped.
            self.is_below_stored = self._plan._is_ascending
            self._begin(None, None)
            return Step(restart="LAST_ITEM_REMOVED")
        is_loop = self._goes_round(page)
        self.token = page.next_token
        return Step(is_loop=is_loop)

    def _goes_round(self, page: Page) -> bool:
        """@returns whether this pass has met the next token before, or goes on and on without items"""
        self._empty_pages = 0 if page.items else self._empty_pages + 1
        is_known = page.next_token in self._met
        self._met.add(page.next_token)
        return is_known or self._empty_pages >= _MOST_EMPTY_PAGES

    def _save_of(
        self, wanted: Sequence[Tuple[str, Any]], ids: Sequence[str], next_token: Optional[str]
    ) -> Optional[Save]:
        is_kept = (
            next_token is not None
            and not self._anchors.may_have_begun
            and len(next_token.encode("utf-8", "replace")) <= _MOST_TOKEN_BYTES
        )
        token = next_token if is_kept else None
        if wanted:
            return Save(wanted[-1][0], token, self._head_of(ids))
        if token is None:
            return None
        # A page of known items moves the token too.
        return Save(self._last if ids else None, token)

    def _fresh(self, wanted: Sequence[Tuple[str, Any]]) -> Tuple[Tuple[str, Any], ...]:
        """An item that comes again in one session is handed to process once."""
        fresh = {}
        for id, item in wanted:
            if id not in self._handed and id not in fresh:
                fresh[id] = item
        return tuple(fresh.items())

    def _head_of(self, ids: Sequence[str]) -> Optional[Tuple[str, ...]]:
        """The first page that has items, and the pages after it until there are three."""
        if not self._begins_crawl or self._head_length >= NEIGHBOURS:
            return None
        return tuple(dict.fromkeys(ids))[:_MOST_HEAD_ITEMS]
