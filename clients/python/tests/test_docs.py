"""Runs the Python of docs/python.md and docs/clients.md as it stands, but for the address."""

import asyncio
import pathlib
import re
import textwrap
import threading
from types import SimpleNamespace

import pytest
from waymark_client import Waymark

ROOT = pathlib.Path(__file__).resolve().parents[3]


def block(page, name, url):
    text = re.search(rf"```python {name}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)[1]
    return text.replace("http://127.0.0.1:4000/graphql", url)


@pytest.fixture
def alice(waymark):
    waymark.request('mutation { registerUser(input: { userId: "alice" }) { __typename } }')
    for stream in ("twitter/bookmarks", "reddit/saved"):
        waymark.checkpoint_manager("alice", stream).clear_checkpoint()
    return "alice"


def test_python_md_goes_from_the_original_manager_to_this_one(url, waymark, alice):
    before, after = (block("docs/python.md", name, url).strip().split("\n") for name in ("before", "after"))
    # Line by line: the import, the client and the manager differ, and nothing else.
    assert [line for line in after if line not in before] == [after[0], after[2], after[3]]
    assert len(before) == len(after)
    manager = waymark.checkpoint_manager(alice)
    manager.save_checkpoint("20", 612)
    names = {}
    body = textwrap.indent("\n".join(after), "    ")
    exec(f"async def main():\n{body}\n    return checkpoint, last_tweet_id, was_there", names)
    checkpoint, last_tweet_id, was_there = asyncio.run(names["main"]())
    assert (checkpoint.bookmarks_count, last_tweet_id, was_there) == (612, "2107472788858387122", True)


def test_python_md_crawls(url, alice):
    names = {}
    exec(block("docs/python.md", "crawl", url), names)
    done = []

    async def fetch_page(*, page_token, mode):
        return [{"id": "20"}, {"id": "19"}], None

    async def process(items, *, session_id, mode):
        done.extend(items)

    report = asyncio.run(names["crawl"]("alice", fetch_page, process))
    assert (report.outcome, len(done)) == ("completed", 2)


def test_clients_md_crawls_saves_and_follows(url, waymark, alice, monkeypatch):
    monkeypatch.setenv("WAYMARK_URL", url)
    posts = [{"name": "t3_1abcdg"}, {"name": "t3_1abcdf"}]
    stored = []
    names = {
        "platform": SimpleNamespace(
            saved=lambda after: SimpleNamespace(limited_until=None, items=posts, next_token=None)
        ),
        "store": SimpleNamespace(insert=lambda items: stored.extend(items) or len(items)),
    }
    exec(block("docs/clients.md", "crawl", url), names)
    assert (names["report"].outcome, stored) == ("completed", posts)
    with Waymark(url) as names["waymark"]:
        exec(block("docs/clients.md", "session", url), names)
        assert waymark.checkpoint_manager(alice, "reddit/saved").get_checkpoint().complete
        again = lambda: waymark.checkpoint_manager(alice, "reddit/saved").clear_checkpoint()  # noqa: E731
        timer = threading.Timer(1, again)
        timer.start()
        exec(block("docs/clients.md", "follow", url), names)
        timer.join()
        assert names["event"].type == "change"


def test_clients_md_names_every_option_and_error(url):
    import inspect

    import waymark_client

    page = (ROOT / "docs/clients.md").read_text()
    for option in inspect.signature(Waymark.crawl).parameters:
        if option not in ("self", "max_wait_ms"):
            assert f"`{option}`" in page or f"{option}=" in page, option
    for name in waymark_client.__all__:
        if name.endswith("Error"):
            assert f"`{name}" in page, name
