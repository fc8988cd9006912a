"""Follows rules with asyncio."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any, AsyncIterator, Optional, Protocol

from ._async_connections import AsyncEventStream
from ._effects import (
    Call,
    CloseStream,
    Effect,
    OpenStream,
    Outcome,
    Post,
    ReadStream,
    Reply,
    Rule,
    Shielded,
    Sleep,
    T,
    Tell,
)

_PERIOD_SECONDS = 0.25


class AsyncTransport(Protocol):
    """How requests travel: `AsyncConnections`, or one of `_httpx.py`."""

    async def post(self, body: bytes, timeout_seconds: float, is_fresh: bool) -> Reply: ...

    async def open_stream(self, body: bytes, timeout_seconds: float) -> Any: ...

    def close(self) -> Any: ...


class AsyncDriver:
    """Runs rules to their end."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def run(self, rule: Rule[T]) -> T:
        value: Any = None
        error: Optional[BaseException] = None
        while True:
            try:
                effect = rule.send(value) if error is None else rule.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            value, error = None, None
            try:
                value = await self.perform(effect)
            except BaseException as raised:
                error = raised

    async def perform(self, effect: Effect) -> Any:
        if isinstance(effect, Post):
            return await self._transport.post(effect.body, effect.timeout_seconds, effect.is_fresh)
        if isinstance(effect, Call):
            return await self._call(effect)
        if isinstance(effect, Sleep):
            return await _sleep(effect)
        if isinstance(effect, Shielded):
            return await self._shield(effect)
        if isinstance(effect, OpenStream):
            return await self._transport.open_stream(effect.body, effect.timeout_seconds)
        if isinstance(effect, ReadStream):
            return await effect.stream.read(effect.timeout_seconds)
        if isinstance(effect, CloseStream):
            closing = effect.stream.close()
            return await closing if inspect.isawaitable(closing) else None
        raise TypeError(f"{effect} has no place here")

    async def _call(self, call: Call) -> Outcome:
        try:
            value = call.function(*call.arguments, **call.options)
            if inspect.isawaitable(value):
                value = await self._beside(call, value)
            return Outcome(value)
        except Exception as error:
            return Outcome(error=error)

    async def _beside(self, call: Call, awaitable: Any) -> Any:
        """Awaits the program's function, with heartbeats while it takes long."""
        work = asyncio.ensure_future(awaitable)
        beat: Optional[asyncio.Task[bool]] = None
        try:
            while not work.done():
                if beat is not None and beat.done():
                    gives_up = beat.result()
                    beat = None
                    if gives_up and call.may_give_up:
                        return None
                    continue
                seconds = call.seconds_to_next()
                if beat is None and seconds <= 0:
                    beat = asyncio.ensure_future(self.run(call.beside()))
                tasks = {work} if beat is None else {work, beat}
                timeout = min(seconds, call.look_seconds) if beat is None else None
                await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            return work.result()
        finally:
            await _end(work, beat)

    async def _shield(self, effect: Shielded) -> None:
        work = asyncio.ensure_future(self.run(effect.rule))
        deadline = time.monotonic() + effect.seconds
        while not work.done() and time.monotonic() < deadline:
            try:
                await asyncio.wait({work}, timeout=deadline - time.monotonic())
            except asyncio.CancelledError:
                # The program is being cancelled already, and the rule that asked for this raises that again.
                continue
        await _end(work)
        if not work.cancelled():
            work.exception()


class AsyncIteration(AsyncIterator[T]):
    """
    What a rule tells, event by event. A loop that ends, by whatever, closes the stream; aclose() does so at once.
    """

    def __init__(self, driver: AsyncDriver, rule: Rule[None]) -> None:
        self._driver = driver
        self._rule = rule
        self._stream: Any = None

    def __aiter__(self) -> AsyncIteration[T]:
        return self

    async def __anext__(self) -> T:
        value: Any = None
        error: Optional[BaseException] = None
        try:
            while True:
                effect = self._rule.send(value) if error is None else self._rule.throw(error)
                value, error = None, None
                if isinstance(effect, Tell):
                    event: T = effect.event
                    return event
                try:
                    value = await self._driver.perform(effect)
                    if isinstance(effect, OpenStream) and not isinstance(value, Reply):
                        self._stream = value
                except BaseException as raised:
                    error = raised
        except StopIteration:
            await self.aclose()
            raise StopAsyncIteration from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        self._rule.close()
        stream, self._stream = self._stream, None
        if stream is not None:
            closing = stream.close()
            if inspect.isawaitable(closing):
                await closing

    async def __aenter__(self) -> AsyncIteration[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # A loop that was left by `break` or an exception. What has to be awaited ends with its client.
        if isinstance(self._stream, AsyncEventStream):
            self._stream.close()


async def _end(*tasks: "Optional[asyncio.Future[Any]]") -> None:
    """Cancels what still runs, and waits until it has ended."""
    running = {task for task in tasks if task is not None and not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    for task in running:
        if not task.cancelled():
            # Retrieved, so that asyncio does not complain of it.
            task.exception()


async def _sleep(effect: Sleep) -> None:
    if effect.stop is None:
        await asyncio.sleep(effect.seconds)
        return
    if not isinstance(effect.stop, asyncio.Event):
        deadline = time.monotonic() + effect.seconds
        while not effect.stop.is_set() and time.monotonic() < deadline:
            await asyncio.sleep(min(_PERIOD_SECONDS, max(deadline - time.monotonic(), 0)))
        return
    waiting = asyncio.ensure_future(effect.stop.wait())
    try:
        await asyncio.wait({waiting}, timeout=effect.seconds)
    finally:
        await _end(waiting)
