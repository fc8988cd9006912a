"""Errors and retries, and the transports."""

import asyncio
import copy
import json
import logging
import os
import pickle
import socket
import threading
import traceback
from datetime import datetime, timedelta, timezone

import pytest
import waymark_client
from waymark_client import (
    AsyncWaymark,
    BusyError,
    ForbiddenError,
    InvalidInputError,
    LostError,
    PausedError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
    VersionConflictError,
    Waymark,
    WaymarkError,
)
from waymark_client._http1 import ResponseParser, TransportError
from waymark_client._requests import adds_without_key, is_mutation

READ = "query ($u: String!) { checkpoint(userId: $u) { lastItemId } }"
ADD = "mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { __typename } }"


def error_body(code, **extensions):
    return json.dumps({"data": None, "errors": [{"message": "no", "extensions": {"code": code, **extensions}}]})


def ask(kind, url, *request, **options):
    if kind == "sync":
        with Waymark(url, **options) as client:
            return client.request(*request)
    if kind == "httpx":
        with Waymark(url, http="httpx", **options) as client:
            return client.request(*request)

    async def main():
        http = "httpx" if kind == "async-httpx" else None
        async with AsyncWaymark(url, http=http, **options) as client:
            return await client.request(*request)

    return asyncio.run(main())


@pytest.fixture(params=["sync", "async", "httpx", "async-httpx"])
def kind(request):
    if request.param.endswith("httpx"):
        pytest.importorskip("httpx", reason="needs httpx: apt-get install python3-httpx")
    return request.param


class TestRetries:
    @pytest.mark.parametrize("broken", ["refuse", "lose", 502, 503, 504])
    def test_are_made_after_failures_of_the_network(self, kind, proxy, user, broken):
        proxy.breaks["checkpoint"] = [broken, broken]
        assert ask(kind, proxy.url, READ, {"u": user}) == {"checkpoint": None}
        assert proxy.names() == ["checkpoint"] * 3

    @pytest.mark.parametrize("code", ["OVERLOADED", "SERVICE_UNAVAILABLE", "RATE_LIMITED"])
    def test_are_made_where_waymark_says_so(self, kind, proxy, user, code):
        proxy.breaks["checkpoint"] = [(503, error_body(code)), (200, error_body(code))]
        assert ask(kind, proxy.url, READ, {"u": user}) == {"checkpoint": None}

    @pytest.mark.parametrize("code", ["BAD_USER_INPUT", "INTERNAL_SERVER_ERROR", "UNAUTHENTICATED", "FORBIDDEN", "NEW"])
    def test_are_not_made_for_other_codes(self, kind, proxy, user, code):
        proxy.breaks["checkpoint"] = [(200, error_body(code))]
        with pytest.raises(WaymarkError) as raised:
            ask(kind, proxy.url, READ, {"u": user})
        assert (raised.value.code, raised.value.message, len(proxy.asked)) == (code, "no", 1)

    @pytest.mark.parametrize("status", [301, 400, 404, 413, 500])
    def test_are_not_made_for_other_statuses(self, kind, proxy, user, status):
        proxy.breaks["checkpoint"] = [status]
        with pytest.raises(WaymarkError, match="not Waymark's") as raised:
            ask(kind, proxy.url, READ, {"u": user})
        assert (raised.value.code, len(proxy.asked)) == (f"HTTP_{status}", 1)

    def test_end_with_the_budget(self, kind, proxy, user):
        proxy.breaks["checkpoint"] = [503] * 100
        with pytest.raises(UnavailableError) as raised:
            ask(kind, proxy.url, READ, {"u": user}, retry_budget_seconds=0.5)
        assert 1 < len(proxy.asked) < 20 and raised.value.may_have_written is False

    def test_wait_as_long_as_waymark_asks(self, kind, proxy, user):
        # It asks for more than there is of the budget, so it is asked once.
        proxy.breaks["checkpoint"] = [(503, error_body("OVERLOADED", retryAfterSeconds=30))]
        with pytest.raises(UnavailableError):
            ask(kind, proxy.url, READ, {"u": user}, retry_budget_seconds=20)
        assert len(proxy.asked) == 1

    def test_are_not_made_for_a_save_that_adds_and_has_no_key(self, kind, proxy, user):
        given = {"input": {"userId": user, "itemId": "20", "bookmarksAdded": 1}}
        for broken in ("lose", "refuse", 504):
            proxy.asked.clear()
            proxy.breaks["saveCheckpoint"] = [broken]
            with pytest.raises(UnavailableError) as raised:
                ask(kind, proxy.url, ADD, given)
            assert raised.value.may_have_written and len(proxy.asked) == 1
        # Nobody has begun what was refused so.
        proxy.breaks["saveCheckpoint"] = [(503, error_body("OVERLOADED"))]
        ask(kind, proxy.url, ADD, given)
        given["input"]["idempotencyKey"] = "one"
        proxy.breaks["saveCheckpoint"] = ["lose"]
        ask(kind, proxy.url, ADD, given)
        assert ask(kind, proxy.url, "query ($u: String!) { checkpoint(userId: $u) { bookmarksCount } }", {"u": user}) == {
            "checkpoint": {"bookmarksCount": 3}
        }

    def test_say_that_it_may_have_been_written(self, kind, proxy, user):
        given = {"input": {"userId": user, "itemId": "20"}}
        for broken, may_have_written in (("lose", True), (502, True), ((503, error_body("OVERLOADED")), False)):
            proxy.breaks["saveCheckpoint"] = [broken] * 50
            with pytest.raises(UnavailableError) as raised:
                ask(kind, proxy.url, ADD, given, retry_budget_seconds=0.2)
            assert raised.value.may_have_written is may_have_written

    def test_end_where_nobody_listens(self, kind):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(UnavailableError) as raised:
            ask(kind, f"http://127.0.0.1:{port}/graphql", ADD, {"input": {}}, retry_budget_seconds=0.2)
        assert raised.value.may_have_written is False

    def test_are_made_where_no_answer_comes_in_time(self, kind, proxy, user):
        proxy.breaks["checkpoint"] = ["hang"]
        assert ask(kind, proxy.url, READ, {"u": user}, timeout_seconds=1) == {"checkpoint": None}

    @pytest.mark.parametrize(
        "document, variables, expected",
        [
            (ADD, {"input": {"bookmarksAdded": 0}}, True),
            (ADD, {"input": {"bookmarksAdded": None}}, False),
            (ADD, {"input": {"bookmarksAdded": 1, "idempotencyKey": "k"}}, False),
            (ADD, {"inputs": [{"bookmarksAdded": 1, "idempotencyKey": "k"}, {"bookmarksAdded": 1}]}, True),
            ('mutation { saveCheckpoint(input: { userId: "a", bookmarksAdded: 1 }) { __typename } }', None, True),
            ('mutation { s(input: { bookmarksAdded: 1, idempotencyKey: "k" }) { __typename } }', None, False),
            ('mutation { s(input: { userId: "bookmarksAdded: 1" }) { __typename } } # bookmarksAdded: 1', None, False),
        ],
    )
    def test_know_a_save_that_adds_and_has_no_key(self, document, variables, expected):
        assert adds_without_key(document, variables) is expected

    def test_know_a_mutation(self):
        assert is_mutation("query A { a } mutation B { b }") and is_mutation("mutation($a: Int) { b }")
        assert not is_mutation('query { a(text: "mutation") } # mutation')


class TestErrors:
    def test_of_each_class_hold_what_the_contract_says(self, waymark, url, user):
        with pytest.raises(InvalidInputError) as invalid:
            waymark.start_session(user_id=user, lease_seconds=1)
        assert invalid.value.issues[0].path == ("input", "leaseSeconds") and invalid.value.code == "INVALID_INPUT"
        session = waymark.start_session(user_id=user, worker="pod-7")
        with pytest.raises(BusyError) as busy:
            waymark.checkpoint_manager(user).save_checkpoint("20")
        assert busy.value.owner.worker == "pod-7" and busy.value.retry_at.tzinfo is not None
        assert busy.value.owner.session_id == session.session_id
        session.stop()
        with pytest.raises(LostError) as closed:
            session.complete()
        assert (closed.value.code, closed.value.end_reason) == ("SESSION_CLOSED", "REPORTED")
        manager = waymark.checkpoint_manager(user)
        manager.save_checkpoint("20")
        with pytest.raises(VersionConflictError) as conflict:
            manager.rollback(to_version=1, expected_version=7)
        assert conflict.value.current_version == 1
        until = datetime.now(timezone.utc) + timedelta(days=9)
        pause = """mutation ($u: String!, $until: DateTime!) {
          pauseCrawl(input: { userId: $u, until: $until, reason: "r" }) { __typename } }"""
        waymark.request(pause, {"u": user, "until": until.isoformat()})
        with pytest.raises(PausedError) as paused:
            waymark.start_session(user_id=user)
        assert paused.value.reason == "r" and paused.value.until.tzinfo is not None
        with pytest.raises(WaymarkError) as unknown:
            waymark.start_session(user_id="nobody")
        assert unknown.value.code == "USER_NOT_FOUND" and unknown.value.request_id
        for error in (invalid, busy, closed, conflict, paused, unknown):
            for same in (pickle.loads(pickle.dumps(error.value)), copy.copy(error.value)):
                assert type(same) is type(error.value) and same.__dict__ == error.value.__dict__
                assert (str(same), repr(same)) == (str(error.value), repr(error.value))

    def test_that_a_program_raises_can_be_pickled(self):
        until = RateLimitedError(1_900_000_000.5).until
        for error in (
            RateLimitedError(until, "slow down"),
            waymark_client.PageTokenRefusedError("old"),
            waymark_client.NeedsAttentionError("log in"),
            UnavailableError("down", code="SERVICE_UNAVAILABLE"),
        ):
            same = pickle.loads(pickle.dumps(error))
            assert (str(same), same.args, same.__dict__) == (str(error), error.args, error.__dict__)

    def test_belong_to_one_family(self):
        names = "InvalidInput Lost Busy Paused Unauthenticated Forbidden Unavailable OrderViolation VersionConflict"
        for name in names.split():
            assert issubclass(getattr(waymark_client, f"{name}Error"), WaymarkError)

    def test_are_raised_as_they_are_for_whoever_has_no_right(self, kind, user):
        url, key = os.environ.get("WAYMARK_KEYS_URL"), os.environ.get("WAYMARK_READ_KEY")
        if not url:
            pytest.skip("needs a server with keys, which test/clients/python.test.ts starts")
        with pytest.raises(UnauthenticatedError):
            ask(kind, url, READ, {"u": user}, key="wm_wrong_key")
        with pytest.raises(ForbiddenError):
            ask(kind, url, "mutation ($u: String!) { registerUser(input: { userId: $u }) { __typename } }", {"u": user}, key=key)
        assert ask(kind, url, READ, {"u": user}, key=key) == {"checkpoint": None}


class TestTheKey:
    KEY = "wm_abc_0123456789"

    def test_comes_from_the_environment(self, kind, proxy, user, monkeypatch):
        monkeypatch.setenv("WAYMARK_KEY", self.KEY)
        monkeypatch.setenv("WAYMARK_URL", proxy.url)
        ask(kind, None, READ, {"u": user})
        sent = {name.lower(): value for name, value in proxy.headers[0].items()}
        assert sent["authorization"] == f"Bearer {self.KEY}"

    def test_is_in_no_error_no_log_line_and_no_url(self, kind, proxy, user, caplog):
        caplog.set_level(logging.DEBUG)
        page = f"<pre>authorization: Bearer {self.KEY}</pre>"
        proxy.breaks["checkpoint"] = [(503, page), (418, page)]
        with pytest.raises(WaymarkError) as raised:
            ask(kind, proxy.url, READ, {"u": user}, key=self.KEY)
        told = "".join(traceback.format_exception(*raised._excinfo)) + repr(vars(raised.value)) + caplog.text
        assert "***" in told and self.KEY not in told
        assert raised.value.__cause__ is None and self.KEY not in repr(Waymark(proxy.url, self.KEY))

    @pytest.mark.parametrize("key", ["secret\r\nx: y", "secret key", "secrét"])
    def test_is_not_told_where_it_can_be_none(self, key):
        for client in (Waymark, AsyncWaymark):
            with pytest.raises(ValueError) as raised:
                client("http://127.0.0.1:1/graphql", key)
            assert key not in str(raised.value) and "secr" not in str(raised.value)

    @pytest.mark.parametrize("url", ["127.0.0.1:4000", "ftp://host/graphql", "http:///graphql", "http://host/a b"])
    def test_nor_is_a_url_that_can_be_none(self, url):
        with pytest.raises(ValueError, match="URL of Waymark"):
            Waymark(url)

    def test_of_a_url_goes_nowhere(self, proxy):
        client = Waymark(proxy.url.replace("http://", "http://user:password@"))
        assert "password" not in repr(client)


class TestConnections:
    def test_are_kept_for_the_next_request_and_replaced_where_the_server_closed_them(self, url, user):
        with Waymark(url) as client:
            for _ in range(3):
                client.request(READ, {"u": user})
            [connection] = client._transport._idle
            connection.link.shutdown(socket.SHUT_RDWR)
            assert client.request(READ, {"u": user}) == {"checkpoint": None}

        async def main():
            async with AsyncWaymark(url) as client:
                for _ in range(3):
                    await client.request(READ, {"u": user})
                [connection] = client._transport._idle
                connection.writer.close()
                assert await client.request(READ, {"u": user}) == {"checkpoint": None}

        asyncio.run(main())

    def test_are_not_shared_by_event_loops(self, url, user):
        client = AsyncWaymark(url)
        for _ in range(2):
            assert asyncio.run(client.request(READ, {"u": user})) == {"checkpoint": None}

    def test_serve_many_threads_at_once(self, url, user):
        answers = []
        with Waymark(url) as client:
            threads = [
                threading.Thread(target=lambda: answers.append(client.request(READ, {"u": user}))) for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert answers == [{"checkpoint": None}] * 20

    def test_of_a_cancelled_request_are_closed(self, proxy, user):
        async def main():
            async with AsyncWaymark(proxy.url) as client:
                proxy.breaks["checkpoint"] = ["hang"]
                asking = asyncio.create_task(client.request(READ, {"u": user}))
                while not proxy.asked:
                    await asyncio.sleep(0.01)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                assert client._transport._idle == []
                assert await client.request(READ, {"u": user}) == {"checkpoint": None}

        asyncio.run(main())


class TestResponses:
    def parse(self, *pieces):
        parser = ResponseParser()
        body = b"".join(parser.feed(piece) for piece in pieces)
        return parser, body

    @pytest.mark.parametrize(
        "text, body",
        [
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n1\r\n!\r\n0\r\nt: v\r\n\r\n", b"ok!"),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", b"ok"),
            (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        ],
    )
    def test_are_read_in_whatever_pieces_they_come(self, text, body):
        for size in (1, 2, 3, 7, len(text)):
            parser, read = self.parse(*(text[at : at + size] for at in range(0, len(text), size)))
            assert (read, parser.is_done) == (body, True)

    def test_may_end_with_the_connection(self):
        parser, body = self.parse(b"HTTP/1.1 200 OK\r\n\r\nhalf", b" and half")
        assert body == b"half and half" and not parser.is_done and not parser.is_keep_alive
        parser.end()
        assert parser.is_done

    @pytest.mark.parametrize(
        "text",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"x" * 70_000,
        ],
    )
    def test_that_are_none_are_refused(self, text):
        with pytest.raises(TransportError):
            self.parse(text)

    @pytest.mark.parametrize("text", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
    def test_that_are_cut_are_no_responses(self, text):
        parser, _ = self.parse(text)
        with pytest.raises(TransportError):
            parser.end()
