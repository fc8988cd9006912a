"""The promises of crawl(), by both clients, against a real server."""

import asyncio
import json
import os
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from lists import STREAM, List
from waymark_client import (
    InvalidInputError,
    LostError,
    NeedsAttentionError,
    OrderViolationError,
    PageTokenRefusedError,
    RateLimitedError,
    Waymark,
    WaymarkError,
)


def checkpoint_of(waymark, user, stream=STREAM):
    return waymark.checkpoint_manager(user, stream).get_checkpoint()


def sessions_of(waymark, user):
    """Oldest first."""
    query = """query ($u: String) { sessions(filter: { userId: $u }, orderBy: STARTED_AT_ASC) { nodes {
      sessionId status mode errorMessage worker outputFilePath directImport enableSummarization leaseSeconds
      bookmarksProcessed apiRequests rateLimitHits } } }"""
    return waymark.request(query, {"u": user})["sessions"]["nodes"]


def modes(report):
    return [session.mode for session in report.sessions]


def at(seconds):
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


class TestAWholeCrawl:
    def test_reaches_the_end_and_then_fetches_only_what_is_new(self, crawler, waymark, user):
        crawled = List(23)
        report = crawler.crawl(crawled)
        assert report.outcome == "completed"
        assert [(one.mode, one.pages, one.items, one.added) for one in report.sessions] == [("FULL", 5, 23, 23)]
        assert crawled.all_processed == crawled.items
        crawled.add(7)
        crawled.processed.clear()
        report = crawler.crawl(crawled)
        assert [(one.mode, one.pages, one.items) for one in report.sessions] == [("INCREMENTAL", 2, 7)]
        assert crawled.all_processed == crawled.items[:7]
        checkpoint = checkpoint_of(waymark, user)
        assert (checkpoint.bookmarks_count, checkpoint.complete, checkpoint.page_token) == (30, True, None)
        assert checkpoint.anchor_item_ids == tuple(crawled.items[:5])

    def test_starts_its_session_with_the_options_and_counts_what_process_says(self, crawler, waymark, user):
        crawled = List(8)
        crawled.at_process = {1: lambda items: 2, 2: lambda items: 0}
        options = {"lease_seconds": 45, "worker": "pod-7", "output_file_path": "/tmp/out.txt", "direct_import": True}
        report = crawler.crawl(crawled, **options, enable_summarization=True)
        [session] = sessions_of(waymark, user)
        assert (session["leaseSeconds"], session["worker"], session["outputFilePath"]) == (45, "pod-7", "/tmp/out.txt")
        assert (session["directImport"], session["enableSummarization"]) == (True, True)
        assert (report.sessions[0].items, report.sessions[0].added) == (8, 2)
        assert session["bookmarksProcessed"] == checkpoint_of(waymark, user).bookmarks_count == 2
        assert session["apiRequests"] == len(crawled.fetched) == 2

    def test_tells_what_it_does(self, crawler):
        events = []
        crawler.crawl(List(8), on_event=events.append)
        assert [event.type for event in events] == ["started", "page", "saved", "page", "saved", "done"]
        assert (events[2].item_id, events[2].page_token, events[2].added) == ("item-0004", "item-0004", 5)
        assert events[-1].report.outcome == "completed"

    def test_goes_on_though_on_event_raises_an_error(self, crawler):
        def fail(event):
            raise RuntimeError("no terminal")

        assert crawler.crawl(List(3), on_event=fail).outcome == "completed"

    def test_passes_the_mode_on_to_start(self, crawler, waymark, user):
        crawled = List(8)
        crawler.crawl(crawled)
        assert modes(crawler.crawl(crawled, mode="FULL")) == ["FULL"]
        assert crawled.all_processed == crawled.items * 2

    def test_takes_numbers_as_ids_and_tokens_and_an_empty_token_as_the_end(self, crawler, waymark, user):
        pages = {None: ([3, 2], 7), "7": ([1], "")}
        crawled = List(0)
        report = crawler.crawl(
            crawled, fetch_page=lambda page_token, mode: pages[page_token], id=lambda item: item
        )
        assert (report.outcome, report.sessions[0].items) == ("completed", 3)
        assert checkpoint_of(waymark, user).last_item_id == "1"


class TestProcessThenSave:  # 1
    def test_counts_a_save_once_whose_answer_is_lost(self, crawler, proxy, waymark, user):
        proxy.breaks["saveCheckpoint"] = ["lose", None, "lose"]
        crawled = List(13)
        assert crawler.crawl(crawled).outcome == "completed"
        assert checkpoint_of(waymark, user).bookmarks_count == 13
        keys = [save["idempotencyKey"] for save in proxy.saves()]
        assert len(keys) == 5 and keys[0] == keys[1] and len(set(keys)) == 3

    def test_starts_one_session_where_the_answer_to_the_start_is_lost(self, crawler, proxy, waymark, user):
        proxy.breaks["startSession"] = ["lose"]
        proxy.breaks["completeSession"] = ["lose"]
        assert crawler.crawl(List(3)).outcome == "completed"
        assert [session["status"] for session in sessions_of(waymark, user)] == ["COMPLETED"]

    def test_saves_nothing_of_a_page_that_process_did_not_finish(self, crawler, waymark, user):
        crawled = List(13)
        crawled.at_process[2] = RuntimeError("the disk is full")
        with pytest.raises(RuntimeError, match="disk is full"):
            crawler.crawl(crawled)
        assert checkpoint_of(waymark, user).last_item_id == "item-0009"
        crawled.processed.clear()
        crawled.at_process.clear()
        assert crawler.crawl(crawled).outcome == "completed"
        assert crawled.all_processed == crawled.items[5:]


class TestLeases:  # 2
    @pytest.mark.parametrize("slow", ["fetch", "process"])
    def test_heartbeats_in_the_background_while_a_function_takes_long(self, crawler, proxy, slow):
        crawled = List(3)

        def wait(_):
            deadline = time.monotonic() + 20
            while "heartbeat" not in proxy.names() and time.monotonic() < deadline:
                time.sleep(0.02)

        (crawled.at_fetch if slow == "fetch" else crawled.at_process)[1] = wait
        assert crawler.crawl(crawled, lease_seconds=5).outcome == "completed"
        assert proxy.names()[:2] == ["startSession", "heartbeat"]

    def test_sends_none_while_a_page_takes_less_than_a_third_of_the_lease(self, crawler, proxy):
        crawler.crawl(List(13), lease_seconds=600)
        assert "heartbeat" not in proxy.names()

    def test_heartbeats_before_it_processes_what_came_after_a_sleep(self, crawler, proxy, monkeypatch):
        # The machine slept while it fetched: the wall's clock has moved, the monotonic one has not.
        crawled = List(3)
        now = time.time
        asleep = [0]
        monkeypatch.setattr(time, "time", lambda: now() + asleep[0])
        crawled.at_fetch[1] = lambda _: asleep.__setitem__(0, 20)
        asked = []
        crawled.at_process[1] = lambda _: asked.extend(proxy.names())
        assert crawler.crawl(crawled, lease_seconds=30).outcome == "completed"
        assert asked[0] == "startSession" and set(asked[1:]) == {"heartbeat"}

    def test_begins_a_new_session_each_time_the_lease_runs_out(self, crawler, waymark, user, sql):
        crawled = List(23)

        def expire(_):
            running = [one for one in sessions_of(waymark, user) if one["status"] == "RUNNING"]
            sql("SELECT crawler.expire_session($1, crawler.clock())", running[0]["sessionId"])

        crawled.at_process = {2: expire, 4: expire}
        report = crawler.crawl(crawled)
        assert (report.outcome, modes(report)) == ("completed", ["FULL", "RESUME", "RESUME", "INCREMENTAL"])
        assert set(crawled.all_processed) == set(crawled.items)
        assert len(crawled.all_processed) == 23 + 2 * 5
        assert [one["status"] for one in sessions_of(waymark, user)] == ["FAILED", "FAILED", "COMPLETED", "COMPLETED"]

    def test_is_lost_where_another_session_has_the_list_by_then(self, crawler, waymark, user, proxy):
        crawled = List(23)
        rivals = []

        def take_over(_):
            rivals.append(waymark.start_session(user_id=user, stream=STREAM, takeover=True))

        crawled.at_process[2] = take_over
        report = crawler.crawl(crawled)
        assert (report.outcome, len(report.sessions)) == ("lost", 1)
        # Nothing more is written or ended.
        assert proxy.names()[-1] == "saveCheckpoint"
        assert checkpoint_of(waymark, user).last_item_id == "item-0019"
        rivals[0].stop()

    def test_is_lost_where_the_lease_ran_out_and_another_began(self, crawler, waymark, user, sql):
        crawled = List(23)
        rivals = []

        def expire(_):
            [running] = sessions_of(waymark, user)
            sql("SELECT crawler.expire_session($1, crawler.clock())", running["sessionId"])
            # A session of another list of the user's does not matter.
            rivals.append(waymark.start_session(user_id=user, stream="web/other"))
            rivals.append(waymark.start_session(user_id=user, stream=STREAM))

        crawled.at_process[2] = expire
        assert crawler.crawl(crawled).outcome == "lost"
        for rival in rivals:
            rival.stop()

    def test_gives_up_a_page_as_soon_as_a_heartbeat_finds_the_session_lost(self, crawler, waymark, user):
        if crawler.kind == "sync":
            pytest.skip("a thread cannot be given up from outside")
        crawled = List(23)
        given_up = threading.Event()

        async def fetch_page(*, page_token, mode):
            if page_token is None:
                return crawled.fetch_page(page_token=page_token, mode=mode)
            take_over = lambda: waymark.start_session(user_id=user, stream=STREAM, takeover=True)  # noqa: E731
            await asyncio.get_running_loop().run_in_executor(None, take_over)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                given_up.set()
                raise

        report = crawler.crawl(crawled, fetch_page=fetch_page, lease_seconds=5)
        assert report.outcome == "lost" and given_up.is_set()


class TestTheWayDown:  # 3
    def interrupted(self, crawler, waymark, user, crawled, keep_token=False):
        """A crawl that was stopped after two pages."""
        stop = threading.Event()
        crawled.at_process[2] = lambda _: stop.set()
        assert crawler.crawl(crawled, stop=stop).outcome == "stopped"
        crawled.at_process.clear()
        crawled.fetched.clear()
        crawled.processed.clear()
        if not keep_token:
            # A save by another program keeps no token.
            waymark.checkpoint_manager(user, STREAM).save_checkpoint(checkpoint_of(waymark, user).last_item_id)

    def test_goes_on_at_the_token_that_was_kept(self, crawler, waymark, user):
        crawled = List(23)
        self.interrupted(crawler, waymark, user, crawled, keep_token=True)
        report = crawler.crawl(crawled)
        assert modes(report) == ["RESUME", "INCREMENTAL"]
        assert crawled.fetched[0] == "item-0014"
        assert crawled.all_processed == crawled.items[10:]

    def test_heartbeats_and_saves_nothing_down_to_the_last_item(self, crawler, waymark, user, proxy):
        crawled = List(23)
        self.interrupted(crawler, waymark, user, crawled)
        proxy.asked.clear()
        crawled.add(2)
        report = crawler.crawl(crawled)
        # Two pages and a part of one above the last item.
        assert proxy.names()[:4] == ["startSession", "heartbeat", "heartbeat", "saveCheckpoint"]
        assert crawled.all_processed[:13] == crawled.items[12:]
        assert modes(report) == ["RESUME", "INCREMENTAL"]
        assert set(crawled.all_processed[13:]) == set(crawled.items[:2])

    def test_skips_nothing_where_the_last_item_was_removed(self, crawler, waymark, user):
        crawled = List(23)
        self.interrupted(crawler, waymark, user, crawled)
        crawled.items.remove(checkpoint_of(waymark, user).last_item_id)
        events = []
        report = crawler.crawl(crawled, on_event=events.append)
        assert report.outcome == "completed"
        assert crawled.all_processed == crawled.items
        assert [event.reason for event in events if event.type == "restartedFromTop"] == ["LAST_ITEM_REMOVED"]

    def test_meets_three_neighbours_over_two_pages_and_no_token_leads_past_them(self, crawler, waymark, user, proxy):
        crawled = List(12, page_size=3)
        crawler.crawl(crawled)
        # Anchors are 12 11 10; one of them is on the second page now.
        crawled.add(1)
        crawled.fetched.clear()
        proxy.asked.clear()
        report = crawler.crawl(crawled)
        assert (modes(report), crawled.fetched) == (["INCREMENTAL"], [None, "item-0011"])
        assert [save["pageToken"] for save in proxy.saves()] == [None]
        assert checkpoint_of(waymark, user).complete

    def test_leaves_no_token_where_the_anchor_begins_a_page(self, crawler, proxy):
        crawled = List(12, page_size=3)
        crawler.crawl(crawled)
        crawled.add(3)
        proxy.asked.clear()
        crawler.crawl(crawled)
        assert [(save["itemId"], save["pageToken"]) for save in proxy.saves()] == [
            ("item-0013", "item-0013"),
            ("item-0013", None),
        ]

    def test_does_not_stop_at_one_anchor_alone(self, crawler):
        crawled = List(12, page_size=4)
        crawler.crawl(crawled)
        # Bookmarked again: it stands above what is new.
        crawled.items.remove("item-0011")
        crawled.items[:0] = ["item-0011", "new-2", "new-1"]
        crawled.processed.clear()
        tokens = {None: (crawled.items[:4], "a"), "a": (crawled.items[4:8], "b"), "b": (crawled.items[8:], None)}
        crawler.crawl(crawled, fetch_page=lambda page_token, mode: tokens[page_token])
        assert {"new-2", "new-1"} <= set(crawled.all_processed)

    def test_sends_the_first_page_with_items_as_the_head_and_the_next_ones_until_three(self, crawler, proxy):
        pages = {None: ([], "a"), "a": (["9", "8"], "b"), "b": (["7", "6"], "c"), "c": (["5"], None)}
        crawler.crawl(List(0), fetch_page=lambda page_token, mode: pages[page_token])
        assert [save.get("headItemIds") for save in proxy.saves()] == [None, ["9", "8"], ["7", "6"], None]

    def test_saves_the_token_alone_of_an_empty_page_in_the_middle(self, crawler, proxy):
        pages = {None: (["9", "8"], "a"), "a": ([], "b"), "b": (["7"], None)}
        crawler.crawl(List(0), fetch_page=lambda page_token, mode: pages[page_token])
        assert [(save["itemId"], save["pageToken"]) for save in proxy.saves()] == [("8", "a"), (None, "b"), ("7", None)]

    def test_keeps_no_token_that_is_too_long_for_waymark(self, crawler, proxy):
        long = "x" * 8_193
        pages = {None: (["9", "8"], long), long: ([], "b"), "b": (["7"], None)}
        assert crawler.crawl(List(0), fetch_page=lambda page_token, mode: pages[page_token]).outcome == "completed"
        assert [save["pageToken"] for save in proxy.saves()] == [None, "b", None]


class TestRateLimits:  # 4
    def test_reports_it_waits_and_fetches_the_same_page_again(self, crawler, proxy, waymark, user):
        crawled = List(8)
        until = at(1.2)
        crawled.at_fetch[2] = RateLimitedError(until)
        came_at = []
        crawled.at_fetch[3] = lambda _: came_at.append(at(0))
        events = []
        assert crawler.crawl(crawled, on_event=events.append).outcome == "completed"
        assert crawled.fetched[1:3] == ["item-0004", "item-0004"] and came_at[0] >= until
        [beat] = [given for name, given in proxy.asked if name == "heartbeat"]
        assert beat["rateLimitedUntil"].startswith(until.isoformat()[:19])
        assert sessions_of(waymark, user)[0]["rateLimitHits"] == 1
        [waiting] = [event for event in events if event.type == "waiting"]
        assert (waiting.reason, waiting.until) == ("RATE_LIMITED", until)

    def test_takes_seconds_since_1970_and_waits_a_little_where_the_time_is_over(self, crawler):
        crawled = List(3)
        crawled.at_fetch = {1: RateLimitedError(time.time() - 60), 2: RateLimitedError(time.time() - 60)}
        started = time.monotonic()
        assert crawler.crawl(crawled).outcome == "completed"
        assert time.monotonic() - started >= 0.3

    def test_waits_for_process_too_and_hands_it_the_same_items(self, crawler):
        crawled = List(3)
        crawled.at_process[1] = RateLimitedError(at(0.2))
        assert crawler.crawl(crawled).outcome == "completed"
        assert crawled.processed == [crawled.items] * 2 and len(crawled.fetched) == 1

    @pytest.mark.parametrize("seconds, max_wait", [(60, 30), (25 * 3600, timedelta(days=3))])
    def test_pauses_the_list_where_the_wait_is_too_long(self, crawler, proxy, waymark, user, seconds, max_wait):
        crawled = List(13)
        until = at(seconds)
        crawled.at_fetch[2] = RateLimitedError(until, "come back later")
        report = crawler.crawl(crawled, max_wait=max_wait)
        assert (report.outcome, report.reason) == ("paused", "come back later")
        assert abs(report.until - until) < timedelta(seconds=1)
        assert "heartbeat" not in proxy.names() and proxy.names()[-2:] == ["pauseCrawl", "stopSession"]
        assert sessions_of(waymark, user)[0]["status"] == "STOPPED"
        # And so it is for whoever comes next.
        again = crawler.crawl(crawled)
        assert (again.outcome, again.sessions, again.reason) == ("paused", (), "come back later")

    def test_pauses_it_for_399_days_where_a_person_is_needed(self, crawler, waymark, user):
        crawled = List(13)
        crawled.at_fetch[2] = NeedsAttentionError("log in again")
        report = crawler.crawl(crawled)
        assert (report.outcome, report.reason) == ("paused", "log in again")
        assert timedelta(days=398) < report.until - at(0) < timedelta(days=400)
        [session] = sessions_of(waymark, user)
        assert (session["status"], session["errorMessage"]) == ("FAILED", "log in again")
        assert checkpoint_of(waymark, user).last_item_id == "item-0009"


class TestTokens:  # 5
    def test_goes_down_from_the_top_where_a_kept_token_is_refused(self, crawler, waymark, user, proxy):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
        crawled.at_fetch[1] = PageTokenRefusedError()
        proxy.asked.clear()
        report = crawler.crawl(crawled)
        assert crawled.all_processed == crawled.items[10:] and modes(report) == ["RESUME", "INCREMENTAL"]
        assert proxy.names()[:2] == ["startSession", "heartbeat"]

    def test_goes_down_to_its_own_last_item_where_a_token_is_refused_in_the_middle(self, crawler):
        crawled = List(23)
        crawled.at_fetch[4] = PageTokenRefusedError()
        assert crawler.crawl(crawled).outcome == "completed"
        assert crawled.all_processed == crawled.items
        assert crawled.fetched[3:6] == ["item-0009", None, "item-0019"]

    def test_fails_where_a_token_is_refused_again(self, crawler, waymark, user):
        crawled = List(23)
        crawled.at_fetch = {3: PageTokenRefusedError("too old"), 5: PageTokenRefusedError("too old")}
        with pytest.raises(PageTokenRefusedError, match="too old"):
            crawler.crawl(crawled)
        [session] = sessions_of(waymark, user)
        assert session["status"] == "FAILED" and "too old" in session["errorMessage"]

    @pytest.mark.parametrize("onward", ["item-0009", "item-0019", "item-0014"])
    def test_fails_with_loop_where_tokens_come_round(self, crawler, waymark, user, onward):
        crawled = List(23)
        crawled.at_fetch[4] = lambda token: (crawled.page(token)[0], onward)
        crawled.at_fetch[3] = lambda token: (crawled.page(token)[0], "item-0009")
        with pytest.raises(WaymarkError, match="LOOP") as raised:
            crawler.crawl(crawled)
        assert raised.value.code == "LOOP"
        [session] = sessions_of(waymark, user)
        assert session["status"] == "FAILED" and session["errorMessage"].startswith("LOOP")
        # The page was processed, and the next crawl is not led round again.
        assert crawled.all_processed == crawled.items[:20] and checkpoint_of(waymark, user).page_token is None

    def test_fails_with_loop_on_the_way_down(self, crawler, waymark, user, proxy):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled)
        crawled.items.remove(checkpoint_of(waymark, user).last_item_id)
        crawled.at_fetch[3] = lambda token: (crawled.page(token)[0], "item-0019")
        proxy.asked.clear()
        with pytest.raises(WaymarkError, match="LOOP"):
            crawler.crawl(crawled)
        assert "saveCheckpoint" not in proxy.names()

    def test_fails_with_loop_where_pages_are_empty_for_ever(self, crawler):
        count = iter(range(100_000))
        fetch_page = lambda page_token, mode: ([], f"token-{next(count)}")  # noqa: E731
        with pytest.raises(WaymarkError, match="LOOP"):
            crawler.crawl(List(0), fetch_page=fetch_page)


class TestEnds:  # 6
    def test_does_not_believe_an_empty_end_right_after_a_kept_token(self, crawler, waymark, user):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
        crawled.at_fetch[1] = lambda _: ([], None)
        events = []
        report = crawler.crawl(crawled, on_event=events.append)
        assert crawled.all_processed == crawled.items[10:] and report.outcome == "completed"
        assert [event.reason for event in events if event.type == "restartedFromTop"] == ["EMPTY_END"]

    def test_completes_after_one_descent_where_the_list_really_ended(self, crawler, waymark, user):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
        del crawled.items[10:]
        report = crawler.crawl(crawled)
        assert (report.outcome, crawled.all_processed) == ("completed", [])
        assert crawled.fetched[:3] == ["item-0014", None, "item-0019"]

    def test_begins_at_the_top_where_there_was_no_item_yet(self, crawler, waymark, user):
        with waymark.start_session(user_id=user, stream=STREAM) as session:
            session.save(None, page_token="kept")
        crawled = List(8)
        crawled.at_fetch[1] = lambda _: ([], None)
        assert crawler.crawl(crawled).outcome == "completed"
        assert crawled.fetched[:2] == ["kept", None] and crawled.all_processed == crawled.items

    def test_asks_for_no_page_twice_where_the_list_ends(self, crawler):
        crawled = List(23)
        crawler.crawl(crawled)
        assert crawled.fetched == [None, "item-0019", "item-0014", "item-0009", "item-0004"]

    def test_hands_an_item_to_process_once_a_session(self, crawler, proxy):
        pages = {None: (["9", "8", "9"], "a"), "a": (["8"], "b"), "b": (["9", "7"], None)}
        crawled = List(0)
        crawler.crawl(crawled, fetch_page=lambda page_token, mode: pages[page_token])
        assert crawled.processed == [["9", "8"], ["7"]]
        assert [save.get("bookmarksAdded") for save in proxy.saves()] == [2, 0, 1]


class TestOnceMore:  # 7
    def interrupted_catch_up(self, crawler, waymark, user):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
        crawled.add(12)
        crawled.at_fetch[2] = RuntimeError("down")
        with pytest.raises(RuntimeError):
            crawler.crawl(crawled, mode="CATCH_UP")
        return crawled

    def test_catches_up_once_more_after_a_catch_up_that_was_interrupted(self, crawler, waymark, user):
        crawled = self.interrupted_catch_up(crawler, waymark, user)
        crawled.add(3)
        crawled.at_fetch.clear()
        report = crawler.crawl(crawled, mode="CATCH_UP")
        assert (report.outcome, modes(report)) == ("completed", ["CATCH_UP", "CATCH_UP"])
        # All that came on top, and nothing of the unfinished crawl.
        assert set(crawled.all_processed) == set(crawled.items[:15])
        assert not checkpoint_of(waymark, user).complete

    def test_does_nothing_more_after_another_catch_up(self, crawler, waymark, user):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
        crawled.add(2)
        assert modes(crawler.crawl(crawled, mode="CATCH_UP")) == ["CATCH_UP"]

    def test_goes_on_as_a_catch_up_where_the_lease_ran_out_in_one(self, crawler, waymark, user, sql):
        crawled = List(23)
        TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
        crawled.add(12)

        def expire(_):
            running = [one for one in sessions_of(waymark, user) if one["status"] == "RUNNING"]
            sql("SELECT crawler.expire_session($1, crawler.clock())", running[0]["sessionId"])

        crawled.at_process[2] = expire
        report = crawler.crawl(crawled, mode="CATCH_UP")
        assert modes(report) == ["CATCH_UP", "CATCH_UP", "CATCH_UP"] and report.outcome == "completed"

    def test_says_completed_where_the_list_is_busy_or_paused_by_then(self, crawler, proxy, waymark, user):
        for refusal in ("StreamBusyError", "StreamPausedError"):
            crawled = List(23)
            waymark.checkpoint_manager(user, STREAM).clear_checkpoint()
            TestTheWayDown().interrupted(crawler, waymark, user, crawled, keep_token=True)
            rivals = []

            def end(event):
                if event.type == "saved" and event.item_id == "item-0001" and not rivals:
                    rivals.append(True)

            # As soon as the first session has completed, somebody else is quicker.
            proxy.breaks["startSession"] = [None, (200, refused(refusal))]
            report = crawler.crawl(crawled, on_event=end)
            assert (report.outcome, modes(report)) == ("completed", ["RESUME"])

    def test_looks_for_nothing_on_top_of_an_ascending_stream(self, crawler, waymark, user):
        stream = f"twitter/ascending-{user}"
        configure = "mutation ($s: String!) { configureStream(input: { name: $s, ordering: ASCENDING }) { __typename } }"
        waymark.request(configure, {"s": stream})
        items = ["1", "2", "3", "4"]

        def fetch_page(*, page_token, mode):
            begin = int(page_token or 0)
            return items[begin : begin + 2], str(begin + 2) if begin + 2 < len(items) else None

        crawled = List(0)
        crawler.crawl(crawled, stream=stream, fetch_page=fetch_page)
        items += ["5", "6", "7"]
        report = crawler.crawl(crawled, stream=stream, fetch_page=fetch_page)
        assert modes(report) == ["RESUME"] and crawled.all_processed == items
        # An ID below the stored one is refused.
        items.append("3")
        with pytest.raises(OrderViolationError) as raised:
            crawler.crawl(crawled, stream=stream, fetch_page=fetch_page)
        assert raised.value.last_item_id == "7"

    def test_processes_all_again_where_the_last_item_of_an_ascending_stream_was_removed(self, crawler, waymark, user):
        stream = f"twitter/ascending-{user}"
        configure = "mutation ($s: String!) { configureStream(input: { name: $s, ordering: ASCENDING }) { __typename } }"
        waymark.request(configure, {"s": stream})
        items = ["1", "2", "3", "4"]
        crawled = List(0)
        fetch_page = lambda page_token, mode: (list(items), None)  # noqa: E731
        crawler.crawl(crawled, stream=stream, fetch_page=fetch_page)
        items[-1:] = ["5"]
        assert crawler.crawl(crawled, stream=stream, fetch_page=fetch_page).outcome == "completed"
        assert checkpoint_of(waymark, user, stream).last_item_id == "5"


def refused(kind):
    owner = {"owner": {"sessionId": "x", "worker": None, "leaseExpiresAt": None}, "retryAt": None}
    pause = {"pause": {"until": "2030-01-01T00:00:00.000Z", "reason": None, "pausedBy": "local"}}
    busy = {"__typename": kind, "code": "STREAM_BUSY", "message": "busy", **owner}
    paused = {"__typename": kind, "code": "STREAM_PAUSED", "message": "paused", **pause}
    return json.dumps({"data": {"result": busy if kind == "StreamBusyError" else paused}})


class TestStopping:  # 8
    def test_finishes_the_page_and_stops(self, crawler, waymark, user):
        crawled = List(23)
        stop = threading.Event()
        crawled.at_fetch[2] = lambda _: stop.set()
        events = []
        report = crawler.crawl(crawled, stop=stop, on_event=events.append)
        assert (report.outcome, report.sessions[0].items) == ("stopped", 10)
        assert sessions_of(waymark, user)[0]["status"] == "STOPPED"
        assert checkpoint_of(waymark, user).page_token == "item-0014"
        assert [event.type for event in events][-2:] == ["stopRequested", "done"]

    def test_stops_where_an_operator_asks_for_it(self, crawler, waymark, user):
        crawled = List(23)

        def ask(_):
            [session] = sessions_of(waymark, user)
            request = "mutation ($s: String!) { requestStop(input: { sessionId: $s }) { __typename } }"
            waymark.request(request, {"s": session["sessionId"]})

        crawled.at_process[2] = ask
        report = crawler.crawl(crawled)
        assert (report.outcome, report.sessions[0].items) == ("stopped", 10)

    def test_stops_while_the_platform_makes_it_wait(self, crawler, waymark, user):
        crawled = List(23)
        stop = threading.Event()
        crawled.at_fetch[2] = RateLimitedError(at(300))
        report = crawler.crawl(crawled, stop=stop, on_event=lambda event: event.type == "waiting" and stop.set())
        assert (report.outcome, report.sessions[0].items) == ("stopped", 5)

    def test_begins_nothing_where_it_is_told_to_stop_before(self, crawler, proxy):
        stop = threading.Event()
        stop.set()
        report = crawler.crawl(List(3), stop=stop)
        assert (report.outcome, report.sessions, proxy.asked) == ("stopped", (), [])

    def test_writes_nothing_more_where_somebody_ended_the_session(self, crawler, waymark, user, proxy):
        crawled = List(23)

        def end(_):
            [session] = sessions_of(waymark, user)
            fail = "mutation ($s: String!) { failSession(input: { sessionId: $s, errorMessage: \"x\" }) { __typename } }"
            waymark.request(fail, {"s": session["sessionId"]})

        crawled.at_process[2] = end
        report = crawler.crawl(crawled)
        assert report.outcome == "lost" and proxy.names()[-1] == "saveCheckpoint"

    def test_writes_nothing_more_where_waymark_does_not_know_the_session(self, crawler, user, sql, proxy):
        crawled = List(23)
        crawled.at_process[2] = lambda _: bool(sql("DELETE FROM crawler.crawl_session WHERE user_id = $1", user))
        assert crawler.crawl(crawled).outcome == "lost" and proxy.names()[-1] == "saveCheckpoint"


class TestErrors:  # 9
    @pytest.mark.parametrize("where", ["fetch", "process"])
    def test_fails_the_session_with_the_message_and_raises_it_again(self, crawler, waymark, user, where):
        crawled = List(23)
        (crawled.at_fetch if where == "fetch" else crawled.at_process)[2] = RuntimeError("on \x00 fire \ud800")
        with pytest.raises(RuntimeError, match="fire"):
            crawler.crawl(crawled)
        [session] = sessions_of(waymark, user)
        assert (session["status"], session["errorMessage"]) == ("FAILED", "on  fire ?")

    def test_raises_what_the_program_lost_itself(self, crawler, waymark, user):
        crawled = List(23)
        crawled.at_process[2] = LostError("of another list", code="STALE_EPOCH")
        with pytest.raises(LostError, match="of another list"):
            crawler.crawl(crawled)
        assert sessions_of(waymark, user)[0]["status"] == "FAILED"

    def test_raises_and_fails_where_waymark_refuses_an_item(self, crawler, waymark, user):
        with pytest.raises(InvalidInputError) as raised:
            crawler.crawl(List(3), stream="twitter/bookmarks")
        assert raised.value.issues[0].path == ("input", "itemId")
        assert sessions_of(waymark, user)[0]["status"] == "FAILED"

    @pytest.mark.parametrize("answer", [None, "page", ([1], "a", "b")])
    def test_fails_where_fetch_page_answers_no_page(self, crawler, waymark, user, answer):
        with pytest.raises(TypeError, match="items, next_token"):
            crawler.crawl(List(0), fetch_page=lambda page_token, mode: answer)
        assert sessions_of(waymark, user)[0]["status"] == "FAILED"

    def test_raises_for_a_user_that_is_not_registered(self, crawler):
        with pytest.raises(WaymarkError) as raised:
            crawler.crawl(List(3), user_id="nobody")
        assert raised.value.code == "USER_NOT_FOUND" and raised.value.request_id

    def test_says_busy_where_another_session_has_the_list(self, crawler, waymark, user):
        crawled = List(8)
        with waymark.start_session(user_id=user, stream=STREAM) as owner:
            report = crawler.crawl(crawled)
            assert (report.outcome, report.sessions) == ("busy", ())
            assert report.retry_at > at(0)
            assert crawler.crawl(crawled, busy=0.3).outcome == "busy"
            stop = threading.Event()
            stopping = lambda event: event.type == "waiting" and stop.set()  # noqa: E731
            assert crawler.crawl(crawled, busy=60, stop=stop, on_event=stopping).outcome == "stopped"
            waiting = lambda event: event.type == "waiting" and owner.stop()  # noqa: E731
            report = crawler.crawl(crawled, busy=timedelta(seconds=30), on_event=waiting)
        assert (report.outcome, crawled.all_processed) == ("completed", crawled.items)

    def test_takes_the_list_over_where_it_is_told_to(self, crawler, waymark, user):
        owner = waymark.start_session(user_id=user, stream=STREAM)
        assert crawler.crawl(List(8), busy="takeover").outcome == "completed"
        with pytest.raises(LostError):
            owner.heartbeat()

    @pytest.mark.parametrize("options", [{"busy": "now"}, {"busy": True}, {"busy": {"s": 1}}])
    def test_refuses_options_that_can_be_none(self, crawler, options):
        with pytest.raises(ValueError, match="busy"):
            crawler.crawl(List(0), **options)


def test_needs_no_other_scope_than_crawl(waymark):
    """A key that is bound to one user, as a crawler's should be."""
    url, key = os.environ.get("WAYMARK_KEYS_URL"), os.environ.get("WAYMARK_CRAWL_KEY")
    if not url:
        pytest.skip("needs a server with keys, which test/clients/python.test.ts starts")
    waymark.request('mutation { registerUser(input: { userId: "keyed" }) { __typename } }')
    crawled = List(8)
    with Waymark(url, key) as client:
        options = {"user_id": "keyed", "stream": STREAM, "id": lambda item: item, "process": crawled.process}
        crawled.at_fetch[2] = RuntimeError("down")
        with pytest.raises(RuntimeError):
            client.crawl(**options, fetch_page=crawled.fetch_page)
        assert modes(client.crawl(**options, fetch_page=crawled.fetch_page)) == ["RESUME", "INCREMENTAL"]
        crawled.at_fetch[len(crawled.fetched) + 1] = NeedsAttentionError("log in")
        assert client.crawl(**options, fetch_page=crawled.fetch_page).outcome == "paused"
