"""The client with asyncio."""

from __future__ import annotations

import inspect
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Literal,
    Mapping,
    Optional,
    Tuple,
    Type,
    Union,
    overload,
)

from . import _operations as operations
from ._async_connections import AsyncConnections
from ._crawl.crawl import crawl
from ._crawl.options import Busy, Wait, read_options
from ._crawl.report import CrawlEvent, CrawlReport
from ._async_drive import AsyncDriver, AsyncIteration, AsyncTransport
from ._effects import Rule, T
from ._follow import follow
from ._operations import DEFAULT_LEASE_SECONDS, DEFAULT_STREAM, Start
from ._sessions import SessionRules
from ._settings import DEFAULT_RETRY_SECONDS, DEFAULT_TIMEOUT_SECONDS, Settings
from .async_manager import AsyncCheckpointManager
from .feed_events import FollowEvent
from .models import Checkpoint, CheckpointChange, CrawlSession, Json, SessionChange
from .async_session import AsyncSession

if TYPE_CHECKING:
    import httpx


MaybeAwaitable = Union[T, Awaitable[T]]


class StartingSession:
    """Await it, or enter it with `async with`."""

    def __init__(self, starting: Coroutine[Any, Any, AsyncSession]) -> None:
        self._starting = starting
        self._session: Optional[AsyncSession] = None

    def __await__(self) -> Generator[Any, None, AsyncSession]:
        return self._starting.__await__()

    async def __aenter__(self) -> AsyncSession:
        self._session = await self._starting
        return self._session

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._session is not None:
            await self._session.__aexit__(kind, error, trace)


class AsyncWaymark:
    """
    A server of Waymark. Close it, or use it in a `async with` block.

    @param url default: WAYMARK_URL, else http://127.0.0.1:4000/graphql
    @param key an API key or a token; default: WAYMARK_KEY
    @param timeout_seconds for each request
    @param retry_budget_seconds how long a request is repeated where Waymark cannot be reached or has too much to do
    @param http "httpx", or an httpx.AsyncClient of the program\'s: for proxies and certificates. Default: neither
    @raises ValueError for a URL or key that can be none
    """

    def __init__(
        self,
        url: Optional[str] = None,
        key: Optional[str] = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retry_budget_seconds: float = DEFAULT_RETRY_SECONDS,
        http: "Union[str, httpx.AsyncClient, None]" = None,
    ) -> None:
        settings = Settings(url, key, timeout_seconds, retry_budget_seconds)
        self._requests = settings.requests
        self._endpoint = settings.endpoint
        self._transport: AsyncTransport
        if http is None:
            self._transport = AsyncConnections(settings.endpoint, settings.headers)
        else:
            from ._httpx import AsyncHttpxTransport

            client = None if isinstance(http, str) else http
            self._transport = AsyncHttpxTransport(settings.endpoint, settings.headers, client)
        self._driver = AsyncDriver(self._transport)

    def checkpoint_manager(self, user_id: str, stream: str = DEFAULT_STREAM) -> AsyncCheckpointManager:
        return AsyncCheckpointManager(self, user_id, stream)

    async def crawl(
        self,
        *,
        user_id: str,
        id: Callable[[Any], object],
        fetch_page: Callable[..., MaybeAwaitable[Tuple[Iterable[Any], Optional[str]]]],
        process: Callable[..., MaybeAwaitable[Optional[int]]],
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
        @param stop a asyncio.Event: the crawl finishes its page, saves, and stops
        @param on_event is told of each step
        fetch_page and process may be coroutines. One that is not blocks the event loop, and the heartbeats with it.
        @returns how it ended. A list that is busy or paused is an outcome, not an error
        @raises what fetch_page or process raised, after the session was ended as FAILED; WaymarkError
        """
        start = Start(
            user_id, stream, mode, lease_seconds, False, worker, output_file_path, direct_import, enable_summarization
        )
        options = read_options(start, id, fetch_page, process, busy, max_wait, max_wait_ms, stop, on_event)
        return await self._run(crawl(self._requests, options))

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
    ) -> StartingSession:
        """
        Starts a session, whose pages the program fetches itself. Await it, or use it in an `async with` block, which
        stops it at the end.
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
        return StartingSession(self._start(start))

    async def _start(self, start: Start) -> AsyncSession:
        started = await self._run(operations.start_session(self._requests, start))
        return AsyncSession(SessionRules(self._requests, start, started), self._driver)

    async def run_session(
        self, run: Callable[[AsyncSession], Awaitable[T]], *, user_id: str, stream: str = DEFAULT_STREAM, **options: Any
    ) -> T:
        """
        Calls a coroutine function with a session, and ends it by how the function ends: it completes, stops (where it
        was asked to) or fails.
        @param options as for start_session
        @returns what the function returned. @raises what it raised, and what start_session raises
        """
        session = await self.start_session(user_id=user_id, stream=stream, **options)
        try:
            result = await run(session)
        except BaseException as error:
            await session.finish(error)
            raise
        await session.finish(None)
        return result

    @overload
    def follow(
        self,
        feed: Literal["checkpoints"],
        *,
        filter: Optional[Mapping[str, Any]] = None,
        after: Optional[str] = None,
        stop: Optional[Any] = None,
    ) -> AsyncIteration[FollowEvent[Checkpoint, CheckpointChange]]: ...

    @overload
    def follow(
        self,
        feed: Literal["sessions"],
        *,
        filter: Optional[Mapping[str, Any]] = None,
        after: Optional[str] = None,
        stop: Optional[Any] = None,
    ) -> AsyncIteration[FollowEvent[CrawlSession, SessionChange]]: ...

    def follow(
        self,
        feed: str,
        *,
        filter: Optional[Mapping[str, Any]] = None,
        after: Optional[str] = None,
        stop: Optional[Any] = None,
    ) -> AsyncIteration[Any]:
        """
        Tells the rows that are there, then every change, over any reconnect: `event.type` is reset, row, listed or
        change. Leaving the loop closes the stream.
        @param filter e.g. {"user_id": "alice", "stream": "reddit/saved"}; sessions also by {"status": ["FAILED"]}
        @param after a cursor that the program kept: nothing is listed, and changes go on behind it
        @param stop an event that ends the loop quietly
        @raises WaymarkError where trying again does not help, and UnavailableError if nothing answers at the start
        """
        rule = follow(self._requests, feed, filter, after, stop)
        return AsyncIteration(self._driver, rule)

    async def request(self, document: str, variables: Optional[Mapping[str, Any]] = None) -> Json:
        """
        Sends any operation.
        @returns its data
        @raises WaymarkError for a top-level error. A refusal is a member of the result union, and so data
        """
        return await self._run(self._requests.send(document, variables))

    async def close(self) -> None:
        closing = self._transport.close()
        if inspect.isawaitable(closing):
            await closing

    async def __aenter__(self) -> AsyncWaymark:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._endpoint)!r})"

    async def _run(self, rule: Rule[T]) -> T:
        return await self._driver.run(rule)
