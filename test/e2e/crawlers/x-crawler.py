"""Crawls X through the Python client, and says what it does: python3 x-crawler.py <user> <output file> <page size>"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone

from waymark_client import CheckpointManager, PageTokenRefusedError, RateLimitedError, Waymark

user_id, output, page_size = sys.argv[1:]
written = {}
saved = set()


def say(line):
    print(line, flush=True)


def fetch_page(*, page_token, **_):
    query = {"max_results": page_size, **({"pagination_token": page_token} if page_token else {})}
    url = f"{os.environ['X_API_URL']}/2/users/{user_id}/bookmarks?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {os.environ['X_TOKEN']}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 429:
            reset = int(error.headers["x-rate-limit-reset"])
            raise RateLimitedError(datetime.fromtimestamp(reset, timezone.utc)) from None
        if error.code == 400:
            raise PageTokenRefusedError() from None
        raise
    return page.get("data", []), page["meta"].get("next_token")


def process(items, **_):
    """An item that is written and not saved, because its session was lost, is not written again; it still counts."""
    ids = [item["id"] for item in items]
    fresh = [id for id in ids if id not in written]
    if fresh:
        say(f"processing {' '.join(fresh)}")
    with open(output, "a", encoding="utf-8") as file:
        file.write("".join(f"{id}\n" for id in fresh))
        file.flush()
        os.fsync(file.fileno())
    written.update(dict.fromkeys(fresh))
    return sum(id not in saved for id in ids)


def on_event(event):
    if event.type == "started":
        say(f"session {event.session_id}\n{event.mode}: its plan")
    if event.type == "saved":
        saved.update(written)


def open_output(count):
    """The checkpoint counts the lines. What is more was written and not saved: that page comes again, so it goes."""
    with open(output, "a+", encoding="utf-8") as file:
        file.seek(0)
        lines = [line for line in file.readlines() if line.endswith("\n")][:count]
        file.truncate(len("".join(lines)))
    ids = [line.rstrip("\n") for line in lines]
    written.update(dict.fromkeys(ids))
    saved.update(ids)


with Waymark() as waymark:
    checkpoint = CheckpointManager(waymark, user_id=user_id).get_checkpoint()
    open_output(checkpoint.bookmarks_count if checkpoint else 0)
    report = waymark.crawl(
        user_id=user_id,
        lease_seconds=int(os.environ["LEASE_SECONDS"]),
        busy={"wait_ms": 60_000},
        id=lambda item: item["id"],
        fetch_page=fetch_page,
        process=process,
        on_event=on_event,
    )
if report.outcome != "completed":
    sys.exit(f"the crawl is {report.outcome}")
