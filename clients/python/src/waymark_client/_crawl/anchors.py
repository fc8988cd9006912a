"""Where an incremental crawl may stop."""

from __future__ import annotations

from typing import Optional, Sequence

NEIGHBOURS = 3


def find_anchor(above: Sequence[str], ids: Sequence[str], until: Sequence[str]) -> Optional[int]:
    """
    An anchor is three neighbours of the list that are neighbours in `until` too, in the same order; two if it holds two.
    @param above the last items of the pages above, since the neighbours may be on two pages
    @returns how many items of the page come before it. Negative: it begins on a page above. None: there is none
    """
    size = min(NEIGHBOURS, len(until))
    if size < 2:
        return None
    runs = {tuple(until[at : at + size]) for at in range(len(until) - size + 1)}
    listed = [*above, *ids]
    for at in range(len(listed) - size + 1):
        if tuple(listed[at : at + size]) in runs:
            return at - len(above)
    return None
