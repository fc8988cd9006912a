"""What crawl() is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Callable, Mapping, Optional, Tuple, Union

from .._operations import Start
from .report import CrawlEvent

Busy = Union[str, float, timedelta, Mapping[str, float]]
Wait = Union[float, timedelta]


@dataclass(frozen=True)
class CrawlOptions:
    """The functions are the program's own, in either client."""

    start: Start
    id: Callable[[Any], Any]
    fetch_page: Callable[..., Any]
    process: Callable[..., Any]
    # How long to wait for a busy list; 0: not at all.
    busy_wait_seconds: float
    max_wait_seconds: float
    stop: Optional[Any]
    on_event: Optional[Callable[[CrawlEvent], object]]

    def is_stopped(self) -> bool:
        return self.stop is not None and bool(self.stop.is_set())


def read_busy(busy: Busy) -> Tuple[bool, float]:
    """@returns whether to take the list over, and how many seconds to wait for it. @raises ValueError"""
    if isinstance(busy, Mapping):
        # As the contract of both clients writes it.
        for name in ("wait_ms", "waitMs"):
            if set(busy) == {name}:
                return False, float(busy[name]) / 1000
    elif isinstance(busy, str):
        if busy in ("skip", "takeover"):
            return busy == "takeover", 0.0
    elif isinstance(busy, timedelta) or (isinstance(busy, (int, float)) and not isinstance(busy, bool)):
        return False, read_seconds(busy)
    raise ValueError("busy is 'skip', 'takeover', or how long to wait for the list: seconds or a timedelta")


def read_seconds(wait: Wait) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def read_options(
    start: Start,
    id: Callable[[Any], Any],
    fetch_page: Callable[..., Any],
    process: Callable[..., Any],
    busy: Busy,
    max_wait: Wait,
    max_wait_ms: Optional[float],
    stop: Optional[Any],
    on_event: Optional[Callable[[CrawlEvent], object]],
) -> CrawlOptions:
    """@raises ValueError, TypeError for what can be no option"""
    takeover, busy_wait_seconds = read_busy(busy)
    if not (callable(id) and callable(fetch_page) and callable(process)):
        raise TypeError("id, fetch_page and process must be functions")
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise TypeError("stop must be a threading.Event or an asyncio.Event")
    return CrawlOptions(
        start=replace(start, takeover=takeover),
        id=id,
        fetch_page=fetch_page,
        process=process,
        busy_wait_seconds=busy_wait_seconds,
        max_wait_seconds=read_seconds(max_wait) if max_wait_ms is None else max_wait_ms / 1000,
        stop=stop,
        on_event=on_event,
    )
