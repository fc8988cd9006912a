"""One GraphQL request: when it is sent again, and which error it becomes."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from typing import Any, Dict, Mapping, Optional, Tuple, Type

from ._effects import Post, Reply, Rule, Sleep
from ._http1 import TransportError
from .errors import (
    BusyError,
    ForbiddenError,
    InvalidInputError,
    LostError,
    OrderViolationError,
    PausedError,
    UnauthenticatedError,
    UnavailableError,
    VersionConflictError,
    WaymarkError,
)
from .models import InputIssue, Json, Pause, SessionOwner
from ._times import read_time

log = logging.getLogger("waymark_client")

RETRIED_CODES = frozenset(["RATE_LIMITED", "OVERLOADED", "SERVICE_UNAVAILABLE"])
_RETRIED_STATUSES = {429: "RATE_LIMITED", **dict.fromkeys((502, 503, 504), "SERVICE_UNAVAILABLE")}
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_MOST_MESSAGE_CHARACTERS = 1_000


class Requests:
    """Sends requests, each with the same key and the same patience."""

    def __init__(self, *, key: Optional[str], timeout_seconds: float, budget_seconds: float) -> None:
        self._key = key
        self.timeout_seconds = timeout_seconds
        self.budget_seconds = budget_seconds

    def send(
        self,
        document: str,
        variables: Optional[Mapping[str, Any]] = None,
        *,
        budget_seconds: Optional[float] = None,
    ) -> Rule[Json]:
        """
        Sends an operation until it is answered.
        @param budget_seconds how long it is tried; 0: once
        @returns its data
        @raises WaymarkError for every top-level error, UnavailableError where no answer came
        """
        data, _ = yield from self._send(document, variables, budget_seconds)
        return data

    def _send(
        self, document: str, variables: Optional[Mapping[str, Any]], budget_seconds: Optional[float]
    ) -> Rule[Tuple[Json, Optional[str]]]:
        """@returns the data, and the server's ID of the request"""
        body = json.dumps({"query": document, "variables": dict(variables or {})}).encode()
        writes = is_mutation(document)
        is_repeatable = not (writes and adds_without_key(document, variables))
        deadline = time.monotonic() + (self.budget_seconds if budget_seconds is None else budget_seconds)
        post = Post(body, self.timeout_seconds, is_fresh=not is_repeatable)
        may_have_written = False
        attempt = 0
        while True:
            attempt += 1
            retry_after = 0.0
            try:
                reply: Reply = yield post
                answer = _graphql_of(reply)
                if answer is not None and not answer.get("errors"):
                    return answer["data"], reply.headers.get("x-request-id")
                refused = self.error_of(reply)
                if not isinstance(refused, UnavailableError):
                    raise refused
                error, retry_after = refused, _retry_after(reply)
                may_have_written = may_have_written or (writes and error.may_have_written)
            except TransportError as broken:
                may_have_written = may_have_written or (writes and broken.may_have_arrived)
                error = UnavailableError(f"Waymark did not answer: {broken}", code="SERVICE_UNAVAILABLE")
            error.may_have_written = may_have_written
            pause = max(_pause_seconds(attempt), retry_after)
            if not is_repeatable and may_have_written:
                raise error
            if time.monotonic() + pause > deadline:
                raise error
            log.warning("attempt %d failed, the next one is in %.1f s: %s", attempt, pause, error.message)
            yield Sleep(pause)

    def mutate(
        self, document: str, input: Mapping[str, Any], *, budget_seconds: Optional[float] = None
    ) -> Rule[Json]:
        """
        @param document one whose field is aliased to `result`
        @returns the success member of the result
        @raises WaymarkError for every other member
        """
        data, request_id = yield from self._send(document, {"input": dict(input)}, budget_seconds)
        result: Json = data["result"]
        if "code" in result:
            refusal = refusal_of(result)
            refusal.request_id = request_id
            raise refusal
        return result

    def error_of(self, reply: Reply) -> WaymarkError:
        """@returns what a response is that has no data; UnavailableError where it may be sent again"""
        request_id = reply.headers.get("x-request-id")
        answer = _graphql_of(reply)
        if answer is not None and answer.get("errors"):
            return self.error_in(answer, request_id)
        code = _RETRIED_STATUSES.get(reply.status, f"HTTP_{reply.status}")
        excerpt = reply.body[:200].decode("utf-8", "replace").strip()
        message = f"The answer has the HTTP status {reply.status} and is not Waymark's: {excerpt}"
        return self._error(code, message, request_id)

    def error_in(self, answer: Json, request_id: Optional[str] = None) -> WaymarkError:
        """@returns the first of the errors of a GraphQL answer"""
        first = (answer.get("errors") or [{}])[0]
        code = (first.get("extensions") or {}).get("code") or "INTERNAL_SERVER_ERROR"
        return self._error(str(code), str(first.get("message")), request_id)

    def _error(self, code: str, message: str, request_id: Optional[str]) -> WaymarkError:
        clean = self._clean(message)
        if code in RETRIED_CODES:
            unavailable = UnavailableError(clean, code=code, request_id=request_id)
            # Waymark has not begun what it refuses with another code.
            unavailable.may_have_written = code == "SERVICE_UNAVAILABLE"
            return unavailable
        kinds: Dict[str, Type[WaymarkError]] = {"UNAUTHENTICATED": UnauthenticatedError, "FORBIDDEN": ForbiddenError}
        return kinds.get(code, WaymarkError)(clean, code=code, request_id=request_id)

    def _clean(self, message: str) -> str:
        """What lies between may repeat the request in its page. No error holds the key."""
        if self._key:
            message = message.replace(self._key, "***")
        return message[:_MOST_MESSAGE_CHARACTERS]


def _graphql_of(reply: Reply) -> Optional[Json]:
    """@returns the answer, if it is one of GraphQL: with data, or with errors"""
    try:
        answer = json.loads(reply.body)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    errors = answer.get("errors")
    if errors:
        return answer if isinstance(errors, list) and isinstance(errors[0], dict) else None
    return answer if isinstance(answer.get("data"), dict) else None


def _pause_seconds(attempt: int) -> float:
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10), _LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1)


def _retry_after(reply: Reply) -> float:
    """@returns what the server asks for, in seconds; 0 where it says nothing"""
    answer = _graphql_of(reply)
    errors = (answer or {}).get("errors") or [{}]
    seconds = (errors[0].get("extensions") or {}).get("retryAfterSeconds")
    if isinstance(seconds, (int, float)):
        return float(seconds)
    header = reply.headers.get("retry-after", "")
    return float(header) if header.isdigit() else 0.0


def refusal_of(result: Json) -> WaymarkError:
    """@param result a member of a result union that is a UserError"""
    code, message = str(result["code"]), str(result["message"])
    if code == "INVALID_INPUT":
        invalid = InvalidInputError(message, code=code)
        issues = result.get("issues") or ()
        invalid.issues = tuple(InputIssue(tuple(issue["path"]), issue["message"]) for issue in issues)
        return invalid
    if code in ("STALE_EPOCH", "SESSION_CLOSED", "SESSION_NOT_FOUND"):
        lost = LostError(message, code=code)
        lost.end_reason = (result.get("closed") or {}).get("endReason")
        return lost
    if code == "STREAM_BUSY":
        busy = BusyError(message, code=code)
        busy.retry_at = read_time(result.get("retryAt"))
        owner = result.get("owner")
        if owner:
            expires = read_time(owner["leaseExpiresAt"])
            busy.owner = SessionOwner(owner["sessionId"], owner["worker"], expires)
        return busy
    if code == "STREAM_PAUSED":
        paused = PausedError(message, code=code)
        pause = Pause.read(result["pause"])
        paused.until, paused.reason = pause.until, pause.reason
        return paused
    if code == "ORDER_VIOLATION":
        violation = OrderViolationError(message, code=code)
        violation.last_item_id = result.get("lastItemId")
        return violation
    if code == "VERSION_CONFLICT":
        conflict = VersionConflictError(message, code=code)
        conflict.current_version = result.get("currentVersion")
        return conflict
    return WaymarkError(message, code=code)


_NOT_CODE = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*')


def is_mutation(document: str) -> bool:
    """Errs on the side of yes: a document may hold several operations."""
    return re.search(r"\bmutation\b", _NOT_CODE.sub(" ", document)) is not None


def adds_without_key(document: str, variables: Optional[Mapping[str, Any]]) -> bool:
    """Whether it may hold a save that adds to a count and has no idempotencyKey: sent twice, that would count twice."""
    code = _NOT_CODE.sub('""', document)
    literal = re.search(r"\bbookmarksAdded\s*:", code) is not None
    if literal and not re.search(r"\bidempotencyKey\s*:", code):
        return True
    return _holds_unkeyed_addition(variables)


def _holds_unkeyed_addition(value: Any) -> bool:
    if isinstance(value, Mapping):
        if value.get("bookmarksAdded") is not None and not value.get("idempotencyKey"):
            return True
        return any(_holds_unkeyed_addition(inner) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_unkeyed_addition(inner) for inner in value)
    return False
