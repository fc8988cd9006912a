"""crawl(), by both clients: the promises of a whole crawl."""

import pytest

from lists import STREAM, Crawler, List


@pytest.fixture(params=["sync", "async"])
def crawler(request, url, user):
    return Crawler(request.param, url, user)


def checkpoint_of(waymark, user):
    return waymark.checkpoint_manager(user, STREAM).get_checkpoint()


def test_crawls_a_list_to_its_end_and_then_only_what_is_new(crawler, waymark, user):
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


def test_fails_the_session_with_the_message_of_what_a_function_raised_and_raises_it_again(crawler, waymark, user):
    crawled = List(23)
    crawled.at_fetch[3] = RuntimeError("the platform is on fire")
    with pytest.raises(RuntimeError, match="on fire"):
        crawler.crawl(crawled)
    sessions = waymark.request(
        "query ($u: String) { sessions(filter: { userId: $u }) { nodes { status errorMessage } } }", {"u": user}
    )["sessions"]["nodes"]
    assert sessions == [{"status": "FAILED", "errorMessage": "the platform is on fire"}]
    report = crawler.crawl(crawled)
    assert [one.mode for one in report.sessions] == ["RESUME", "INCREMENTAL"]
    assert crawled.all_processed == crawled.items
