"""HTTP by httpx, where a program asks for it: for its proxies, its certificates, or the connections that it shares."""

from __future__ import annotations

from typing import Any, AsyncIterator, Iterator, Mapping, Optional, Union

import httpx

from ._effects import Reply
from ._http1 import Endpoint, TransportError

# Waymark sends a sign of life each 12 s.
_SILENT_SECONDS = 30.0


class HttpxStream:
    """The body of a response that goes on. One that is silent for too long has ended."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._bytes: Iterator[bytes] = response.iter_raw()

    def read(self, timeout_seconds: float) -> Optional[bytes]:
        try:
            return next(self._bytes, b"")
        except httpx.HTTPError:
            return b""

    def close(self) -> None:
        self._response.close()


class HttpxTransport:
    """By a client of the program's, which the program closes itself, or by one of its own."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], client: Optional[httpx.Client]) -> None:
        self._requests = _Requests(endpoint, headers)
        self._client = client or httpx.Client()
        self._is_own = client is None

    def post(self, body: bytes, timeout_seconds: float, is_fresh: bool) -> Reply:
        request = self._requests.whole(self._client, body, timeout_seconds)
        try:
            return _reply_of(self._client.send(request, follow_redirects=False))
        except httpx.HTTPError as error:
            raise _broken(error) from None

    def open_stream(self, body: bytes, timeout_seconds: float) -> Union[HttpxStream, Reply]:
        request = self._requests.stream(self._client, body, timeout_seconds)
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
            if _is_event_stream(response):
                return HttpxStream(response)
            response.read()
            return _reply_of(response)
        except httpx.HTTPError as error:
            raise _broken(error) from None

    def close(self) -> None:
        if self._is_own:
            self._client.close()


class AsyncHttpxStream:
    """The body of a response that goes on. One that is silent for too long has ended."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._bytes: AsyncIterator[bytes] = response.aiter_raw()

    async def read(self, timeout_seconds: float) -> Optional[bytes]:
        try:
            async for data in self._bytes:
                return data
        except httpx.HTTPError:
            pass
        return b""

    async def close(self) -> None:
        await self._response.aclose()


class AsyncHttpxTransport:
    """By a client of the program's, which the program closes itself, or by one of its own."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], client: Optional[httpx.AsyncClient]) -> None:
        self._requests = _Requests(endpoint, headers)
        self._client = client or httpx.AsyncClient()
        self._is_own = client is None

    async def post(self, body: bytes, timeout_seconds: float, is_fresh: bool) -> Reply:
        request = self._requests.whole(self._client, body, timeout_seconds)
        try:
            return _reply_of(await self._client.send(request, follow_redirects=False))
        except httpx.HTTPError as error:
            raise _broken(error) from None

    async def open_stream(self, body: bytes, timeout_seconds: float) -> Union[AsyncHttpxStream, Reply]:
        request = self._requests.stream(self._client, body, timeout_seconds)
        try:
            response = await self._client.send(request, stream=True, follow_redirects=False)
            if _is_event_stream(response):
                return AsyncHttpxStream(response)
            await response.aread()
            return _reply_of(response)
        except httpx.HTTPError as error:
            raise _broken(error) from None

    async def close(self) -> None:
        if self._is_own:
            await self._client.aclose()


class _Requests:
    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._url = endpoint.url
        self._headers = {**headers, "accept-encoding": "identity"}

    def whole(self, client: Any, body: bytes, timeout_seconds: float) -> httpx.Request:
        return self._build(client, body, "application/json", httpx.Timeout(timeout_seconds))

    def stream(self, client: Any, body: bytes, timeout_seconds: float) -> httpx.Request:
        return self._build(client, body, "text/event-stream", httpx.Timeout(timeout_seconds, read=_SILENT_SECONDS))

    def _build(self, client: Any, body: bytes, accept: str, timeout: httpx.Timeout) -> httpx.Request:
        headers = {**self._headers, "accept": accept}
        request: httpx.Request = client.build_request("POST", self._url, content=body, headers=headers, timeout=timeout)
        return request


def _is_event_stream(response: httpx.Response) -> bool:
    return response.status_code == 200 and response.headers.get("content-type", "").startswith("text/event-stream")


def _reply_of(response: httpx.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content)


def _broken(error: httpx.HTTPError) -> TransportError:
    """Without the error as its cause: that holds the request, and so the key."""
    is_unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return TransportError(f"{type(error).__name__}: {error}", may_have_arrived=not is_unsent)
