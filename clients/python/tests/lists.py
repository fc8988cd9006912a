"""A platform's list, and crawls of it by either client."""

import asyncio

from waymark_client import AsyncWaymark, Waymark

STREAM = "web/list"


class List:
    """Newest first. A token is the last item of the page above, so that what comes on top moves no page."""

    def __init__(self, count, page_size=5):
        self.items = [f"item-{number:04d}" for number in range(count, 0, -1)]
        self.page_size = page_size
        self.fetched = []
        self.processed = []
        # What happens in place of an answer: by the number of the fetch, from 1.
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
            # An item that was removed leaves its place: IDs fall from the top down.
            begin = next((at for at, item in enumerate(self.items) if item < token), len(self.items))
        page = self.items[begin : begin + self.page_size]
        is_last = begin + self.page_size >= len(self.items)
        return page, None if is_last else page[-1]

    def fetch_page(self, *, page_token, mode):
        self.fetched.append(page_token)
        happening = self.at_fetch.get(len(self.fetched))
        if isinstance(happening, BaseException):
            raise happening
        if callable(happening):
            answer = happening(page_token)
            if answer is not None:
                return answer
        return self.page(page_token)

    def process(self, items, *, session_id, mode):
        happening = self.at_process.get(len(self.processed) + 1)
        self.processed.append(list(items))
        if isinstance(happening, BaseException):
            raise happening
        return happening(items) if callable(happening) else None

    @property
    def all_processed(self):
        return [item for page in self.processed for item in page]


class Crawler:
    """Crawls by one of the clients, so that each test tries both."""

    def __init__(self, kind, url, user_id):
        self.kind = kind
        self.url = url
        self.user_id = user_id

    def crawl(self, crawled, **options):
        given = {"user_id": self.user_id, "stream": STREAM, "id": lambda item: item, "lease_seconds": 30, **options}
        if self.kind == "sync":
            with Waymark(self.url, retry_budget_seconds=20) as waymark:
                return waymark.crawl(fetch_page=crawled.fetch_page, process=crawled.process, **given)
        return asyncio.run(self._crawl(crawled, given))

    async def _crawl(self, crawled, given):
        async def fetch_page(**page):
            await asyncio.sleep(0)
            return crawled.fetch_page(**page)

        async def process(items, **of):
            await asyncio.sleep(0)
            return crawled.process(items, **of)

        async with AsyncWaymark(self.url, retry_budget_seconds=20) as waymark:
            return await waymark.crawl(fetch_page=fetch_page, process=process, **given)
