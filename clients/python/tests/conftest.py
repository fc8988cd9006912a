"""A real server, whose address test/clients/python.test.ts passes on."""

import os
import pathlib
import sys
import uuid

import pytest

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCES))

from waymark_client import Waymark  # noqa: E402


@pytest.fixture(scope="session")
def url():
    return os.environ["WAYMARK_URL"]


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
