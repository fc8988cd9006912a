"""A session whose pages the program fetches itself, as rules."""

from __future__ import annotations

from datetime import datetime
from typing import Optional, Sequence

from . import _operations as operations
from ._effects import Rule, T
from ._operations import Start, Started
from ._requests import Requests, log
from .errors import LostError, WaymarkError
from .models import Saved


class SessionRules:
    """Knows whether it has ended, so that leaving its block ends it once."""

    def __init__(self, requests: Requests, start: Start, started: Started) -> None:
        self._requests = requests
        self._start = start
        self.started = started
        self.session_id = started.session.session_id
        self.has_ended = False
        self.stop_requested = False

    def save(
        self,
        item_id: Optional[str],
        bookmarks_added: Optional[int],
        page_token: Optional[str],
        head_item_ids: Optional[Sequence[str]],
    ) -> Rule[Saved]:
        given = operations.page_of(
            self._start,
            self.session_id,
            item_id=item_id,
            bookmarks_added=bookmarks_added,
            page_token=page_token,
            head_item_ids=head_item_ids,
        )
        saved = yield from self._noticing_loss(operations.save(self._requests, given, with_checkpoint=True))
        self.stop_requested = self.stop_requested or saved.stop_requested
        return saved

    def heartbeat(self, rate_limited_until: Optional[datetime] = None) -> Rule[bool]:
        is_limited = rate_limited_until is not None
        beat = operations.heartbeat(
            self._requests, self.session_id, rate_limited_until=rate_limited_until, is_hit=is_limited
        )
        asked = yield from self._noticing_loss(beat)
        self.stop_requested = self.stop_requested or asked
        return asked

    def complete(self, output_file_path: Optional[str]) -> Rule[None]:
        yield from self._noticing_loss(operations.complete_session(self._requests, self.session_id, output_file_path))
        self.has_ended = True

    def stop(self) -> Rule[None]:
        yield from self._noticing_loss(operations.stop_session(self._requests, self.session_id))
        self.has_ended = True

    def fail(self, error: "BaseException | str") -> Rule[None]:
        message = error if isinstance(error, str) else operations.message_of(error)
        yield from self._noticing_loss(operations.fail_session(self._requests, self.session_id, message))
        self.has_ended = True

    def leave(self, error: Optional[BaseException]) -> Rule[None]:
        """
        What the end of its block does: stops it, unless it has ended or is lost.
        @raises WaymarkError, but no LostError, and nothing where the block has raised an error: that one counts more
        """
        if error is not None and not isinstance(error, Exception):
            yield from self.leave_at_once()
        elif not self.has_ended:
            try:
                yield from self.stop()
            except LostError:
                pass
            except WaymarkError as unheard:
                if error is None:
                    raise
                log.warning("session %s: could not be stopped: %s", self.session_id, unheard.message)

    def leave_at_once(self) -> Rule[None]:
        """The same where the program is interrupted: for 5 s at the most, whatever happens."""
        if not self.has_ended:
            self.has_ended = True
            yield operations.last_word(self._requests, self.session_id)

    def finish(self, error: Optional[BaseException]) -> Rule[None]:
        """Ends it by how run_session's function ended: completes, stops or fails it."""
        if self.has_ended:
            return
        try:
            if error is not None and not isinstance(error, Exception):
                yield from self.leave_at_once()
            elif error is not None:
                yield from self.fail(error)
            elif self.stop_requested:
                yield from self.stop()
            else:
                yield from self.complete(None)
        except WaymarkError as unheard:
            # What the function raised counts more.
            if error is None:
                raise
            log.warning("session %s: could not be ended: %s", self.session_id, unheard.message)

    def _noticing_loss(self, rule: Rule[T]) -> Rule[T]:
        try:
            return (yield from rule)
        except LostError:
            # There is nothing left to end.
            self.has_ended = True
            raise
