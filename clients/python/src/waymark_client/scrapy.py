"""
An extension of Scrapy that keeps a spider's place in Waymark while it runs.

Scrapy's own `spider.state` is written when a spider closes, so a spider that is killed begins again
(https://github.com/scrapy/scrapy/issues/2399). With this extension, each page of the list is saved as soon as its items
have gone through the item pipelines. A killed spider repeats the pages that were under way, and skips nothing.

    class Saved(scrapy.Spider):
        name = "saved"
        custom_settings = {
            "EXTENSIONS": {"waymark_client.scrapy.WaymarkExtension": 500},
            "WAYMARK_USER_ID": "alice",
            "WAYMARK_STREAM": "reddit/saved",
        }

        def start_requests(self):
            yield from self.waymark.start(lambda token: scrapy.Request(f"{URL}?after={token or ''}"))

        def parse(self, response):
            page = response.json()
            yield from self.waymark.take(page["items"], page["next"], response, id=lambda item: item["id"])

Settings: WAYMARK_USER_ID; WAYMARK_STREAM (twitter/bookmarks); WAYMARK_URL and WAYMARK_KEY (those of the environment);
WAYMARK_MODE (AUTO); WAYMARK_LEASE_SECONDS (60); WAYMARK_TAKEOVER (False).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Iterable, Iterator, Optional

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider, NotConfigured
from scrapy.http import Request, Response
from twisted.internet.task import LoopingCall

from ._crawl.crawl import once_more
from ._crawl.crawled_list import CrawledList, Page, Save, Step
from ._operations import DEFAULT_LEASE_SECONDS, DEFAULT_STREAM
from ._requests import log
from .client import Waymark
from .errors import BusyError, LostError, PausedError, WaymarkError
from .session import Session

_PAGE = "waymark_page"
_LAST_WORD_SECONDS = 5.0


class WaymarkExtension:
    """Starts a session when the spider opens, and ends it when the spider closes."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        user_id = settings.get("WAYMARK_USER_ID")
        if not user_id:
            raise NotConfigured("WAYMARK_USER_ID names the user whose list it is")
        self._crawler = crawler
        self._lease_seconds = settings.getint("WAYMARK_LEASE_SECONDS", DEFAULT_LEASE_SECONDS)
        self._start = {
            "user_id": user_id,
            "stream": settings.get("WAYMARK_STREAM", DEFAULT_STREAM),
            "lease_seconds": self._lease_seconds,
        }
        self._first = {
            "mode": settings.get("WAYMARK_MODE", "AUTO"),
            "takeover": settings.getbool("WAYMARK_TAKEOVER", False),
        }
        self._waymark = Waymark(settings.get("WAYMARK_URL"), settings.get("WAYMARK_KEY"))
        # One thread: what is asked of Waymark is asked in order, and does not keep the reactor waiting.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="waymark")
        self._place: Optional[Place] = None
        self._has_gone_on = False
        self._heartbeats = LoopingCall(self._heartbeat)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> WaymarkExtension:
        extension = cls(crawler)
        for signal, handler in (
            (signals.spider_opened, extension.spider_opened),
            (signals.spider_idle, extension.spider_idle),
            (signals.spider_closed, extension.spider_closed),
            (signals.item_scraped, extension.item_scraped),
            (signals.item_dropped, extension.item_dropped),
            (signals.item_error, extension.item_error),
        ):
            crawler.signals.connect(handler, signal=signal)
        return extension

    def spider_opened(self, spider: Spider) -> None:
        place: Place
        try:
            session = self._waymark.start_session(**self._start, **self._first)
            place = self._place = Place(session, self._submit)
            log.info("session %s: %s: %s", session.session_id, session.plan.mode, session.plan.reason)
            self._heartbeats.start(self._lease_seconds / 3, now=False)
        except WaymarkError as refused:
            # The spider has nothing to do then, and closes by itself.
            is_outcome = isinstance(refused, (BusyError, PausedError))
            log.log(logging.WARNING if is_outcome else logging.ERROR, "%s", refused.message)
            outcomes = {BusyError: "busy", PausedError: "paused"}
            self._outcome(outcomes.get(type(refused), "failed"))
            place = Place(None, self._submit)
        spider.waymark = place

    def spider_idle(self, spider: Spider) -> None:
        """The last page has been fetched: ends the session, and goes on where more is to be found on top."""
        place = self._place
        if place is None or not place.is_at_end:
            return
        self._thread.submit(lambda: None).result()
        if place.failure is not None or place.has_unsaved_pages or self._has_gone_on:
            return
        next_mode = once_more(place.session.plan)
        if next_mode is None:
            return
        self._has_gone_on = True
        place.session.complete()
        try:
            session = self._waymark.start_session(**self._start, mode=next_mode)
        except (BusyError, PausedError):
            place.has_ended = True
            return
        log.info("session %s: %s: %s", session.session_id, session.plan.mode, session.plan.reason)
        self._place = spider.waymark = Place(session, self._submit)
        for request in spider.waymark.start(place.request_of):
            self._crawler.engine.crawl(request)
        raise DontCloseSpider

    def spider_closed(self, spider: Spider, reason: str) -> None:
        if self._heartbeats.running:
            self._heartbeats.stop()
        place = self._place
        if place is not None:
            # After the saves that are under way.
            ending = self._thread.submit(self._end, place, reason)
            try:
                ending.result(timeout=None if reason == "finished" else _LAST_WORD_SECONDS)
            except LostError as lost:
                self._outcome("lost")
                log.warning("%s", lost.message)
            except Exception as error:
                # Its lease ends it.
                log.error("the session could not be ended: %s", error)
        self._thread.shutdown(wait=False)
        self._waymark.close()

    def _end(self, place: Place, reason: str) -> None:
        session = place.session
        if isinstance(place.failure, LostError):
            self._outcome("lost")
        elif place.has_ended or (place.is_at_end and place.failure is None and not place.has_unsaved_pages):
            if not place.has_ended:
                session.complete()
            self._outcome("completed")
        elif place.failure is not None or place.trouble is not None:
            session.fail(place.failure or place.trouble or "failed")
            self._outcome("failed")
        elif reason == "finished":
            session.fail("the spider came to an end before the list did: see its log for pages that failed")
            self._outcome("failed")
        else:
            session.stop()
            self._outcome("stopped")

    def _outcome(self, outcome: str) -> None:
        self._crawler.stats.set_value("waymark/outcome", outcome)

    def item_scraped(self, item: Any, response: Response, spider: Spider) -> None:
        if self._place is not None:
            self._place.passed(response, is_new=True)

    def item_dropped(self, item: Any, response: Response, exception: BaseException, spider: Spider) -> None:
        if self._place is not None:
            self._place.passed(response, is_new=False)

    def item_error(self, item: Any, response: Response, spider: Spider, failure: Any) -> None:
        if self._place is not None:
            self._give_up(failure.value)

    def _submit(self, work: Callable[[], object]) -> None:
        # Only now: which reactor it is, is a setting.
        from twisted.internet import reactor

        running: Any = reactor

        def done(future: Future[object]) -> None:
            error = future.exception()
            if isinstance(error, Exception):
                running.callFromThread(self._give_up, error)

        self._thread.submit(work).add_done_callback(done)

    def _give_up(self, error: Exception) -> None:
        """Pages after this one may not be saved, so the spider closes."""
        if self._place is not None and self._place.failure is None:
            self._place.failure = error
            log.error("the spider's place cannot be kept: %s", error)
            reason = "waymark_lost" if isinstance(error, LostError) else "waymark_failed"
            self._crawler.engine.close_spider(self._crawler.spider, reason)

    def _heartbeat(self) -> None:
        place = self._place
        if place is None or place.failure is not None:
            return
        if place.session.stop_requested:
            self._heartbeats.stop()
            self._crawler.engine.close_spider(self._crawler.spider, "waymark_stop")
        elif time.monotonic() - place.renewed_at >= self._lease_seconds / 6:
            self._submit(place.heartbeat)


class _Pending:
    """A page whose items are in the pipelines."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.left = len(step.fresh)
        self.added = 0


class Place:
    """What a spider sees of its place: `spider.waymark`. It asks for pages by start() and take()."""

    def __init__(self, session: Optional[Session], submit: Callable[[Callable[[], object]], None]) -> None:
        self._session = session
        self._submit = submit
        self._list = CrawledList(session.plan) if session is not None else None
        self._pages: Deque[_Pending] = deque()
        self._numbers: Deque[int] = deque()
        self._count = 0
        self.request_of: Callable[[Optional[str]], Request] = Request
        # After a failure nothing more is saved; after a trouble nothing more is fetched.
        self.failure: Optional[Exception] = None
        self.trouble: Optional[str] = None
        self.is_at_end = False
        self.has_ended = False
        self.renewed_at = time.monotonic()

    @property
    def session(self) -> Session:
        assert self._session is not None, "the list is busy or paused"
        return self._session

    @property
    def has_unsaved_pages(self) -> bool:
        return bool(self._pages)

    def start(self, request_of: Callable[[Optional[str]], Request]) -> Iterator[Request]:
        """
        Call it in start_requests, by `yield from`.
        @param request_of makes the request of a page by its token; None: the top of the list
        """
        self.request_of = request_of
        if self._list is not None:
            yield self._request(self._list)

    def take(
        self,
        items: Iterable[Any],
        next_token: Optional[str],
        response: Response,
        *,
        id: Callable[[Any], str],
    ) -> Iterator[Any]:
        """
        Call it with each page, by `yield from`: it gives the items that are not processed yet, and the next request.
        @param next_token of the page; None: the list ends
        @param response the page
        @param id names an item
        """
        crawled = self._list
        if crawled is None or self.failure is not None or self.is_at_end:
            return
        token = None if next_token is None or next_token == "" else str(next_token)
        page = Page(tuple((str(id(item)), item) for item in items), token)
        step = crawled.take(page)
        if step.restart is not None:
            log.info("from the top: %s", step.restart)
            yield self._request(crawled)
            return
        pending = _Pending(step)
        crawled.handed(step.fresh)
        if step.save is not None:
            # The next page is judged before this one is saved.
            crawled.saved(step.save)
        self._pages.append(pending)
        self._numbers.append(response.meta[_PAGE])
        self.is_at_end = step.is_end
        if step.is_loop:
            self.trouble = "LOOP: the page tokens of the list go round"
        for _, item in step.fresh:
            yield item
        self._save_finished_pages()
        if not step.is_end and not step.is_loop:
            yield self._request(crawled)

    def refuse_token(self) -> Iterator[Request]:
        """Call it, by `yield from`, where the platform refuses the token of a page: it goes on from the top, once."""
        if self._list is None:
            return
        if not self._list.refuse():
            self.trouble = "the platform refuses its page tokens, also in a crawl from the top"
            return
        yield self._request(self._list)

    def passed(self, response: Optional[Response], is_new: bool) -> None:
        """An item has gone through the pipelines."""
        number = None if response is None else response.meta.get(_PAGE)
        if number is not None and number in self._numbers:
            page = self._pages[self._numbers.index(number)]
            page.left -= 1
            page.added += is_new
            self._save_finished_pages()

    def heartbeat(self) -> None:
        self.session.heartbeat()
        self.renewed_at = time.monotonic()

    def _save_finished_pages(self) -> None:
        """In their order: what is saved is the place of all above it."""
        while self._pages and self._pages[0].left <= 0:
            page = self._pages.popleft()
            self._numbers.popleft()
            save = page.step.save
            if save is None:
                self._submit(self.heartbeat)
            else:
                self._submit(self._saving(save, page.added))

    def _saving(self, save: Save, added: int) -> Callable[[], None]:
        def run() -> None:
            if self.failure is None:
                self.session.save(save.item_id, added, save.page_token, save.head)
                self.renewed_at = time.monotonic()

        return run

    def _request(self, crawled: CrawledList) -> Request:
        self._count += 1
        request = self.request_of(crawled.token)
        # A page may be asked for twice, e.g. in a pass from the top.
        meta = {**request.meta, _PAGE: self._count}
        return request.replace(dont_filter=True, meta=meta)
