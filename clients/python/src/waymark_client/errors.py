"""What can go wrong. Every error of Waymark is a `WaymarkError`; the last three are what `fetch_page` may raise."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, Optional, Tuple, Type, TypeVar, Union

from .models import InputIssue, SessionOwner

_Error = TypeVar("_Error", bound="WaymarkError")


class WaymarkError(Exception):
    """Waymark refused a request, or did not answer it.

    `code` is Waymark's, e.g. `USER_NOT_FOUND`; more may come. `message` says what to do. `request_id` names the request
    in the server's log; None where no answer came.
    """

    code: str
    message: str
    request_id: Optional[str]

    def __init__(self, message: str, *, code: str, request_id: Optional[str] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id

    def __reduce__(self) -> Tuple[Any, ...]:
        # Exception's own would call __init__ with `args` alone, which lacks the code.
        return _restored, (type(self), self.args, dict(self.__dict__))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.message!r})"


def _restored(kind: Type[_Error], args: Tuple[Any, ...], state: Dict[str, Any]) -> _Error:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInputError(WaymarkError):
    """A value was wrong; nothing was written. `issues` names each. Correct the program; do not repeat the request."""

    issues: Tuple[InputIssue, ...] = ()


class LostError(WaymarkError):
    """The session is no longer this program's. Stop crawling and end nothing.

    `code` is STALE_EPOCH (another session has the list), SESSION_CLOSED or SESSION_NOT_FOUND. `end_reason` is why a
    closed session ended, e.g. LEASE_EXPIRED.
    """

    end_reason: Optional[str] = None

    @property
    def is_lease_expired(self) -> bool:
        """Whether it was only silent for too long: a new session continues from the checkpoint."""
        return self.code == "SESSION_CLOSED" and self.end_reason == "LEASE_EXPIRED"


class BusyError(WaymarkError):
    """A live session owns the list. `retry_at` is when its lease ends unless it is renewed."""

    owner: Optional[SessionOwner] = None
    retry_at: Optional[datetime] = None


class PausedError(WaymarkError):
    """The list is paused, and no session starts on it before `until`."""

    until: Optional[datetime] = None
    reason: Optional[str] = None


class UnauthenticatedError(WaymarkError):
    """The key is missing, wrong, revoked or expired."""


class ForbiddenError(WaymarkError):
    """The key may not do this: it lacks a scope or a user."""


class UnavailableError(WaymarkError):
    """Waymark did not answer within the retry budget, or said that it cannot now.

    `may_have_written`: nobody knows whether the request took effect. False: it certainly did not.
    """

    may_have_written: bool = False


class OrderViolationError(WaymarkError):
    """The stream is ASCENDING, and the item is below `last_item_id`."""

    last_item_id: Optional[str] = None


class VersionConflictError(WaymarkError):
    """The checkpoint has another version than expected: `current_version`, 0 where there is none."""

    current_version: Optional[int] = None


class RateLimitedError(Exception):
    """Raise it from `fetch_page`: the platform wants to be left alone until then. The same page is fetched again.

    `until` is a datetime (without a zone: local time, as always in Python), or seconds since 1970, as most platforms'
    headers have them.
    """

    until: datetime

    def __init__(self, until: Union[datetime, float], reason: Optional[str] = None) -> None:
        super().__init__(until, reason)
        at = until if isinstance(until, datetime) else datetime.fromtimestamp(until, timezone.utc)
        self.until = at.astimezone(timezone.utc)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason or f"the platform's rate limit lasts until {self.until.isoformat()}"


class PageTokenRefusedError(Exception):
    """Raise it from `fetch_page`: the platform does not take the page token any more. The crawl begins at the top."""

    def __init__(self, message: str = "the platform refuses the page token") -> None:
        super().__init__(message)


class NeedsAttentionError(Exception):
    """Raise it from `fetch_page`: a person has to act first, e.g. log in again. The list is paused with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
