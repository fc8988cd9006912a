"""A crawler that is killed: crawls a list of 40 items, and appends each that it processes to a file.

python killed_crawler.py <sync or async> <user> <output file>; its address comes from WAYMARK_URL.
"""

import asyncio
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))

from lists import STREAM, List, coroutine_of  # noqa: E402
from waymark_client import AsyncWaymark, Waymark  # noqa: E402

kind, user_id, output = sys.argv[1:]
crawled = List(40)


def process(items, **_):
    with open(output, "a", encoding="utf-8") as file:
        for item in items:
            file.write(f"{item}\n")
            file.flush()
            os.fsync(file.fileno())
            time.sleep(0.005)


given = {
    "user_id": user_id,
    "stream": STREAM,
    "id": lambda item: item,
    "busy": "takeover",
    "fetch_page": crawled.fetch_page,
    "process": process,
}


async def main():
    functions = {"fetch_page": coroutine_of(crawled.fetch_page), "process": coroutine_of(process)}
    async with AsyncWaymark() as waymark:
        return await waymark.crawl(**{**given, **functions})


if kind == "async":
    report = asyncio.run(main())
else:
    with Waymark() as waymark:
        report = waymark.crawl(**given)
print(report.outcome)
