"""Runs the Python examples as examples/README.md says, against sites that answer as Reddit and Hacker News do."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PATIENCE = 120
POSTS = [f"t3_{number}" for number in range(1250, 1000, -1)]
STORIES = [str(number) for number in range(40_075, 40_000, -1)]


class Site(BaseHTTPRequestHandler):
    """One for both. Reddit limits the rate once."""

    limited = []

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path.startswith("/user/"):
            self.reddit(query)
        else:
            self.hacker_news(int(query["p"][0]))

    def reddit(self, query):
        if self.headers["authorization"] != "Bearer reddit-test-token":
            return self.answer(401, "{}")
        if query.get("after") and not self.limited:
            self.limited.append(True)
            return self.answer(429, "{}", {"x-ratelimit-reset": "1"})
        after = query.get("after", [None])[0]
        begin = POSTS.index(after) + 1 if after else 0
        page = POSTS[begin : begin + int(query["limit"][0])]
        onward = page[-1] if begin + len(page) < len(POSTS) else None
        children = [{"kind": "t3", "data": {"name": name}} for name in page]
        self.answer(200, json.dumps({"data": {"children": children, "after": onward}}))

    def hacker_news(self, number):
        page = STORIES[(number - 1) * 30 : number * 30]
        rows = "".join(
            f'<tr class="athing" id="{id}"><td><span class="titleline"><a href="https://x/{id}">T{id}</a></span></td></tr>'
            for id in page
        )
        more = f'<a href="favorites?id=alice&amp;p={number + 1}" class="morelink">More</a>' if number * 30 < len(STORIES) else ""
        self.answer(200, f"<html><table>{rows}</table>{more}</html>", {"content-type": "text/html"})

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    Site.limited.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def commands(url):
    """The lines of the block `sh python`, in this server's and this interpreter's terms."""
    block = re.search(r"```sh python\n(.*?)```", (ROOT / "examples/README.md").read_text(), re.DOTALL)[1]
    lines = block.replace("\\\n", "").replace("http://127.0.0.1:4000/graphql", url).strip().split("\n")
    assert all(line.startswith(("export ", "curl ", "REDDIT_TOKEN=", "python3 ")) for line in lines)
    return lines


def test_each_runs_as_the_readme_says(commands, url, site, waymark, tmp_path):
    pytest.importorskip("scrapy", reason="needs Scrapy: apt-get install python3-scrapy")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "clients").symlink_to(ROOT / "clients")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "WAYMARK_URL": url,
        "REDDIT_API_URL": site,
        "HN_URL": site,
    }
    export, register, reddit, scrapy, watch = commands

    def start(command):
        script = f"{export}; exec env {command}"
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(["sh", "-ec", script], cwd=tmp_path, env=environment, **pipes)

    def run(command):
        done = start(command)
        printed, errors = done.communicate(timeout=PATIENCE)
        assert done.returncode == 0, errors
        return printed

    waymark.request('mutation { registerUser(input: { userId: "alice" }) { __typename } }')
    for stream in ("reddit/saved", "hackernews/favorites"):
        waymark.checkpoint_manager("alice", stream).clear_checkpoint()
    assert "RegisterUserSuccess" in run(register)
    assert run(reddit).split() == [*POSTS, "completed"]
    assert Site.limited == [True]
    # Nothing is new.
    assert run(reddit).split() == ["completed"]
    run(scrapy)
    stories = [json.loads(line) for line in (tmp_path / "favorites.jsonl").read_text().splitlines()]
    assert [story["id"] for story in stories] == STORIES
    assert stories[0] == {"id": "40075", "title": "T40075", "url": "https://x/40075"}
    checkpoint = waymark.checkpoint_manager("alice", "hackernews/favorites").get_checkpoint()
    assert (checkpoint.bookmarks_count, checkpoint.complete) == (75, True)

    watching = start(watch)
    seen = []
    while "alice reddit/saved" not in "".join(seen):
        seen.append(watching.stdout.readline())
    wait_for_file(tmp_path / "cursor-python.txt")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(PATIENCE) == 0
    waymark.checkpoint_manager("alice", "reddit/saved").clear_checkpoint()
    watching = start(watch)
    while "alice reddit/saved" not in (line := watching.stdout.readline()):
        assert line
    assert line.split()[-1] == "None"
    watching.kill()
    watching.communicate()


def wait_for_file(path):
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_one_of_a_list_has_25_lines():
    lines = (ROOT / "examples/python/reddit_saved.py").read_text().splitlines()
    assert len(lines) <= 25 and all(len(line) <= 120 for line in lines)


def test_a_refused_token_pauses_the_list(url, site, waymark, user):
    environment = {**os.environ, "WAYMARK_URL": url, "REDDIT_API_URL": site, "REDDIT_TOKEN": "old"}
    environment["PYTHONPATH"] = str(ROOT / "clients/python/src")
    command = [sys.executable, str(ROOT / "examples/python/reddit_saved.py"), user]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.strip() == "paused", done.stderr
