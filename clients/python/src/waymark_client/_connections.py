"""HTTP over blocking sockets, for the client without asyncio. Threads may share it."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from typing import Dict, List, Mapping, Optional, Tuple, Union

from ._effects import Reply
from ._http1 import Endpoint, ResponseParser, TransportError, request_bytes

# Node.js closes a connection after 5 s without a request.
MOST_IDLE_SECONDS = 3.5
_READ_BYTES = 65_536


class _Connection:
    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.idle_since = 0.0

    def is_usable(self) -> bool:
        """What is readable before a request was sent is the end of the connection."""
        if time.monotonic() - self.idle_since > MOST_IDLE_SECONDS:
            return False
        try:
            return not select.select([self.link], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        try:
            self.link.close()
        except OSError:
            pass


class EventStream:
    """The body of a response that goes on."""

    def __init__(self, connection: _Connection, parser: ResponseParser, first: bytes) -> None:
        self._connection = connection
        self._parser = parser
        self._pending = first

    def read(self, timeout_seconds: float) -> Optional[bytes]:
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        if self._parser.is_done:
            return b""
        try:
            self._connection.link.settimeout(timeout_seconds)
            received = self._connection.link.recv(_READ_BYTES)
            if not received:
                return b""
            return self._parser.feed(received) or (b"" if self._parser.is_done else None)
        except (socket.timeout, ssl.SSLWantReadError):
            return None
        except (OSError, TransportError):
            return b""

    def close(self) -> None:
        self._connection.close()


class Connections:
    """Keeps idle connections for the next request."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._headers: Dict[str, str] = dict(headers)
        self._idle: List[_Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._tls = ssl.create_default_context() if endpoint.is_secure else None

    def post(self, body: bytes, timeout_seconds: float, is_fresh: bool) -> Reply:
        deadline = time.monotonic() + timeout_seconds
        connection = (None if is_fresh else self._take()) or self._connect(deadline)
        is_kept = False
        try:
            parser, first = self._exchange(connection, {"accept": "application/json"}, body, deadline)
            pieces = [first]
            while not parser.is_done:
                pieces.append(self._receive(connection, parser, deadline))
            reply = Reply(parser.status, parser.headers, b"".join(pieces))
            if parser.is_keep_alive:
                is_kept = True
                self._keep(connection)
            return reply
        finally:
            # Also where the program is interrupted: nobody may read the rest of this answer as another's.
            if not is_kept:
                connection.close()

    def open_stream(self, body: bytes, timeout_seconds: float) -> Union[EventStream, Reply]:
        deadline = time.monotonic() + timeout_seconds
        connection = self._connect(deadline)
        is_open = False
        try:
            parser, first = self._exchange(connection, {"accept": "text/event-stream"}, body, deadline)
            if parser.status == 200 and parser.headers.get("content-type", "").startswith("text/event-stream"):
                is_open = True
                return EventStream(connection, parser, first)
            pieces = [first]
            while not parser.is_done:
                pieces.append(self._receive(connection, parser, deadline))
            return Reply(parser.status, parser.headers, b"".join(pieces))
        finally:
            if not is_open:
                connection.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(
        self, connection: _Connection, accept: Mapping[str, str], body: bytes, deadline: float
    ) -> Tuple[ResponseParser, bytes]:
        parser = ResponseParser()
        try:
            connection.link.settimeout(_left(deadline))
            connection.link.sendall(request_bytes(self._endpoint, {**self._headers, **accept}, body))
        except socket.timeout:
            raise TransportError("the request could not be sent in time", may_have_arrived=True) from None
        except OSError as error:
            raise _broken(error) from None
        first = b""
        while not parser.is_head_read:
            first = self._receive(connection, parser, deadline)
        return parser, first

    def _receive(self, connection: _Connection, parser: ResponseParser, deadline: float) -> bytes:
        try:
            connection.link.settimeout(_left(deadline))
            received = connection.link.recv(_READ_BYTES)
        except socket.timeout:
            raise TransportError("no answer came in time", may_have_arrived=True) from None
        except OSError as error:
            raise _broken(error) from None
        if not received:
            parser.end()
            return b""
        return parser.feed(received)

    def _connect(self, deadline: float) -> _Connection:
        endpoint = self._endpoint
        link: Optional[socket.socket] = None
        try:
            link = socket.create_connection((endpoint.host, endpoint.port), _left(deadline))
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                link.settimeout(_left(deadline))
                link = self._tls.wrap_socket(link, server_hostname=endpoint.host)
            return _Connection(link)
        except OSError as error:
            if link is not None:
                link.close()
            reason = "no connection came about in time" if isinstance(error, socket.timeout) else str(error)
            raise TransportError(f"{endpoint} cannot be reached: {reason}", may_have_arrived=False) from None

    def _take(self) -> Optional[_Connection]:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()

    def _keep(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            if not self._is_closed:
                self._idle.append(connection)
                return
        # Another thread closed the client meanwhile.
        connection.close()


def _left(deadline: float) -> float:
    """0 would make a socket one that never waits."""
    return max(deadline - time.monotonic(), 0.001)


def _broken(error: OSError) -> TransportError:
    return TransportError(f"the connection broke: {error.strerror or type(error).__name__}", may_have_arrived=True)
