"""Crawls that are killed, interrupted and cancelled, by both clients."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from lists import STREAM, List
from waymark_client import AsyncWaymark, RateLimitedError, Waymark

HERE = pathlib.Path(__file__).parent
SLOW = 60


def statuses(waymark, user):
    query = "query ($u: String) { sessions(filter: { userId: $u }, orderBy: STARTED_AT_ASC) { nodes { status } } }"
    return [node["status"] for node in waymark.request(query, {"u": user})["sessions"]["nodes"]]


def run_script(url, kind, user, output):
    command = [sys.executable, str(HERE / "killed_crawler.py"), kind, user, str(output)]
    return subprocess.Popen(command, env={**os.environ, "WAYMARK_URL": url}, stdout=subprocess.PIPE, text=True)


def wait_for_lines(output, count, process):
    deadline = time.monotonic() + SLOW
    while time.monotonic() < deadline and process.poll() is None:
        if output.exists() and output.read_text().count("\n") >= count:
            return
        time.sleep(0.002)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_kills_repeat_a_page_at_most_skip_nothing_and_count_nothing_twice(url, waymark, user, tmp_path, kind):
    output = tmp_path / "items.txt"
    # In the middle of a page, at its end, and soon after it was saved.
    for lines in (7, 20, 31):
        process = run_script(url, kind, user, output)
        wait_for_lines(output, lines, process)
        process.kill()
        process.communicate(timeout=SLOW)
    process = run_script(url, kind, user, output)
    assert process.communicate(timeout=SLOW)[0].strip() == "completed"
    processed = [line for line in output.read_text().split("\n") if line]
    assert set(processed) == set(List(40).items)
    assert len(processed) - 40 <= 3 * 5
    assert waymark.checkpoint_manager(user, STREAM).get_bookmarks_count() == 40


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_ctrl_c_stops_the_session_and_ends_the_program(url, waymark, user, tmp_path, kind):
    output = tmp_path / "items.txt"
    process = run_script(url, kind, user, output)
    wait_for_lines(output, 7, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SLOW)
    # As Python ends where nobody catches a KeyboardInterrupt.
    assert process.returncode in (-signal.SIGINT, 130, 1)
    assert statuses(waymark, user) == ["STOPPED"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("where", ["at_fetch", "at_process"])
def test_an_interruption_gives_up_the_page_and_is_raised_again(proxy, waymark, user, error, where):
    crawled = List(23)
    getattr(crawled, where)[2] = error
    with Waymark(proxy.url) as client:
        with pytest.raises(type(error)):
            client.crawl(
                user_id=user,
                stream=STREAM,
                id=lambda item: item,
                fetch_page=crawled.fetch_page,
                process=crawled.process,
            )
    assert statuses(waymark, user) == ["STOPPED"]
    assert proxy.names()[-1] == "stopSession" and len(proxy.saves()) == 1


@pytest.mark.parametrize("moment", ["startSession", "fetch", "process", "saveCheckpoint", "waiting"])
def test_a_cancelled_task_stops_the_session_and_raises_it_again(proxy, waymark, user, moment):
    crawled = List(23)

    async def main():
        at_moment = asyncio.Event()

        async def reach(here, result):
            if here == moment and len(crawled.fetched) > 1:
                at_moment.set()
                await asyncio.sleep(SLOW)
            return result

        async def fetch_page(**page):
            if moment == "waiting" and crawled.fetched:
                at_moment.set()
                raise RateLimitedError(time.time() + SLOW)
            return await reach("fetch", crawled.fetch_page(**page))

        async def process(items, **of):
            return await reach("process", crawled.process(items, **of))

        if moment in ("startSession", "saveCheckpoint"):
            proxy.breaks[moment] = ["hang"]
        async with AsyncWaymark(proxy.url, timeout_seconds=SLOW) as client:
            crawl = client.crawl(
                user_id=user, stream=STREAM, id=lambda item: item, fetch_page=fetch_page, process=process
            )
            task = asyncio.create_task(crawl)
            if moment in ("startSession", "saveCheckpoint"):
                while moment not in proxy.names():
                    await asyncio.sleep(0.01)
            else:
                await at_moment.wait()
            if moment == "waiting":
                await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert proxy.names()[-1] == "stopSession"
    assert statuses(waymark, user) == ([] if moment == "startSession" else ["STOPPED"])


def test_a_last_word_that_is_not_answered_delays_it_for_5_s_at_most(proxy, user):
    crawled = List(23)
    crawled.at_process[1] = KeyboardInterrupt()
    proxy.breaks["stopSession"] = ["hang"]
    started = time.monotonic()
    with Waymark(proxy.url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.crawl(
                user_id=user,
                stream=STREAM,
                id=lambda item: item,
                fetch_page=crawled.fetch_page,
                process=crawled.process,
            )
    # Half of what the server that is silent here would take.
    assert time.monotonic() - started < 30


def test_a_second_cancellation_does_not_cut_the_last_word_off(proxy, waymark, user):
    crawled = List(23)

    async def main():
        fetching = asyncio.Event()

        async def fetch_page(**page):
            if len(crawled.fetched) == 1:
                fetching.set()
                await asyncio.sleep(SLOW)
            return crawled.fetch_page(**page)

        async with AsyncWaymark(proxy.url) as client:
            crawl = client.crawl(
                user_id=user, stream=STREAM, id=lambda item: item, fetch_page=fetch_page, process=crawled.process
            )
            task = asyncio.create_task(crawl)
            await fetching.wait()
            task.cancel()
            while "stopSession" not in proxy.names() and not task.done():
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert statuses(waymark, user) == ["STOPPED"]


def test_a_crawl_leaves_no_thread_and_no_task_behind(url, user):
    before = set(threading.enumerate())
    with Waymark(url) as client:
        crawled = List(8)
        client.crawl(
            user_id=user, stream=STREAM, id=lambda item: item, fetch_page=crawled.fetch_page, process=crawled.process
        )
    assert set(threading.enumerate()) == before

    async def main():
        async with AsyncWaymark(url) as client:
            crawled = List(8)
            await client.crawl(
                user_id=user,
                stream=f"{STREAM}2",
                id=lambda item: item,
                fetch_page=crawled.fetch_page,
                process=crawled.process,
            )
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
