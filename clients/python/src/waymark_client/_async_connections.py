"""HTTP over asyncio's streams. A cancelled request closes its connection."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Dict, List, Mapping, Optional, Tuple, Union

from ._connections import MOST_IDLE_SECONDS
from ._effects import Reply
from ._http1 import Endpoint, ResponseParser, TransportError, request_bytes

_READ_BYTES = 65_536


class _AsyncConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.idle_since = 0.0
        self.loop = asyncio.get_running_loop()

    def is_usable(self) -> bool:
        """One of another event loop, or one that the server has closed, is not."""
        return (
            self.loop is asyncio.get_running_loop()
            and time.monotonic() - self.idle_since <= MOST_IDLE_SECONDS
            and not self.reader.at_eof()
            and not self.writer.transport.is_closing()
        )

    def close(self) -> None:
        if not self.loop.is_closed():
            # Nothing that was sent is still wanted, so nothing has to be flushed.
            self.writer.transport.abort()


class AsyncEventStream:
    """The body of a response that goes on."""

    def __init__(self, connection: _AsyncConnection, parser: ResponseParser, first: bytes) -> None:
        self._connection = connection
        self._parser = parser
        self._pending = first
        self._reading: Optional[asyncio.Task[bytes]] = None

    async def read(self, timeout_seconds: float) -> Optional[bytes]:
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        if self._parser.is_done:
            return b""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._connection.reader.read(_READ_BYTES))
        # Not wait_for: until Python 3.12 it swallows a cancellation that comes together with the result.
        done, _ = await asyncio.wait({self._reading}, timeout=timeout_seconds)
        if not done:
            return None
        reading, self._reading = self._reading, None
        try:
            received = reading.result()
            if not received:
                return b""
            return self._parser.feed(received) or (b"" if self._parser.is_done else None)
        except (OSError, TransportError):
            return b""

    def close(self) -> None:
        if self._reading is not None and not self._connection.loop.is_closed():
            self._reading.cancel()
        self._connection.close()


class AsyncConnections:
    """Keeps idle connections for the next request."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._headers: Dict[str, str] = dict(headers)
        self._idle: List[_AsyncConnection] = []
        self._is_closed = False
        self._tls = ssl.create_default_context() if endpoint.is_secure else None

    async def post(self, body: bytes, timeout_seconds: float, is_fresh: bool) -> Reply:
        deadline = time.monotonic() + timeout_seconds
        connection = (None if is_fresh else self._take()) or await self._connect(timeout_seconds)
        is_kept = False
        try:
            with _Deadline(connection, deadline):
                parser, first = await self._begin(connection, {"accept": "application/json"}, body)
                reply = Reply(parser.status, parser.headers, first + await self._rest(connection, parser))
            if parser.is_keep_alive and not self._is_closed:
                is_kept = True
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
            return reply
        finally:
            # Also where it is cancelled: nobody may read the rest of this answer as another's.
            if not is_kept:
                connection.close()

    async def open_stream(self, body: bytes, timeout_seconds: float) -> Union[AsyncEventStream, Reply]:
        deadline = time.monotonic() + timeout_seconds
        connection = await self._connect(timeout_seconds)
        is_open = False
        try:
            with _Deadline(connection, deadline):
                parser, first = await self._begin(connection, {"accept": "text/event-stream"}, body)
                if parser.status == 200 and parser.headers.get("content-type", "").startswith("text/event-stream"):
                    is_open = True
                    return AsyncEventStream(connection, parser, first)
                return Reply(parser.status, parser.headers, first + await self._rest(connection, parser))
        finally:
            if not is_open:
                connection.close()

    def close(self) -> None:
        self._is_closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def _begin(
        self, connection: _AsyncConnection, accept: Mapping[str, str], body: bytes
    ) -> Tuple[ResponseParser, bytes]:
        parser = ResponseParser()
        try:
            connection.writer.write(request_bytes(self._endpoint, {**self._headers, **accept}, body))
            await connection.writer.drain()
        except OSError as error:
            raise _broken(error) from None
        first = b""
        while not parser.is_head_read:
            first = await self._receive(connection, parser)
        return parser, first

    async def _rest(self, connection: _AsyncConnection, parser: ResponseParser) -> bytes:
        pieces = []
        while not parser.is_done:
            pieces.append(await self._receive(connection, parser))
        return b"".join(pieces)

    async def _receive(self, connection: _AsyncConnection, parser: ResponseParser) -> bytes:
        try:
            received = await connection.reader.read(_READ_BYTES)
        except OSError as error:
            raise _broken(error) from None
        if not received:
            parser.end()
            return b""
        return parser.feed(received)

    async def _connect(self, timeout_seconds: float) -> _AsyncConnection:
        endpoint = self._endpoint
        opening = asyncio.ensure_future(asyncio.open_connection(endpoint.host, endpoint.port, ssl=self._tls))
        try:
            await asyncio.wait({opening}, timeout=timeout_seconds)
        finally:
            if not opening.done():
                opening.add_done_callback(_close_late_connection)
                opening.cancel()
        try:
            if not opening.done():
                raise asyncio.TimeoutError
            return _AsyncConnection(*opening.result())
        except asyncio.TimeoutError:
            raise TransportError(
                f"{endpoint} cannot be reached: no connection came about in time", may_have_arrived=False
            ) from None
        except OSError as error:
            raise TransportError(f"{endpoint} cannot be reached: {error}", may_have_arrived=False) from None

    def _take(self) -> Optional[_AsyncConnection]:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None


class _Deadline:
    """Cuts the connection when the time is over, and says so."""

    def __init__(self, connection: _AsyncConnection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._is_over = False
        self._timer: Optional[asyncio.TimerHandle] = None

    def __enter__(self) -> None:
        self._timer = self._connection.loop.call_later(max(self._deadline - time.monotonic(), 0), self._cut)

    def _cut(self) -> None:
        self._is_over = True
        self._connection.close()

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_over and isinstance(error, TransportError):
            raise TransportError("no answer came in time", may_have_arrived=True) from None


def _close_late_connection(opening: "asyncio.Future[Tuple[asyncio.StreamReader, asyncio.StreamWriter]]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[1].transport.abort()


def _broken(error: OSError) -> TransportError:
    return TransportError(f"the connection broke: {error.strerror or type(error).__name__}", may_have_arrived=True)
