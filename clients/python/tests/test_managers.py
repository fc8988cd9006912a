"""The checkpoint managers and sessions, by both clients."""

import asyncio
import inspect
from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta, timezone

import pytest
from lists import STREAM
from waymark_client import (
    AsyncCheckpointManager,
    AsyncWaymark,
    CheckpointManager,
    InvalidInputError,
    LostError,
    Plan,
    Waymark,
)
from waymark_client._times import read_time, write_time


class Both:
    """Calls either client: what it answers is awaited where that is needed."""

    def __init__(self, kind, url):
        self.kind = kind
        self.url = url

    def run(self, steps):
        """steps(waymark, manager_class, done) is a coroutine function; `await done(...)` gives any answer."""

        async def done(answer):
            return await answer if inspect.isawaitable(answer) else answer

        async def main():
            if self.kind == "sync":
                with Waymark(self.url) as waymark:
                    return await steps(waymark, CheckpointManager, done)
            async with AsyncWaymark(self.url) as waymark:
                return await steps(waymark, AsyncCheckpointManager, done)

        return asyncio.run(main())


@pytest.fixture(params=["sync", "async"])
def both(request, url):
    return Both(request.param, url)


async def listed(answers):
    if hasattr(answers, "__aiter__"):
        return [one async for one in answers]
    return list(answers)


def test_reads_saves_and_clears(both, user):
    async def steps(waymark, manager_class, done):
        manager = manager_class(waymark, user_id=user)
        assert await done(manager.get_checkpoint()) is None
        assert await done(manager.get_last_tweet_id()) is None
        assert await done(manager.get_bookmarks_count()) == 0
        saved = await done(manager.save_checkpoint(tweet_id="1234567890", bookmarks_count=50))
        assert (saved.last_tweet_id, saved.bookmarks_count, saved.stream) == ("1234567890", 50, "twitter/bookmarks")
        assert saved.last_crawled_at.tzinfo is not None
        saved = await done(manager.save_checkpoint("1234567891"))
        assert (saved.last_tweet_id, saved.bookmarks_count) == ("1234567891", 50)
        assert await done(manager.get_checkpoint()) == saved
        with pytest.raises(FrozenInstanceError):
            saved.bookmarks_count = 1
        with pytest.raises(InvalidInputError):
            await done(manager.save_checkpoint("no tweet"))
        assert await done(manager.clear_checkpoint()) is True
        assert await done(manager.clear_checkpoint()) is False

    both.run(steps)


def test_keeps_each_stream_apart_and_plans(both, user):
    async def steps(waymark, manager_class, done):
        manager = waymark.checkpoint_manager(user, stream="reddit/saved")
        await done(manager.save_checkpoint("t3_1abcde", 1))
        assert (await done(manager.get_checkpoint())).last_tweet_id is None
        assert await done(manager.get_last_tweet_id()) == "t3_1abcde"
        assert await done(manager_class(waymark, user).get_checkpoint()) is None
        plan = await done(manager.plan())
        assert isinstance(plan, Plan) and (plan.mode, plan.after_item_id) == ("RESUME", "t3_1abcde")
        assert await done(manager_class(waymark, "nobody").plan()) is None

    both.run(steps)


def test_rolls_back_and_reads_the_whole_history(both, user):
    async def steps(waymark, manager_class, done):
        manager = manager_class(waymark, user)
        for number in range(1, 106):
            await done(manager.save_checkpoint(str(1000 + number), number))
        history = await listed(manager.history())
        # Times are told in milliseconds.
        before = history[0].recorded_at + timedelta(milliseconds=1)
        assert [revision.version for revision in history] == list(range(105, 0, -1))
        assert (history[0].source, history[0].last_item_id, history[0].session_id) == ("SAVE", "1105", None)
        tried = await done(manager.rollback(to_version=3, dry_run=True))
        assert (tried.target.bookmarks_count, tried.revision) == (3, None)
        await done(manager.clear_checkpoint())
        rolled = await done(manager.rollback(to_version=3, expected_version=0))
        assert (rolled.checkpoint.last_item_id, rolled.revision.source) == ("1003", "ROLLBACK")
        rolled = await done(manager.rollback(to_time=before))
        assert rolled.checkpoint.last_item_id == "1105"

    both.run(steps)


def test_a_session_saves_and_ends_as_it_is_told(both, user):
    async def steps(waymark, manager_class, done):
        start = {"user_id": user, "stream": STREAM, "lease_seconds": 30}
        session = await done(waymark.start_session(**start))
        assert (session.plan.mode, session.checkpoint, session.session.status) == ("FULL", None, "RUNNING")
        saved = await done(session.save("9", bookmarks_added=3, page_token="next", head_item_ids=["9", "8", "7"]))
        assert (saved.checkpoint.bookmarks_count, saved.created, saved.replayed) == (3, True, False)
        saved = await done(session.save(None, page_token="later"))
        assert saved.checkpoint.page_token == "later"
        assert await done(session.heartbeat()) is False
        until = datetime.now(timezone.utc) + timedelta(seconds=20)
        await done(session.rate_limited(until))
        read = "query ($s: String!) { session(sessionId: $s) { rateLimitedUntil rateLimitHits status errorMessage } }"
        told = (await done(waymark.request(read, {"s": session.session_id})))["session"]
        assert read_time(told["rateLimitedUntil"]) - until < timedelta(seconds=1) and told["rateLimitHits"] == 1
        await done(session.fail("out of order"))
        told = (await done(waymark.request(read, {"s": session.session_id})))["session"]
        assert (told["status"], told["errorMessage"]) == ("FAILED", "out of order")
        with pytest.raises(LostError):
            await done(session.save("8"))
        session = await done(waymark.start_session(**start))
        request_stop = "mutation ($s: String!) { requestStop(input: { sessionId: $s }) { __typename } }"
        await done(waymark.request(request_stop, {"s": session.session_id}))
        assert not session.stop_requested
        await done(session.heartbeat())
        assert session.stop_requested
        await done(session.complete("/tmp/out.txt"))

    both.run(steps)


READ_STATUS = "query ($s: String!) { session(sessionId: $s) { status errorMessage } }"


def test_the_end_of_its_block_stops_a_session_unless_it_has_ended(both, user):
    async def steps(waymark, manager_class, done):
        async def status_after(use):
            starting = waymark.start_session(user_id=user, stream=STREAM)
            try:
                if both.kind == "sync":
                    with starting as session:
                        await use(session)
                else:
                    async with starting as session:
                        await use(session)
            except (RuntimeError, KeyboardInterrupt):
                pass
            return (await done(waymark.request(READ_STATUS, {"s": session.session_id})))["session"]["status"]

        async def nothing(session):
            pass

        async def complete(session):
            await done(session.complete())

        def raising(error):
            async def use(session):
                raise error

            return use

        async def lose(session):
            rival = await done(waymark.start_session(user_id=user, stream=STREAM, takeover=True))
            await done(rival.stop())

        assert await status_after(nothing) == "STOPPED"
        assert await status_after(complete) == "COMPLETED"
        assert await status_after(raising(RuntimeError("no"))) == "STOPPED"
        assert await status_after(raising(KeyboardInterrupt())) == "STOPPED"
        assert await status_after(lose) == "FAILED"

    both.run(steps)


def test_what_a_program_raises_counts_more_than_that_waymark_is_away(both, proxy, user):
    away = [503] * 100
    client = Waymark if both.kind == "sync" else AsyncWaymark

    async def steps():
        waymark = client(proxy.url, retry_budget_seconds=0.3)

        async def done(answer):
            return await answer if inspect.isawaitable(answer) else answer

        def fail(session):
            proxy.breaks["failSession"] = list(away)
            raise RuntimeError("on fire")

        async def fail_async(session):
            fail(session)

        with pytest.raises(RuntimeError, match="on fire"):
            await done(waymark.run_session(fail if both.kind == "sync" else fail_async, user_id=user))
        proxy.breaks["stopSession"] = list(away)
        with pytest.raises(RuntimeError, match="on fire"):
            if both.kind == "sync":
                with waymark.start_session(user_id=user, takeover=True):
                    raise RuntimeError("on fire")
            else:
                async with waymark.start_session(user_id=user, takeover=True):
                    raise RuntimeError("on fire")
        await done(waymark.close())

    asyncio.run(steps())


def test_run_session_ends_it_by_how_its_function_ends(both, user):
    async def steps(waymark, manager_class, done):
        sessions = []

        async def status_of(act):
            def run(session):
                sessions.append(session)
                return act(session)

            async def run_async(session):
                sessions.append(session)
                return await done(act(session))

            try:
                answer = await done(waymark.run_session(run if both.kind == "sync" else run_async, user_id=user))
            except RuntimeError as error:
                answer = str(error)
            told = (await done(waymark.request(READ_STATUS, {"s": sessions[-1].session_id})))["session"]
            return answer, told["status"], told["errorMessage"]

        def fail(session):
            raise RuntimeError("on fire")

        def ask(session):
            with Waymark(both.url) as operator:
                request = "mutation ($s: String!) { requestStop(input: { sessionId: $s }) { __typename } }"
                operator.request(request, {"s": session.session_id})
            return session.heartbeat()

        assert await status_of(lambda session: 7) == (7, "COMPLETED", None)
        assert await status_of(fail) == ("on fire", "FAILED", "on fire")
        assert (await status_of(ask))[1] == "STOPPED"
        assert (await status_of(lambda session: session.stop()))[1] == "STOPPED"

    both.run(steps)


def test_values_of_enums_that_a_later_server_adds_stay_text(both, proxy, user):
    proxy_both = Both(both.kind, proxy.url)

    async def steps(waymark, manager_class, done):
        import json

        plan = {"mode": "SIDEWAYS", "afterItemId": None, "pageToken": None, "untilItemIds": [], "reason": "r", "pause": None}
        proxy.breaks["resumePlan"] = [(200, json.dumps({"data": {"resumePlan": plan}}))]
        assert (await done(manager_class(waymark, user).plan())).mode == "SIDEWAYS"

    proxy_both.run(steps)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2026-11-24T07:33:00.000Z", "2026-11-24T07:33:00+00:00"),
        ("2026-11-24T07:33:00Z", "2026-11-24T07:33:00+00:00"),
        ("2026-11-24T07:33:00.1234567Z", "2026-11-24T07:33:00.123456+00:00"),
        ("2026-11-24T07:33:00.5+02:00", "2026-11-24T05:33:00.500000+00:00"),
    ],
)
def test_times_are_read_with_their_zone(text, expected):
    assert read_time(text).isoformat() == expected
    assert read_time(write_time(read_time(text))) == read_time(text)


def test_tells_that_it_cleared_where_the_answer_was_lost(proxy, user):
    with Waymark(proxy.url) as waymark:
        manager = waymark.checkpoint_manager(user)
        manager.save_checkpoint("1868")
        proxy.breaks["clearCheckpoint"] = ["lose"]
        assert manager.clear_checkpoint() is True
        assert proxy.names().count("clearCheckpoint") == 2
        assert manager.clear_checkpoint() is False
