"""The seed's CheckpointManager, without asyncio."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Iterator, Optional

from . import _operations as operations
from ._operations import DEFAULT_STREAM
from .models import Checkpoint, Plan, Revision, Rollback

if TYPE_CHECKING:
    from .client import Waymark


class CheckpointManager:
    """
    The checkpoint of one list of one user. The client stands where the seed had SQLAlchemy's session.
    @param stream the list; the default is the seed's, the bookmarks of Twitter
    """

    def __init__(self, waymark: Waymark, user_id: str, stream: str = DEFAULT_STREAM) -> None:
        self._waymark = waymark
        self.user_id = user_id
        self.stream = stream

    def get_checkpoint(self) -> Optional[Checkpoint]:
        """@returns None where there is none: crawl from the top"""
        return self._waymark._run(operations.read_checkpoint(self._waymark._requests, self.user_id, self.stream))

    def save_checkpoint(self, tweet_id: str, bookmarks_count: Optional[int] = None) -> Checkpoint:
        """
        @param tweet_id the last item that was processed; on other platforms their item ID
        @param bookmarks_count the total so far; None: the stored one stays
        @raises BusyError while a session owns the list, InvalidInputError, WaymarkError USER_NOT_FOUND
        """
        saving = operations.save_checkpoint(
            self._waymark._requests, self.user_id, self.stream, tweet_id, bookmarks_count
        )
        return self._waymark._run(saving)

    def get_last_tweet_id(self) -> Optional[str]:
        """@returns the last item that was processed; None where there is no checkpoint"""
        reading = operations.read_last_item(self._waymark._requests, self.user_id, self.stream)
        return self._waymark._run(reading)[0]

    def get_bookmarks_count(self) -> int:
        """@returns 0 where there is no checkpoint"""
        reading = operations.read_last_item(self._waymark._requests, self.user_id, self.stream)
        return self._waymark._run(reading)[1]

    def clear_checkpoint(self) -> bool:
        """@returns whether there was one. @raises BusyError while a session owns the list"""
        return self._waymark._run(operations.clear_checkpoint(self._waymark._requests, self.user_id, self.stream))

    def plan(self) -> Optional[Plan]:
        """@returns what the next crawl would do; None where the user does not exist"""
        return self._waymark._run(operations.read_plan(self._waymark._requests, self.user_id, self.stream))

    def rollback(
        self,
        *,
        to_version: Optional[int] = None,
        to_time: Optional[datetime] = None,
        dry_run: bool = False,
        expected_version: Optional[int] = None,
    ) -> Rollback:
        """
        Restores an earlier version, as a new one.
        @param to_version or to_time: exactly one of the two
        @raises BusyError, VersionConflictError, InvalidInputError, WaymarkError HISTORY_EXPIRED, CHECKPOINT_NOT_FOUND
        """
        rule = operations.rollback(
            self._waymark._requests, self.user_id, self.stream, to_version, to_time, dry_run, expected_version
        )
        return self._waymark._run(rule)

    def history(self) -> Iterator[Revision]:
        """Every version, newest first, also after a clear. Pages are read as they are wanted."""
        after: Optional[str] = None
        while True:
            reading = operations.read_history_page(self._waymark._requests, self.user_id, self.stream, after)
            revisions, after = self._waymark._run(reading)
            yield from revisions
            if after is None:
                return
