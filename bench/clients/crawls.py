"""Crawls lists at once in one process, with the Python client: crawls.py <URL> <lists> <pages>. Prints JSON."""

import asyncio
import json
import resource
import sys
import time

from waymark_client import AsyncWaymark

PAGE_SIZE = 20


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(url, lists, pages):
    # Newest first. A page costs nothing: what is measured is the client.
    async def fetch_page(*, page_token, mode):
        page = int(page_token or 0)
        first = (pages - page) * PAGE_SIZE
        items = [str(1_000_000 + first - at) for at in range(PAGE_SIZE)]
        return items, str(page + 1) if page + 1 < pages else None

    async def process(items, *, session_id, mode):
        return None

    async with AsyncWaymark(url) as waymark:
        began, used = time.monotonic(), cpu_seconds()
        crawls = (
            waymark.crawl(
                user_id=f"python-{lists}-{number}",
                stream="bench/list",
                id=str,
                fetch_page=fetch_page,
                process=process,
            )
            for number in range(lists)
        )
        reports = await asyncio.gather(*crawls)
        measured = {"seconds": time.monotonic() - began, "cpuSeconds": cpu_seconds() - used}
    wrong = [report for report in reports if report.outcome != "completed"]
    if wrong:
        raise SystemExit(f"{len(wrong)} crawls did not complete: {wrong[0]}")
    print(json.dumps(measured))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
