"""HTTP/1.1 without sockets: the bytes of a request, and a parser of responses. Both clients use it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Tuple
from urllib.parse import urlsplit

_MOST_HEAD_BYTES = 65_536
_UNFIT_FOR_A_HEADER = re.compile(r"[^\x21-\x7e]")


class TransportError(Exception):
    """No whole answer came. `may_have_arrived`: the server may have read the request."""

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


@dataclass(frozen=True)
class Endpoint:
    """Where Waymark is."""

    is_secure: bool
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """@raises ValueError if it is no http or https URL. The message names no part that may be secret."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("The URL of Waymark must look like http://127.0.0.1:4000/graphql")
        is_secure = parts.scheme == "https"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if _UNFIT_FOR_A_HEADER.search(target + parts.hostname):
            raise ValueError("The URL of Waymark holds a space or another character that must be percent-encoded")
        return cls(is_secure, parts.hostname, parts.port or (443 if is_secure else 80), target)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{self.authority}{self.target}"

    def __str__(self) -> str:
        return f"{'https' if self.is_secure else 'http'}://{self.authority}{self.target.partition('?')[0]}"


def authorization_of(key: Optional[str]) -> Dict[str, str]:
    """@raises ValueError for a key that is no header's value. The message does not hold it."""
    if not key:
        return {}
    if _UNFIT_FOR_A_HEADER.search(key):
        raise ValueError("The key holds a space, a line break or another character that no key has")
    return {"authorization": f"Bearer {key}"}


def request_bytes(endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {endpoint.target} HTTP/1.1", f"host: {endpoint.authority}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class ResponseParser:
    """Feed it what arrives. `head` is there once `is_head_read`; `feed` returns the body's bytes as they come."""

    status: int = 0
    headers: Dict[str, str] = field(default_factory=dict)
    is_head_read: bool = False
    is_done: bool = False
    has_begun: bool = False
    is_keep_alive: bool = True
    _buffer: bytearray = field(default_factory=bytearray)
    # How many bytes are left: of the body, or of this chunk. None: up to the end of the connection.
    _left: Optional[int] = None
    _is_chunked: bool = False
    # What comes next in a chunked body: "size", "data", "end" (of a chunk's data) or "trailer".
    _expected: str = "size"

    def feed(self, data: bytes) -> bytes:
        """@raises TransportError where this is no HTTP"""
        self.has_begun = self.has_begun or bool(data)
        self._buffer += data
        while not self.is_head_read:
            if not self._read_head():
                return b""
        return self._read_chunks() if self._is_chunked else self._read_plain()

    def end(self) -> None:
        """The connection has ended. @raises TransportError where the response has not"""
        if self.is_head_read and not self._is_chunked and self._left is None:
            self.is_done = True
        if not self.is_done:
            raise TransportError("the connection was closed before the whole answer came", may_have_arrived=True)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise _no_http()
            return False
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, status = _read_status(lines[0])
        headers: Dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if 100 <= status < 200:
            return True
        self.status, self.headers, self.is_head_read = status, headers, True
        connection = headers.get("connection", "").lower()
        self.is_keep_alive = version == "HTTP/1.1" and "close" not in connection
        self._is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        if status in (204, 304):
            self._is_chunked, self._left = False, 0
        elif not self._is_chunked and "content-length" in headers:
            length = headers["content-length"]
            if not length.isdigit():
                raise _no_http()
            self._left = int(length)
        elif not self._is_chunked:
            self.is_keep_alive = False
        if self._left == 0:
            self.is_done = True
        return True

    def _read_plain(self) -> bytes:
        take = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        data = self._take(take)
        if self._left is not None:
            self._left -= take
            self.is_done = self._left == 0
        return data

    def _read_chunks(self) -> bytes:
        pieces = []
        while not self.is_done:
            if self._expected == "data":
                take = min(self._left or 0, len(self._buffer))
                if take == 0:
                    break
                pieces.append(self._take(take))
                self._left = (self._left or 0) - take
                if self._left == 0:
                    self._expected = "end"
                continue
            line = self._take_line()
            if line is None:
                break
            if self._expected == "size":
                self._left = _read_size(line)
                self._expected = "data" if self._left > 0 else "trailer"
            elif self._expected == "end":
                self._expected = "size"
            elif line == b"":
                self.is_done = True
        return b"".join(pieces)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _take_line(self) -> Optional[bytes]:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise _no_http()
            return None
        line = self._take(end + 2)
        return line[:-2]


def _read_status(line: str) -> Tuple[str, int]:
    version, _, rest = line.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not status.isdigit():
        raise _no_http()
    return version, int(status)


def _read_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise _no_http() from None


def _no_http() -> TransportError:
    return TransportError("what answered does not speak HTTP", may_have_arrived=True)
