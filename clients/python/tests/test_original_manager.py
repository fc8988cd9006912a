"""The same steps on the original CheckpointManager and on Waymark's, on one database."""

import asyncio
import itertools
import random
import uuid

import pytest
from waymark_client import AsyncCheckpointManager, AsyncWaymark

pytest.importorskip("sqlalchemy", reason="needs SQLAlchemy: apt-get install python3-sqlalchemy")

from original_manager import CheckpointManager  # noqa: E402
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine  # noqa: E402

STEPS = [
    ("get_checkpoint",),
    ("get_last_tweet_id",),
    ("get_bookmarks_count",),
    ("clear_checkpoint",),
    ("save_checkpoint", "1868000000000000001", 50),
    ("get_checkpoint",),
    ("save_checkpoint", "1868000000000000002"),
    ("get_bookmarks_count",),
    ("get_last_tweet_id",),
    ("save_checkpoint", "1868000000000000003", 0),
    ("get_checkpoint",),
    ("save_checkpoint", "20", 7),
    ("save_checkpoint", "20"),
    ("get_checkpoint",),
    ("clear_checkpoint",),
    ("clear_checkpoint",),
    ("get_checkpoint",),
    ("get_last_tweet_id",),
    ("get_bookmarks_count",),
    ("save_checkpoint", "1868000000000000004"),
    ("get_checkpoint",),
]
RANDOM_STEPS = [
    ("get_checkpoint",),
    ("get_last_tweet_id",),
    ("get_bookmarks_count",),
    ("clear_checkpoint",),
    ("save_checkpoint", "20", 3),
    ("save_checkpoint", "1868000000000000001", 9),
    ("save_checkpoint", "1868000000000000002"),
    ("save_checkpoint", "1868000000000000003", None),
]


def seen(answer):
    """What a program of the original project sees of an answer, apart from the time itself."""
    if not hasattr(answer, "last_tweet_id"):
        return answer
    times = (answer.last_crawled_at, answer.created_at, answer.updated_at)
    assert all(time.tzinfo is not None for time in times)
    return answer.user_id, answer.last_tweet_id, answer.bookmarks_count


async def run(url, database, users, steps, turns):
    """Runs the steps for each user, by the manager whose turn it is: 0 is the original. The answers, by user."""
    # The parameters after the question mark are libpq's.
    address = database.partition("?")[0].partition("://")[2]
    engine = create_async_engine(f"postgresql+asyncpg://{address}")
    answers = []
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, AsyncWaymark(url) as waymark:
            for user, turn in zip(users, turns):
                managers = [CheckpointManager(session, user), AsyncCheckpointManager(waymark, user_id=user)]
                given = []
                for whose, (name, *arguments) in zip(turn, steps):
                    given.append(seen(await getattr(managers[whose], name)(*arguments)))
                    # Whoever took the step, both see what came of it.
                    both = [seen(await manager.get_checkpoint()) for manager in managers]
                    assert both[0] == both[1], f"after {name}{tuple(arguments)} by {whose}"
                    await session.rollback()
                answers.append([without_user(answer) for answer in given])
    finally:
        await engine.dispose()
    return answers


def without_user(answer):
    return answer[1:] if isinstance(answer, tuple) else answer


@pytest.fixture
def users(waymark):
    """As many as are wanted."""
    def register(count):
        users = [f"original-{uuid.uuid4().hex[:10]}" for _ in range(count)]
        for user in users:
            waymark.request("mutation ($u: String!) { registerUser(input: { userId: $u }) { __typename } }", {"u": user})
        return users

    return register


def test_gives_the_same_answers_to_the_same_steps(url, database, users):
    turns = [itertools.repeat(0), itertools.repeat(1), itertools.cycle([0, 1]), itertools.cycle([1, 0])]
    original, ours, *alternately = asyncio.run(run(url, database, users(4), STEPS, turns))
    assert ours == original
    assert alternately == [original, original]
    # What the steps are to show: None where there is none, the count kept where none is given, clear's bool.
    assert original[:4] == [None, None, 0, False]
    assert original[6] == ("1868000000000000002", 50)
    assert original[14:19] == [True, False, None, None, 0]
    assert original[19] == ("1868000000000000004", 0)


def test_gives_the_same_answers_to_random_steps_whoever_takes_them(url, database, users):
    seed = random.randrange(2**31)
    print(f"seed {seed}")
    chance = random.Random(seed)
    steps = [chance.choice(RANDOM_STEPS) for _ in range(60)]
    turns = [itertools.repeat(0), [chance.randrange(2) for _ in steps]]
    original, mixed = asyncio.run(run(url, database, users(2), steps, turns))
    assert mixed == original
