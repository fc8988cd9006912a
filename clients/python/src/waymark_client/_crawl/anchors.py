"""Where an incremental crawl may stop."""

from __future__ import annotations

from typing import List, Optional, Sequence

NEIGHBOURS = 3


class Anchors:
    """
    An anchor is three neighbours of the list that are neighbours in `until` too, in the same order; two, if it holds
    two.
    One alone proves nothing: a pinned item, or one that was bookmarked again.
    @param above the item right above the first page, where it is known
    """

    def __init__(self, until: Sequence[str], above: Optional[str]) -> None:
        size = min(NEIGHBOURS, len(until))
        self._size = size if size > 1 else 0
        self._runs = {tuple(until[at : at + size]) for at in range(len(until) - size + 1)} if self._size else set()
        # The neighbours may be on two pages.
        self._above: List[str] = [] if above is None else [above]

    def meet(self, ids: Sequence[str]) -> Optional[int]:
        """
        Goes to the next page.
        @returns how many of its items come before an anchor; 0 also where it begins on the page above. None: none
        """
        listed = [*self._above, *ids]
        first = len(self._above)
        self._above = listed[-(NEIGHBOURS - 1) :]
        if not self._size:
            return None
        for at in range(len(listed) - self._size + 1):
            if tuple(listed[at : at + self._size]) in self._runs:
                return max(at - first, 0)
        return None

    @property
    def may_have_begun(self) -> bool:
        """Whether the last items may be the beginning of one: a token that leads below them would lead past it."""
        tails = [tuple(self._above[at:]) for at in range(len(self._above))]
        return any(run[: len(tail)] == tail for tail in tails if len(tail) < self._size for run in self._runs)
