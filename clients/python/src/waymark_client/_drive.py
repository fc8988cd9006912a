"""Follows rules with blocking calls and threads."""

from __future__ import annotations

import inspect
import threading
import time
from typing import Any, Callable, Iterator, Optional, Protocol

from ._connections import EventStream
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


class Transport(Protocol):
    """How requests travel: `Connections`, or one of `_httpx.py`."""

    def post(self, body: bytes, timeout_seconds: float, is_fresh: bool) -> Reply: ...

    def open_stream(self, body: bytes, timeout_seconds: float) -> Any: ...

    def close(self) -> None: ...


class Driver:
    """Runs one rule to its end. `beside` heartbeats run in a thread that lives as long as this."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._beside: Optional[_Beside] = None

    def run(self, rule: Rule[T]) -> T:
        try:
            return _follow(rule, self._perform)
        finally:
            if self._beside is not None:
                self._beside.close()
                self._beside = None

    def iterate(self, rule: Rule[None]) -> Iterator[Any]:
        """Yields what the rule tells. Closing it ends the rule, and its stream."""
        value: Any = None
        error: Optional[BaseException] = None
        stream: Optional[EventStream] = None
        try:
            while True:
                try:
                    effect = rule.send(value) if error is None else rule.throw(error)
                except StopIteration:
                    return
                value, error = None, None
                if isinstance(effect, Tell):
                    yield effect.event
                    continue
                try:
                    value = self._perform(effect)
                    if isinstance(effect, OpenStream) and not isinstance(value, Reply):
                        stream = value
                except BaseException as raised:
                    error = raised
        finally:
            rule.close()
            if stream is not None:
                stream.close()

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Post):
            return self._transport.post(effect.body, effect.timeout_seconds, effect.is_fresh)
        if isinstance(effect, Call):
            return self._call(effect)
        if isinstance(effect, Sleep):
            return _sleep(effect)
        if isinstance(effect, Shielded):
            return self._shield(effect)
        if isinstance(effect, OpenStream):
            return self._transport.open_stream(effect.body, effect.timeout_seconds)
        if isinstance(effect, ReadStream):
            stream: EventStream = effect.stream
            return stream.read(effect.timeout_seconds)
        if isinstance(effect, CloseStream):
            return effect.stream.close()
        raise TypeError(f"{effect} has no place here")

    def _call(self, call: Call) -> Outcome:
        if self._beside is None:
            self._beside = _Beside(self._transport)
        self._beside.begin(call)
        try:
            return Outcome(call.function(*call.arguments, **call.options))
        except Exception as error:
            return Outcome(error=error)
        finally:
            self._beside.end()

    def _shield(self, effect: Shielded) -> None:
        """Each request of the rule gets what is left of the time."""
        deadline = time.monotonic() + effect.seconds
        try:
            _follow(effect.rule, lambda inner: self._perform(_until(inner, deadline)))
        except Exception:
            pass


def _until(effect: Effect, deadline: float) -> Effect:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if isinstance(effect, Post):
        return Post(effect.body, min(effect.timeout_seconds, left), effect.is_fresh)
    return Sleep(min(effect.seconds, left)) if isinstance(effect, Sleep) else effect


def _follow(rule: Rule[T], perform: Callable[[Effect], Any]) -> T:
    value: Any = None
    error: Optional[BaseException] = None
    while True:
        try:
            effect = rule.send(value) if error is None else rule.throw(error)
            error = None
            try:
                value = perform(effect)
            except BaseException as raised:
                error = raised
        except StopIteration as end:
            result: T = end.value
            return result
        except KeyboardInterrupt as interrupt:
            # Ctrl-C between two lines of this function: the rule has not heard of it.
            if inspect.getgeneratorstate(rule) != inspect.GEN_SUSPENDED:
                raise
            error = interrupt


def _sleep(effect: Sleep) -> None:
    if effect.stop is None:
        time.sleep(max(effect.seconds, 0))
    elif isinstance(effect.stop, threading.Event):
        effect.stop.wait(max(effect.seconds, 0))
    else:
        deadline = time.monotonic() + effect.seconds
        while not effect.stop.is_set() and time.monotonic() < deadline:
            time.sleep(min(_PERIOD_SECONDS, max(deadline - time.monotonic(), 0)))


class _Beside:
    """A thread that heartbeats while a function of the program takes long."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._changed = threading.Condition()
        self._call: Optional[Call] = None
        self._is_closed = False
        self._thread: Optional[threading.Thread] = None

    def begin(self, call: Call) -> None:
        with self._changed:
            self._call = call
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="waymark-heartbeats", daemon=True)
                self._thread.start()
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._call = None

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(1)

    def _run(self) -> None:
        driver = Driver(self._transport)
        while True:
            with self._changed:
                while not self._is_closed and self._call is None:
                    self._changed.wait()
                if self._is_closed:
                    return
                call = self._call
                assert call is not None
                seconds = call.seconds_to_next()
                if seconds > 0:
                    self._changed.wait(min(seconds, call.look_seconds))
                    continue
            driver.run(call.beside())
