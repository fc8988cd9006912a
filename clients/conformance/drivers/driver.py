"""Runs crawl() of the Python client, for as many crawls at once as it is told. README.md describes the lines."""

import asyncio
import datetime
import json
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python" / "src"))

import waymark_client as client  # noqa: E402

_asleep_seconds = 0.0
_now = time.time
time.time = lambda: _now() + _asleep_seconds
_output = threading.Lock()


def say(line):
    text = json.dumps(line, default=str)
    with _output:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def error_of(thrown):
    """What stands for an error that a platform raises."""
    kind = thrown["kind"]
    if kind == "rateLimited":
        seconds = thrown["until"] / 1000
        return client.RateLimitedError(datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc))
    if kind == "pageTokenRefused":
        return client.PageTokenRefusedError()
    if kind == "needsAttention":
        return client.NeedsAttentionError(thrown["reason"])
    return RuntimeError(thrown["message"])


def options_of(options):
    """The options of crawl() by their names in Python."""
    names = {
        "userId": "user_id",
        "leaseSeconds": "lease_seconds",
        "maxWaitMs": "max_wait_ms",
        "outputFilePath": "output_file_path",
        "directImport": "direct_import",
        "enableSummarization": "enable_summarization",
    }
    return {names.get(name, name): value for name, value in options.items()}


def report_of(report):
    """A report as the TypeScript client has it."""
    return json_of(report)


def json_of(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [json_of(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {camel(name): json_of(one) for name, one in value.items()}
    return value


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def failure_of(error):
    return {"code": getattr(error, "code", None), "message": str(error), "name": type(error).__name__}


class Calls:
    """The calls of one crawl that wait for their answers, whichever thread they wait in."""

    def __init__(self, crawl):
        self.crawl = crawl
        self.count = 0
        self.waiting = {}

    def ask(self, what, waiter):
        self.count += 1
        self.waiting[self.count] = waiter
        say({"crawl": self.crawl, "call": self.count, **what})

    def answer(self, line):
        waiter = self.waiting.pop(line["call"], None)
        if waiter is not None:
            waiter(line)


def page_of(answer):
    return [{"id": item} for item in answer["page"]["items"]], answer["page"]["nextToken"]


def result_of(answer):
    if "throw" in answer:
        raise error_of(answer["throw"])
    return answer


def crawl_sync(line, calls, stop):
    def call(what):
        answered = threading.Event()
        answers = []

        def take(answer):
            answers.append(answer)
            answered.set()

        calls.ask(what, take)
        answered.wait()
        return result_of(answers[0])

    def fetch_page(*, page_token, mode, **_):
        return page_of(call({"fetch": {"pageToken": page_token, "mode": mode}}))

    def process(items, *, session_id, mode, **_):
        ids = [item["id"] for item in items]
        return call({"process": {"items": ids, "sessionId": session_id, "mode": mode}})["added"]

    with client.Waymark(line["url"], key=line["key"], **patience_of(line)) as waymark:
        return waymark.crawl(
            **options_of(line["options"]),
            id=lambda item: item["id"],
            fetch_page=fetch_page,
            process=process,
            stop=stop,
            on_event=lambda event: say({"crawl": calls.crawl, "event": json_of(event)}),
        )


async def crawl_async(line, calls, stop):
    loop = asyncio.get_running_loop()

    async def call(what):
        answered = loop.create_future()
        calls.ask(what, lambda answer: answered.done() or answered.set_result(answer))
        return result_of(await answered)

    async def fetch_page(*, page_token, mode, **_):
        return page_of(await call({"fetch": {"pageToken": page_token, "mode": mode}}))

    async def process(items, *, session_id, mode, **_):
        ids = [item["id"] for item in items]
        return (await call({"process": {"items": ids, "sessionId": session_id, "mode": mode}}))["added"]

    async with client.AsyncWaymark(line["url"], key=line["key"], **patience_of(line)) as waymark:
        return await waymark.crawl(
            **options_of(line["options"]),
            id=lambda item: item["id"],
            fetch_page=fetch_page,
            process=process,
            stop=stop,
            on_event=lambda event: say({"crawl": calls.crawl, "event": json_of(event)}),
        )


def patience_of(line):
    return {"retry_budget_seconds": line["retryBudgetMs"] / 1000, "timeout_seconds": line["timeoutMs"] / 1000}


def sleep(line):
    global _asleep_seconds
    _asleep_seconds += line["ms"] / 1000


def main_sync():
    crawls = {}

    def run(line, calls, stop):
        try:
            say({"crawl": line["crawl"], "report": report_of(crawl_sync(line, calls, stop))})
        except BaseException as error:
            say({"crawl": line["crawl"], "error": failure_of(error)})
        finally:
            crawls.pop(line["crawl"], None)

    for text in sys.stdin:
        line = json.loads(text)
        if line["do"] == "crawl":
            calls, stop = Calls(line["crawl"]), threading.Event()
            crawls[line["crawl"]] = calls, stop
            threading.Thread(target=run, args=(line, calls, stop), daemon=True).start()
        elif line["do"] == "sleep":
            sleep(line)
        elif line["crawl"] in crawls:
            calls, stop = crawls[line["crawl"]]
            calls.answer(line) if line["do"] == "answer" else stop.set()


async def main_async():
    crawls = {}
    loop = asyncio.get_running_loop()
    lines = asyncio.Queue()

    def read():
        for text in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, json.loads(text))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    async def run(line, calls, stop):
        try:
            say({"crawl": line["crawl"], "report": report_of(await crawl_async(line, calls, stop))})
        except BaseException as error:
            say({"crawl": line["crawl"], "error": failure_of(error)})
        finally:
            crawls.pop(line["crawl"], None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        if line["do"] == "crawl":
            calls, stop = Calls(line["crawl"]), asyncio.Event()
            crawls[line["crawl"]] = calls, stop, asyncio.create_task(run(line, calls, stop))
        elif line["do"] == "sleep":
            sleep(line)
        elif line["crawl"] in crawls:
            calls, stop, _ = crawls[line["crawl"]]
            calls.answer(line) if line["do"] == "answer" else stop.set()


if sys.argv[1] == "async":
    asyncio.run(main_async())
else:
    main_sync()
