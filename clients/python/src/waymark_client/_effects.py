"""What a rule may ask for.

Every rule of the client is a generator. It never waits and never touches a socket: it yields one of these, and is sent
the result. So the client with threads and the one with asyncio follow the same rules (`_drive.py`, `_async_drive.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Generator, Mapping, Optional, Tuple, TypeVar, Union

T = TypeVar("T")
Rule = Generator["Effect", Any, T]


@dataclass(frozen=True)
class Reply:
    """A whole HTTP response. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Post:
    """Sends a request. @returns its Reply. @raises TransportError where no whole answer came in time"""

    body: bytes
    timeout_seconds: float
    # On a connection of its own: one that was idle may be closed just now, and nobody would know whether it arrived.
    is_fresh: bool = False


@dataclass(frozen=True)
class Sleep:
    """Waits, but not beyond a request to stop."""

    seconds: float
    stop: Optional[Any] = None


@dataclass
class Call:
    """Calls the program's own function. @returns an Outcome, whatever it does; only an interruption is raised

    While it takes long, `beside` is run each time that `seconds_to_next()` has passed. That is looked at each
    `look_seconds`, since the clock of a machine that sleeps stands still. `beside` answers whether to give up the call,
    which only asyncio can do, and only where `may_give_up`.
    """

    function: Callable[..., Any]
    arguments: Tuple[Any, ...]
    options: Dict[str, Any]
    beside: Callable[[], Rule[bool]]
    seconds_to_next: Callable[[], float]
    look_seconds: float
    may_give_up: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a function of the program returned or raised."""

    value: Any = None
    error: Optional[Exception] = None


@dataclass(frozen=True)
class Shielded:
    """Runs a rule to its end although the program is interrupted, for so long at the most. Its errors are dropped."""

    rule: Rule[Any]
    seconds: float


@dataclass(frozen=True)
class OpenStream:
    """Opens an event stream. @returns an open stream, or the Reply where the server answered otherwise"""

    body: bytes
    timeout_seconds: float


@dataclass(frozen=True)
class ReadStream:
    """@returns bytes; none at its end; None where nothing came for so long"""

    stream: Any
    timeout_seconds: float


@dataclass(frozen=True)
class CloseStream:
    stream: Any


@dataclass(frozen=True)
class Tell:
    """Gives something to the program's loop."""

    event: Any = field(default=None)


Effect = Union[Post, Sleep, Call, Shielded, OpenStream, ReadStream, CloseStream, Tell]
