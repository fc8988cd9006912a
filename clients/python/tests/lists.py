"""A platform's list, and crawls of it by either client."""

import asyncio
import inspect

from waymark_client import AsyncWaymark, Waymark

STREAM = "web/list"


class List:
    """Newest first. A token is the last item of the page above, so that what comes on top moves no page."""

    def __init__(self, count, page_size=5):
        self.items = [f"item-{number:04d}" for number in range(count, 0, -1)]
        self.page_size = page_size
        self.fetched = []
        self.processed = []
        # What happens in place of an answer: by the number of the call, from 1. An error, or a function.
        self.at_fetch = {}
        self.at_process = {}
        self._added = count

    def add(self, count=1):
        for _ in range(count):
            self._added += 1
            self.items.insert(0, f"item-{self._added:04d}")

    def page(self, token):
        begin = 0
        if token is not None:
            # IDs fall from the top down, so an item that was removed leaves its place.
            begin = next((at for at, item in enumerate(self.items) if item < token), len(self.items))
        page = self.items[begin : begin + self.page_size]
        is_last = begin + self.page_size >= len(self.items)
        return page, None if is_last else page[-1]

    def fetch_page(self, *, page_token, mode):
        self.fetched.append(page_token)
        answer = happen(self.at_fetch.get(len(self.fetched)), page_token)
        return self.page(page_token) if answer is None else answer

    def process(self, items, *, session_id, mode):
        self.processed.append(list(items))
        return happen(self.at_process.get(len(self.processed)), items)

    @property
    def all_processed(self):
        return [item for page in self.processed for item in page]


def happen(what, given):
    if isinstance(what, BaseException):
        raise what
    return what(given) if callable(what) else None


class Crawler:
    """Crawls by one of the clients, so that each test tries both."""

    def __init__(self, kind, url, user_id):
        self.kind = kind
        self.url = url
        self.user_id = user_id

    def crawl(self, crawled, **options):
        given = {
            "user_id": self.user_id,
            "stream": STREAM,
            "id": lambda item: item,
            "lease_seconds": 30,
            "fetch_page": crawled.fetch_page,
            "process": crawled.process,
            **options,
        }
        if self.kind == "sync":
            with Waymark(self.url, retry_budget_seconds=20) as waymark:
                return waymark.crawl(**given)
        return asyncio.run(self._crawl(given))

    async def _crawl(self, given):
        given["fetch_page"] = coroutine_of(given["fetch_page"])
        given["process"] = coroutine_of(given["process"])
        async with AsyncWaymark(self.url, retry_budget_seconds=20) as waymark:
            return await waymark.crawl(**given)


def coroutine_of(function):
    """Off the event loop, as a coroutine that waits for its platform is."""
    if inspect.iscoroutinefunction(function):
        return function

    async def run(*arguments, **options):
        return await asyncio.get_running_loop().run_in_executor(None, lambda: function(*arguments, **options))

    return run
