"""A real server, whose address test/clients/python.test.ts passes on."""

import asyncio
import os
import pathlib
import sys
import uuid

import asyncpg
import pytest

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCES))

from lists import Crawler  # noqa: E402
from proxy import Proxy  # noqa: E402
from waymark_client import Waymark  # noqa: E402


@pytest.fixture(scope="session")
def url():
    return os.environ["WAYMARK_URL"]


@pytest.fixture(scope="session")
def database():
    return os.environ["WAYMARK_TEST_DATABASE"]


@pytest.fixture
def sql(database):
    """Runs a statement on the server's database, as an operator with psql would."""

    async def run(statement, arguments):
        connection = await asyncpg.connect(database)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return lambda statement, *arguments: asyncio.run(run(statement, arguments))


@pytest.fixture
def waymark(url):
    with Waymark(url, retry_budget_seconds=20) as client:
        yield client


@pytest.fixture
def user(waymark):
    """A registered user, another one for each test."""
    user_id = f"user-{uuid.uuid4().hex[:12]}"
    waymark.request("mutation ($u: String!) { registerUser(input: { userId: $u }) { __typename } }", {"u": user_id})
    return user_id


@pytest.fixture
def proxy(url):
    """Between client and server: it keeps what was asked, and breaks what it is told to."""
    with Proxy(url) as between:
        yield between


@pytest.fixture(params=["sync", "async"])
def crawler(request, proxy, user):
    """Crawls by either client, through the proxy."""
    return Crawler(request.param, proxy.url, user)
