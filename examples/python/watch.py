"""Follows all checkpoints: tells those that are there, then each change. Goes on after the last one that it handled:

WAYMARK_KEY=... python3 watch.py [file that keeps the cursor]
"""

import pathlib
import sys

from waymark_client import Waymark

file = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "cursor.txt")
cursor = file.read_text() if file.exists() else None


def handle(checkpoint):
    print(checkpoint.user_id, checkpoint.stream, checkpoint.version, checkpoint.last_item_id, flush=True)


with Waymark() as waymark:
    try:
        for event in waymark.follow("checkpoints", after=cursor):
            if event.type == "row":
                handle(event.row)
            elif event.type == "change":
                handle(event.change)
            # First handle an event, then keep its cursor.
            if event.type in ("listed", "change"):
                file.write_text(event.cursor)
    except KeyboardInterrupt:
        pass
