"""The lease of a session that crawls: when to heartbeat, and what the answers say."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Optional

from .. import _operations as operations
from .._effects import Rule
from .._requests import Requests, log
from ..errors import LostError, UnavailableError, WaymarkError


class Lease:
    """
    Every accepted write renews the lease. A heartbeat is due when a third of it has passed since.

    Wall-clock time counts beside monotonic time, because the latter stands still while a machine sleeps.
    """

    def __init__(self, requests: Requests, session_id: str, lease_seconds: float) -> None:
        self._requests = requests
        self.session_id = session_id
        self._every_seconds = lease_seconds / 3
        # How often to look at the wall's clock meanwhile.
        self.look_seconds = max(self._every_seconds / 2, 1.0)
        self.lost: Optional[LostError] = None
        self.stop_requested = False
        self.renewed()

    def renewed(self, stop_requested: bool = False) -> None:
        self._renewed = (time.monotonic(), time.time())
        # The next one in the background; sooner than that after one that failed.
        self._next = self._every_seconds
        self.stop_requested = self.stop_requested or stop_requested

    def _passed_seconds(self) -> float:
        monotonic, wall = self._renewed
        return max(time.monotonic() - monotonic, time.time() - wall)

    def seconds_to_next(self) -> float:
        return self._next - self._passed_seconds()

    def heartbeat(
        self, rate_limited_until: Optional[datetime] = None, *, is_hit: bool = False, api_requests: int = 0
    ) -> Rule[None]:
        """@raises LostError"""
        asked = yield from operations.heartbeat(
            self._requests,
            self.session_id,
            rate_limited_until=rate_limited_until,
            is_hit=is_hit,
            api_requests=api_requests,
        )
        self.renewed(asked)

    def heartbeat_if_due(self) -> Rule[None]:
        """@raises LostError, also if a heartbeat in the background found it"""
        if self.lost is None and self._passed_seconds() >= self._every_seconds:
            yield from self.heartbeat()
        if self.lost is not None:
            raise self.lost

    def beside(self) -> Rule[bool]:
        """Heartbeats in the background. @returns whether the session is lost. It raises nothing"""
        try:
            if self.lost is None:
                asked = yield from operations.heartbeat(self._requests, self.session_id, budget_seconds=0)
                self.renewed(asked)
                return False
        except LostError as error:
            self.lost = error
        except UnavailableError as error:
            log.warning("session %s: a heartbeat failed: %s", self.session_id, error.message)
        except WaymarkError as error:
            log.error("session %s: a heartbeat was refused: %s", self.session_id, error.message)
        self._next = self._passed_seconds() + min(1, self._every_seconds)
        return self.lost is not None
