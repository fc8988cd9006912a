"""
The Python client of Waymark, which keeps the place of every crawl.

`Waymark` and `AsyncWaymark` crawl lists, follow changes and send requests. `CheckpointManager` and
`AsyncCheckpointManager` are the original project's class. docs/crawling.md explains how crawls work.
"""

from ._crawl.report import CrawlEvent, CrawlReport, SessionReport
from .async_client import AsyncWaymark
from .async_manager import AsyncCheckpointManager
from .async_session import AsyncSession
from .client import Waymark
from .errors import (
    BusyError,
    ForbiddenError,
    InvalidInputError,
    LostError,
    NeedsAttentionError,
    OrderViolationError,
    PageTokenRefusedError,
    PausedError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
    VersionConflictError,
    WaymarkError,
)
from .feed_events import Change, FollowEvent, Listed, Reset, Row
from .manager import CheckpointManager
from .models import (
    CatchUp,
    Checkpoint,
    CheckpointChange,
    CrawlSession,
    InputIssue,
    Pause,
    Plan,
    Revision,
    Rollback,
    Saved,
    SessionChange,
    SessionOwner,
)
from .session import Session
from .version import VERSION as __version__

__all__ = [
    "AsyncCheckpointManager",
    "AsyncSession",
    "AsyncWaymark",
    "BusyError",
    "CatchUp",
    "Change",
    "Checkpoint",
    "CheckpointChange",
    "CheckpointManager",
    "CrawlEvent",
    "CrawlReport",
    "CrawlSession",
    "FollowEvent",
    "ForbiddenError",
    "InputIssue",
    "InvalidInputError",
    "Listed",
    "LostError",
    "NeedsAttentionError",
    "OrderViolationError",
    "PageTokenRefusedError",
    "Pause",
    "PausedError",
    "Plan",
    "RateLimitedError",
    "Reset",
    "Revision",
    "Rollback",
    "Row",
    "Saved",
    "Session",
    "SessionChange",
    "SessionOwner",
    "SessionReport",
    "UnauthenticatedError",
    "UnavailableError",
    "VersionConflictError",
    "Waymark",
    "WaymarkError",
    "__version__",
]
