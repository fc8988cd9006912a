"""The extension of Scrapy, under a real Scrapy that crawls a real local site."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from lists import STREAM, List

pytest.importorskip("scrapy", reason="needs Scrapy: apt-get install python3-scrapy")

SPIDER = pathlib.Path(__file__).parent / "killed_spider.py"
PATIENCE = 120


class Site:
    """Serves a list page by page."""

    def __init__(self, crawled):
        self.answers = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                token = parse_qs(urlsplit(self.path).query).get("after", [None])[0]
                crawled.fetched.append(token)
                status, ids, onward = site.answers.pop(len(crawled.fetched), None) or (200, *crawled.page(token))
                body = json.dumps({"items": [{"id": id} for id in ids], "next": onward}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/list"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Spiders:
    def __init__(self, url, user, folder, site):
        self.output = folder / "items.txt"
        self._url = url
        self._user = user
        self._site = site

    def start(self, *arguments):
        command = [sys.executable, "-m", "scrapy", "runspider", str(SPIDER), "-a", f"site={self._site.url}"]
        command += ["-a", f"output={self.output}", "-s", f"WAYMARK_USER_ID={self._user}", *arguments]
        environment = {**os.environ, "WAYMARK_URL": self._url, "PYTHONPATH": str(SPIDER.parents[1] / "src")}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments):
        """@returns the log"""
        process = self.start(*arguments)
        return process.communicate(timeout=PATIENCE)[1]

    def wait_for_lines(self, count, process):
        deadline = time.monotonic() + PATIENCE
        while len(self.lines()) < count and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)

    def lines(self):
        return self.output.read_text().split() if self.output.exists() else []


@pytest.fixture
def crawled():
    return List(40)


@pytest.fixture
def site(crawled):
    with Site(crawled) as site:
        yield site


@pytest.fixture
def spiders(url, user, tmp_path, site):
    return Spiders(url, user, tmp_path, site)


def sessions_of(waymark, user):
    query = """query ($u: String) { sessions(filter: { userId: $u }, orderBy: STARTED_AT_ASC) {
      nodes { status mode errorMessage } } }"""
    return waymark.request(query, {"u": user})["sessions"]["nodes"]


def test_a_spider_that_is_killed_goes_on_where_it_was_and_skips_nothing(spiders, waymark, user, crawled):
    process = spiders.start()
    # In the middle of its third page.
    spiders.wait_for_lines(13, process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert crawled.items[0] in spiders.lines() and len(set(spiders.lines())) < 40
    log = spiders.run()
    assert "'waymark/outcome': 'completed'" in log, log
    assert set(spiders.lines()) == set(crawled.items)
    # A kill repeats the pages that were under way: one in the pipelines, one that is being fetched.
    assert len(spiders.lines()) - 40 <= 2 * 5
    assert waymark.checkpoint_manager(user, STREAM).get_bookmarks_count() == 40
    # What came on top while it was down was looked for at once.
    assert [session["mode"] for session in sessions_of(waymark, user)][-2:] == ["RESUME", "INCREMENTAL"]
    crawled.add(2)
    before = len(spiders.lines())
    spiders.run()
    assert spiders.lines()[before:] == crawled.items[:2]


def test_ctrl_c_stops_the_session_after_what_is_under_way(spiders, waymark, user):
    process = spiders.start()
    spiders.wait_for_lines(8, process)
    process.send_signal(signal.SIGINT)
    log = process.communicate(timeout=PATIENCE)[1]
    assert "'waymark/outcome': 'stopped'" in log, log
    assert [session["status"] for session in sessions_of(waymark, user)] == ["STOPPED"]


def test_a_pipeline_that_fails_and_a_page_that_fails_are_not_saved(spiders, waymark, user, site, crawled):
    spiders.run("-a", "fail_at=item-0028")
    [session] = sessions_of(waymark, user)
    assert session["status"] == "FAILED" and "disk is full" in session["errorMessage"]
    assert waymark.checkpoint_manager(user, STREAM).get_last_tweet_id() == "item-0031"
    site.answers[len(crawled.fetched) + 2] = (500, [], None)
    spiders.run()
    session = sessions_of(waymark, user)[-1]
    assert session["status"] == "FAILED" and "before the list did" in session["errorMessage"]
    spiders.run()
    assert set(spiders.lines()) == set(crawled.items)


def test_a_refused_token_costs_no_item(spiders, waymark, user, site, crawled):
    crawled.items[3] = "item-0037drop"
    site.answers = {3: (410, [], None)}
    log = spiders.run()
    assert "'waymark/outcome': 'completed'" in log, log
    assert spiders.lines() == [item for item in crawled.items if not item.endswith("drop")]
    # What the pipelines drop is processed, and not counted.
    assert waymark.checkpoint_manager(user, STREAM).get_bookmarks_count() == 39


def test_a_busy_list_is_left_alone(spiders, waymark, user, crawled):
    with waymark.start_session(user_id=user, stream=STREAM):
        log = spiders.run("-s", "WAYMARK_TAKEOVER=False")
    assert "'waymark/outcome': 'busy'" in log and crawled.fetched == []


def test_a_spider_that_lost_its_list_saves_nothing_more(spiders, waymark, user):
    process = spiders.start()
    spiders.wait_for_lines(8, process)
    with waymark.start_session(user_id=user, stream=STREAM, takeover=True):
        before = waymark.checkpoint_manager(user, STREAM).get_checkpoint()
        log = process.communicate(timeout=PATIENCE)[1]
        assert waymark.checkpoint_manager(user, STREAM).get_checkpoint().version == before.version
    assert "'waymark/outcome': 'lost'" in log, log
