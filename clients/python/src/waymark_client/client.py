"""The client without asyncio. Threads may share it."""

from __future__ import annotations

from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Iterable,
    Iterator,
    Literal,
    Mapping,
    Optional,
    Tuple,
    Type,
    Union,
    overload,
)

from . import _operations as operations
from ._connections import Connections
from ._crawl.crawl import crawl
from ._crawl.options import Busy, Wait, read_options
from ._crawl.report import CrawlEvent, CrawlReport
from ._drive import Driver, Transport
from ._effects import Rule, T
from ._follow import follow
from ._operations import DEFAULT_LEASE_SECONDS, DEFAULT_STREAM, Start
from ._sessions import SessionRules
from ._settings import DEFAULT_RETRY_SECONDS, DEFAULT_TIMEOUT_SECONDS, Settings
from .manager import CheckpointManager
from .feed_events import FollowEvent
from .models import Checkpoint, CheckpointChange, CrawlSession, Json, SessionChange
from .session import Session

if TYPE_CHECKING:
    import httpx


class Waymark:
    """
    A server of Waymark. Close it, or use it in a `with` block.

    @param url default: WAYMARK_URL, else http://127.0.0.1:4000/graphql
    @param key an API key or a token; default: WAYMARK_KEY
    @param timeout_seconds for each request
    @param retry_budget_seconds how long a request is repeated where Waymark cannot be reached or has too much to do
    @param http "httpx", or an httpx.Client of the program\'s: for proxies and certificates. Default: neither
    @raises ValueError for a URL or key that can be none
    """

    def __init__(
        self,
        url: Optional[str] = None,
        key: Optional[str] = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retry_budget_seconds: float = DEFAULT_RETRY_SECONDS,
        http: "Union[str, httpx.Client, None]" = None,
    ) -> None:
        settings = Settings(url, key, timeout_seconds, retry_budget_seconds)
        self._requests = settings.requests
        self._endpoint = settings.endpoint
        self._transport: Transport
        if http is None:
            self._transport = Connections(settings.endpoint, settings.headers)
        else:
            from ._httpx import HttpxTransport

            client = None if isinstance(http, str) else http
            self._transport = HttpxTransport(settings.endpoint, settings.headers, client)

    def checkpoint_manager(self, user_id: str, stream: str = DEFAULT_STREAM) -> CheckpointManager:
        return CheckpointManager(self, user_id, stream)

    def crawl(
        self,
        *,
        user_id: str,
        id: Callable[[Any], object],
        fetch_page: Callable[..., Tuple[Iterable[Any], Optional[str]]],
        process: Callable[..., Optional[int]],
        stream: str = DEFAULT_STREAM,
        mode: str = "AUTO",
        lease_seconds: int = DEFAULT_LEASE_SECONDS,
        busy: Busy = "skip",
        max_wait: Wait = 900.0,
        max_wait_ms: Optional[float] = None,
        worker: Optional[str] = None,
        output_file_path: Optional[str] = None,
        direct_import: bool = False,
        enable_summarization: bool = False,
        stop: Optional[Any] = None,
        on_event: Optional[Callable[[CrawlEvent], object]] = None,
    ) -> CrawlReport:
        """
        Crawls a list: one session, or several where a lease is lost or a resumed crawl leaves the top unseen.

        @param id names an item, as the platform does
        @param fetch_page `fetch_page(*, page_token, mode)` returns the items of a page, newest first, and the token of
        the next one; None: the list ends. It may raise RateLimitedError, PageTokenRefusedError or NeedsAttentionError
        @param process `process(items, *, session_id, mode)` does the program's work with items, before they are saved.
        It returns how many were new; None: all of them. After a kill, at most one page comes again
        @param mode AUTO; FULL: the whole list again; CATCH_UP: only what came on top of an unfinished crawl
        @param lease_seconds how long a crawler that was killed keeps the list: 5 to 3600
        @param busy where another session has the list: 'skip', 'takeover', or how long to wait, in seconds
        @param max_wait the longest rate limit to wait for, in seconds; a longer one pauses the list
        @param worker shown to operators; default: host and process
        @param stop a threading.Event: the crawl finishes its page, saves, and stops
        @param on_event is told of each step
        @returns how it ended. A list that is busy or paused is an outcome, not an error
        @raises what fetch_page or process raised, after the session was ended as FAILED; WaymarkError
        """
        start = Start(
            user_id, stream, mode, lease_seconds, False, worker, output_file_path, direct_import, enable_summarization
        )
        options = read_options(start, id, fetch_page, process, busy, max_wait, max_wait_ms, stop, on_event)
        return self._run(crawl(self._requests, options))

    def start_session(
        self,
        *,
        user_id: str,
        stream: str = DEFAULT_STREAM,
        mode: str = "AUTO",
        lease_seconds: int = DEFAULT_LEASE_SECONDS,
        takeover: bool = False,
        worker: Optional[str] = None,
        output_file_path: Optional[str] = None,
        direct_import: bool = False,
        enable_summarization: bool = False,
    ) -> Session:
        """
        Starts a session, whose pages the program fetches itself. Use it in a `with` block, which stops it at the end.
        @raises BusyError, PausedError, InvalidInputError, WaymarkError USER_NOT_FOUND
        """
        start = Start(
            user_id,
            stream,
            mode,
            lease_seconds,
            takeover,
            worker,
            output_file_path,
            direct_import,
            enable_summarization,
        )
        started = self._run(operations.start_session(self._requests, start))
        return Session(SessionRules(self._requests, start, started), self._driver)

    def run_session(
        self, run: Callable[[Session], T], *, user_id: str, stream: str = DEFAULT_STREAM, **options: Any
    ) -> T:
        """
        Calls a function with a session, and ends it by how the function ends: it completes, stops (where it was asked
        to) or fails.
        @param options as for start_session
        @returns what the function returned. @raises what it raised, and what start_session raises
        """
        session = self.start_session(user_id=user_id, stream=stream, **options)
        try:
            result = run(session)
        except BaseException as error:
            session.finish(error)
            raise
        session.finish(None)
        return result

    @overload
    def follow(
        self,
        feed: Literal["checkpoints"],
        *,
        filter: Optional[Mapping[str, Any]] = None,
        after: Optional[str] = None,
        stop: Optional[Any] = None,
    ) -> Iterator[FollowEvent[Checkpoint, CheckpointChange]]: ...

    @overload
    def follow(
        self,
        feed: Literal["sessions"],
        *,
        filter: Optional[Mapping[str, Any]] = None,
        after: Optional[str] = None,
        stop: Optional[Any] = None,
    ) -> Iterator[FollowEvent[CrawlSession, SessionChange]]: ...

    def follow(
        self,
        feed: str,
        *,
        filter: Optional[Mapping[str, Any]] = None,
        after: Optional[str] = None,
        stop: Optional[Any] = None,
    ) -> Iterator[Any]:
        """
        Tells the rows that are there, then every change, over any reconnect: `event.type` is reset, row, listed or
        change. Leaving the loop closes the stream.
        @param filter e.g. {"user_id": "alice", "stream": "reddit/saved"}; sessions also by {"status": ["FAILED"]}
        @param after a cursor that the program kept: nothing is listed, and changes go on behind it
        @param stop an event that ends the loop quietly
        @raises WaymarkError where trying again does not help, and UnavailableError if nothing answers at the start
        """
        rule = follow(self._requests, feed, filter, after, stop)
        return self._driver().iterate(rule)

    def request(self, document: str, variables: Optional[Mapping[str, Any]] = None) -> Json:
        """
        Sends any operation.
        @returns its data
        @raises WaymarkError for a top-level error. A refusal is a member of the result union, and so data
        """
        return self._run(self._requests.send(document, variables))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Waymark:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._endpoint)!r})"

    def _driver(self) -> Driver:
        return Driver(self._transport)

    def _run(self, rule: Rule[T]) -> T:
        return self._driver().run(rule)
