"""Server-sent events, as GraphQL over SSE has them."""

from __future__ import annotations

from typing import Iterator, List, Tuple


class EventParser:
    """Feed it bytes; it answers the whole events: (event, data)."""

    def __init__(self) -> None:
        self._rest = b""
        self._event = ""
        self._data: List[str] = []

    def feed(self, received: bytes) -> Iterator[Tuple[str, str]]:
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            name, _, value = text.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "event":
                self._event = value
            elif name == "data":
                self._data.append(value)
            elif text == "":
                if self._event:
                    yield self._event, "\n".join(self._data)
                self._event, self._data = "", []
