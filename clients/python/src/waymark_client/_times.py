"""Times on the wire: RFC 3339, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Optional

_FRACTION = re.compile(r"\.(\d+)")


def read_time(text: Optional[str]) -> Optional[datetime]:
    """@returns the time with its zone. Python 3.9's fromisoformat reads neither Z nor any number of digits."""
    if text is None:
        return None
    return read_present_time(text)


def read_present_time(text: str) -> datetime:
    whole = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text.upper().replace("Z", "+00:00"))
    return datetime.fromisoformat(whole).astimezone(timezone.utc)


def write_time(time: datetime) -> str:
    """@param time without a zone it is local time, as always in Python"""
    return time.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
