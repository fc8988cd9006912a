"""Feeds: the rows that are there, then every change, over any reconnect."""

import asyncio
import gc
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from waymark_client import AsyncWaymark, UnauthenticatedError, UnavailableError, Waymark, WaymarkError
from waymark_client import _follow
from waymark_client._sse import EventParser

PATIENCE = 60


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


@pytest.fixture(params=["sync", "async", "httpx", "async-httpx"])
def any_kind(request):
    if request.param.endswith("httpx"):
        pytest.importorskip("httpx", reason="needs httpx: apt-get install python3-httpx")
    return request.param


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """A client waits about a second before it subscribes again. These tests lose their connection often."""
    monkeypatch.setattr(_follow, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(_follow, "_LONGEST_PAUSE_SECONDS", 0.5)


def follow(kind, url, feed, until, **options):
    """Follows until a function of the event answers True. The events."""
    http = "httpx" if kind.endswith("httpx") else None
    events = []

    async def main():
        async with AsyncWaymark(url, http=http, retry_budget_seconds=2) as waymark:
            async for event in waymark.follow(feed, **options):
                events.append(event)
                if until(event):
                    break

    if kind.startswith("async"):
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    else:
        with Waymark(url, http=http, retry_budget_seconds=2) as waymark:
            for event in waymark.follow(feed, **options):
                events.append(event)
                if until(event):
                    break
    return events


def types(events):
    return [event.type for event in events]


class Cuttable:
    """A TCP proxy whose connections can be cut, and which can be told to let nobody in."""

    def __init__(self, url):
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        self.is_closed = False
        self.opened = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._target.path}"
        self._own = f"127.0.0.1:{self._listener.getsockname()[1]}\r\n".encode()
        self._theirs = f"{self._target.netloc}\r\n".encode()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.opened += 1
            if self.is_closed:
                near.close()
                continue
            far = socket.create_connection((self._target.hostname, self._target.port))
            self._sockets += [near, far]
            for source, drain in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, drain), daemon=True).start()

    def _pump(self, source, drain):
        try:
            while data := source.recv(65536):
                # The server answers to its own port only.
                drain.sendall(data.replace(self._own, self._theirs))
        except OSError:
            pass
        for end in (source, drain):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        sockets, self._sockets = self._sockets, []
        for end in sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.cut()


@pytest.fixture
def cuttable(url):
    with Cuttable(url) as proxy:
        yield proxy


def test_tells_the_rows_then_each_change(any_kind, url, waymark, user):
    manager = waymark.checkpoint_manager(user)
    manager.save_checkpoint("20", 1)

    def until(event):
        if event.type == "listed":
            manager.save_checkpoint("21", 2)
            manager.clear_checkpoint()
        return event.type == "change" and event.change.kind == "CLEARED"

    kind = any_kind
    events = follow(kind, url, "checkpoints", until, filter={"user_id": user})
    assert types(events)[:3] == ["reset", "row", "listed"]
    assert (events[1].row.last_item_id, events[1].cursor) == ("20", None)
    changes = [event for event in events if event.type == "change"]
    assert [change.change.kind for change in changes][-2:] == ["SAVED", "CLEARED"]
    assert changes[-1].change.checkpoint is None and changes[-1].cursor == changes[-1].change.cursor
    # From a cursor on, nothing is listed.
    again = follow(kind, url, "checkpoints", lambda event: True, filter={"user_id": user}, after=changes[-2].cursor)
    assert types(again) == ["change"] and again[0].change == changes[-1].change


def test_tells_sessions_by_their_status(kind, url, waymark, user):
    def until(event):
        if event.type == "listed":
            waymark.run_session(lambda session: session.heartbeat(), user_id=user)
        return event.type == "change" and event.change.status == "COMPLETED"

    options = {"filter": {"user_id": user, "status": ["RUNNING"]}}
    events = follow(kind, url, "sessions", until, **options)
    assert types(events) == ["reset", "listed", "change", "change"]
    assert events[-1].change.previous_status == "RUNNING" and events[-1].change.session.mode == "FULL"


def test_reads_each_page_of_a_long_list(url, waymark, user):
    save = "mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename } }"
    inputs = [{"userId": user, "stream": f"web/list-{number}", "itemId": "1"} for number in range(250)]
    waymark.request(save, {"inputs": inputs})
    events = follow("sync", url, "checkpoints", lambda event: event.type == "listed", filter={"user_id": user})
    assert len({event.row.stream for event in events if event.type == "row"}) == 250


def test_goes_on_after_the_last_change_over_any_reconnect(kind, cuttable, waymark, user):
    manager = waymark.checkpoint_manager(user)
    versions = []

    def until(event):
        if event.type == "change":
            versions.append(event.change.version)
        if event.type == "listed" or len(versions) in (1, 2):
            cuttable.cut()
            manager.save_checkpoint(str(20 + len(versions)))
        return len(versions) >= 3

    events = follow(kind, cuttable.url, "checkpoints", until, filter={"user_id": user})
    assert types(events)[:2] == ["reset", "listed"] and types(events).count("reset") == 1
    assert versions == [1, 2, 3]


def test_outlives_an_outage(kind, cuttable, waymark, user):
    manager = waymark.checkpoint_manager(user)

    def until(event):
        if event.type == "listed":
            cuttable.is_closed = True
            cuttable.cut()
            manager.save_checkpoint("20")
            # Longer than its retry budget.
            threading.Timer(3, lambda: setattr(cuttable, "is_closed", False)).start()
        return event.type == "change"

    events = follow(kind, cuttable.url, "checkpoints", until, filter={"user_id": user})
    assert types(events) == ["reset", "listed", "change"]


def test_a_change_that_was_not_kept_comes_again(url, waymark, user):
    manager = waymark.checkpoint_manager(user)
    for number in range(3):
        manager.save_checkpoint(str(20 + number))
    first = follow("sync", url, "checkpoints", lambda event: event.type == "listed", filter={"user_id": user})
    manager.save_checkpoint("30")
    manager.save_checkpoint("31")
    options = {"filter": {"user_id": user}, "after": first[-1].cursor}
    for _ in range(2):
        again = follow("sync", url, "checkpoints", lambda event: event.change.last_item_id == "30", **options)
        # What the list shows already may come again.
        assert {event.change.last_item_id for event in again} <= {"20", "21", "22", "30"}


def test_a_stop_ends_the_loop_quietly(kind, url, user):
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    events = follow(kind, url, "sessions", lambda event: False, filter={"user_id": user}, stop=stop)
    assert types(events) == ["reset", "listed"]


def test_raises_where_trying_again_does_not_help(kind, url):
    with pytest.raises(WaymarkError) as raised:
        follow(kind, url, "sessions", lambda event: False, after="no cursor")
    assert raised.value.code == "BAD_USER_INPUT"
    with pytest.raises(ValueError, match="checkpoints"):
        follow(kind, url, "users", lambda event: False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/graphql"
        with pytest.raises(UnavailableError):
            follow(kind, nowhere, "sessions", lambda event: False)
        with pytest.raises(UnavailableError):
            follow(kind, nowhere, "sessions", lambda event: False, after="x")


def open_sockets(cuttable):
    def is_open(end):
        try:
            return end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    return [end for end in cuttable._sockets if is_open(end)]


@pytest.mark.parametrize("error", [None, RuntimeError("no")])
def test_leaving_the_loop_closes_the_stream(cuttable, waymark, user, error):
    with Waymark(cuttable.url) as client:

        def read():
            for event in client.follow("sessions", filter={"user_id": user}):
                if event.type == "listed":
                    waymark.run_session(lambda _: None, user_id=user)
                if event.type == "change" and error is not None:
                    raise error
                if event.type == "change":
                    return

        try:
            read()
        except RuntimeError:
            pass
        client._transport.close()
        wait_until(lambda: not open_sockets(cuttable))


@pytest.mark.parametrize("how", ["break", "error", "cancel"])
def test_leaving_an_async_loop_closes_the_stream(cuttable, waymark, user, how):
    async def main():
        async with AsyncWaymark(cuttable.url) as client:
            listed = asyncio.Event()

            async def read():
                async for event in client.follow("sessions", filter={"user_id": user}):
                    if event.type == "listed":
                        listed.set()
                    if event.type == "change" and how == "error":
                        raise RuntimeError("no")
                    if event.type == "change":
                        break

            reading = asyncio.create_task(read())
            await listed.wait()
            if how == "cancel":
                await asyncio.sleep(0.2)
                reading.cancel()
            else:
                run = lambda: waymark.run_session(lambda _: None, user_id=user)  # noqa: E731
                await asyncio.get_running_loop().run_in_executor(None, run)
            await asyncio.gather(reading, return_exceptions=True)
            client._transport.close()
            del reading
            gc.collect()
            while open_sockets(cuttable):
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in 20 s"
        time.sleep(0.05)


class Scripted:
    """A server whose streams follow a script: each subscription gets the next text."""

    def __init__(self, *streams):
        self.asked = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append(request["variables"].get("after"))
                if "subscription" not in request["query"]:
                    page = {"feedCursor": f"list-{len(server.asked)}", "pageInfo": {"hasNextPage": False}, "nodes": []}
                    return self.answer(200, "application/json", json.dumps({"data": {"list": page}}))
                stream = streams[len([None for one in server.asked if one is not None]) - 1]
                if isinstance(stream, tuple):
                    return self.answer(stream[0], "application/json", stream[1])
                self.answer(200, "text/event-stream", stream)

            def answer(self, status, kind, text):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/graphql"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def told(cursor, **extra):
    change = {
        "kind": "STARTED",
        "cursor": cursor,
        "occurredAt": "2026-11-24T07:33:00.000Z",
        "nodeId": "n",
        "sessionId": "s",
        "userId": "u",
        "stream": "web/list",
        "previousStatus": None,
        "status": "RUNNING",
        "session": None,
    }
    return f"event: next\ndata: {json.dumps({'data': {'told': change}, **extra})}\n\n"


def failed(code):
    errors = {"data": None, "errors": [{"message": code, "extensions": {"code": code, "cursor": "c9"}}]}
    return f"event: next\ndata: {json.dumps(errors)}\n\nevent: complete\ndata:\n\n"


COMPLETE = "event: complete\ndata:\n\n"


def test_lists_again_where_the_cursor_has_expired(any_kind):
    kind = any_kind
    with Scripted(told("c1") + failed("CURSOR_EXPIRED"), told("c2")) as server:
        events = follow(kind, server.url, "sessions", lambda event: getattr(event, "cursor", None) == "c2")
    assert types(events) == ["reset", "listed", "change", "reset", "listed", "change"]
    assert server.asked == [None, "list-1", None, "list-3"]


@pytest.mark.parametrize("end", [COMPLETE, "", failed("SLOW_CLIENT"), failed("OVERLOADED"), failed("SERVICE_UNAVAILABLE")])
def test_subscribes_again_with_its_own_last_cursor(kind, end):
    with Scripted(told("c1") + end, (503, "<html>"), told("c2")) as server:
        events = follow(kind, server.url, "sessions", lambda event: event.cursor == "c2", after="c0")
    assert [event.cursor for event in events] == ["c1", "c2"]
    assert server.asked == ["c0", "c1", "c1"]


def test_tells_an_event_whose_row_could_not_be_read(kind):
    with Scripted(told("c1", errors=[{"message": "no row", "extensions": {"code": "SERVICE_UNAVAILABLE"}}])) as server:
        [event] = follow(kind, server.url, "sessions", lambda event: True, after="c0")
    assert event.change.session is None


def test_raises_what_the_stream_says_where_nothing_helps(kind):
    with Scripted(failed("UNAUTHENTICATED")) as server:
        with pytest.raises(UnauthenticatedError):
            follow(kind, server.url, "sessions", lambda event: True, after="c0")


def test_reads_events_in_whatever_pieces_they_come():
    text = ":\n\nevent: next\r\ndata: é\r\n\r\nevent: next\ndata: a\ndata: b\n\nevent: complete\ndata:\n\n".encode()
    for size in (1, 2, 5, len(text)):
        parser = EventParser()
        read = [event for at in range(0, len(text), size) for event in parser.feed(text[at : at + size])]
        assert read == [("next", "é"), ("next", "a\nb"), ("complete", "")]
