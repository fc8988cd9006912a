"""What both clients are made with."""

from __future__ import annotations

import os
from typing import Dict, Optional

from ._http1 import Endpoint, authorization_of
from ._requests import Requests
from .version import VERSION

DEFAULT_URL = "http://127.0.0.1:4000/graphql"
DEFAULT_TIMEOUT_SECONDS = 10.0
DEFAULT_RETRY_SECONDS = 60.0


class Settings:
    """@raises ValueError for a URL or key that can be none; its message holds neither"""

    def __init__(
        self, url: Optional[str], key: Optional[str], timeout_seconds: float, retry_seconds: float
    ) -> None:
        key = (os.environ.get("WAYMARK_KEY") if key is None else key) or None
        self.endpoint = Endpoint.parse(url or os.environ.get("WAYMARK_URL") or DEFAULT_URL)
        self.headers: Dict[str, str] = {
            "content-type": "application/json",
            "user-agent": f"waymark-client-python/{VERSION}",
            **authorization_of(key),
        }
        if not timeout_seconds > 0:
            raise ValueError("The timeout must be more than 0 seconds")
        self.requests = Requests(key=key, timeout_seconds=timeout_seconds, budget_seconds=retry_seconds)
