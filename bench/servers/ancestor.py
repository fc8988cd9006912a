"""The stack that Waymark's Python ancestor would have: FastAPI, async SQLAlchemy and asyncpg, written the common way,
in one process.

It does not parse GraphQL. It recognises each operation of the benchmark by its text, and returns the same bytes as the
other servers. So it looks faster than it would be.
Needs Debian's python3-fastapi, python3-uvicorn, python3-sqlalchemy and python3-asyncpg.
"""

import asyncio
import os
import socket
from datetime import datetime, timezone

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Integer, String, and_, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, foreign, relationship, selectinload, sessionmaker

Base = declarative_base()
Time = DateTime(timezone=True)


class User(Base):
    __tablename__ = "user"
    __table_args__ = {"schema": "public"}
    id = Column(String, primary_key=True)


class Checkpoint(Base):
    __tablename__ = "crawl_checkpoint"
    __table_args__ = {"schema": "crawler"}
    user_id = Column(String, primary_key=True)
    stream = Column(String, primary_key=True)
    last_tweet_id = Column(String)
    last_crawled_at = Column(Time)
    bookmarks_count = Column(Integer)
    updated_at = Column(Time)


class CrawlSession(Base):
    __tablename__ = "crawl_session"
    __table_args__ = {"schema": "crawler"}
    session_id = Column(String, primary_key=True)
    user_id = Column(String)
    stream = Column(String)
    status = Column(String)
    started_at = Column(Time)
    completed_at = Column(Time)
    bookmarks_processed = Column(Integer)
    checkpoint = relationship(
        Checkpoint,
        primaryjoin=and_(
            Checkpoint.user_id == foreign(user_id), Checkpoint.stream == foreign(stream)
        ),
        viewonly=True,
        uselist=False,
    )


class PlainCheckpoint(Base):
    """Without history or events, as the others save."""

    __tablename__ = "checkpoint"
    __table_args__ = {"schema": "bench"}
    user_id = Column(String, primary_key=True)
    stream = Column(String, primary_key=True)
    last_tweet_id = Column(String)
    last_crawled_at = Column(Time)
    bookmarks_count = Column(Integer)
    updated_at = Column(Time)


class Body(BaseModel):
    query: str
    variables: dict


url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg", query={})
engine = create_async_engine(url, pool_size=10, max_overflow=0, pool_timeout=60)
Session = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
app = FastAPI()


def text_of(time):
    return time and time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_of(status):
    return status.upper() if status in ("running", "completed", "stopped") else "FAILED"


def place_of(checkpoint):
    return checkpoint and {
        "lastItemId": checkpoint.last_tweet_id,
        "lastCrawledAt": text_of(checkpoint.last_crawled_at),
        "bookmarksCount": checkpoint.bookmarks_count,
    }


async def find_checkpoint(session, variables):
    found = await session.get(Checkpoint, (variables["userId"], "twitter/bookmarks"))
    checkpoint = found and {
        "userId": found.user_id,
        "stream": found.stream,
        **place_of(found),
        "updatedAt": text_of(found.updated_at),
    }
    return {"checkpoint": checkpoint}


async def find_session(session, variables):
    rows = await session.execute(
        select(CrawlSession)
        .where(CrawlSession.session_id == variables["sessionId"])
        .options(selectinload(CrawlSession.checkpoint))
    )
    found = rows.scalar_one()
    return {
        "session": {
            "sessionId": found.session_id,
            "stream": found.stream,
            "status": status_of(found.status),
            "startedAt": text_of(found.started_at),
            "completedAt": text_of(found.completed_at),
            "bookmarksProcessed": found.bookmarks_processed,
            "user": {"userId": found.user_id},
            "checkpoint": place_of(found.checkpoint),
        }
    }


async def list_sessions(session, variables):
    user = await session.get(User, variables["userId"])
    rows = await session.execute(
        select(CrawlSession)
        .where(CrawlSession.user_id == user.id)
        .order_by(CrawlSession.started_at.desc(), CrawlSession.session_id.desc())
        .limit(20)
        .options(selectinload(CrawlSession.checkpoint))
    )
    nodes = [
        {
            "sessionId": found.session_id,
            "status": status_of(found.status),
            "startedAt": text_of(found.started_at),
            "completedAt": text_of(found.completed_at),
            "bookmarksProcessed": found.bookmarks_processed,
            "checkpoint": place_of(found.checkpoint),
        }
        for found in rows.scalars()
    ]
    return {"user": {"userId": user.id, "sessions": {"nodes": nodes}}}


async def save_checkpoint(session, variables):
    given = variables["input"]
    stored = await session.get(PlainCheckpoint, (given["userId"], given["stream"]))
    created = stored is None
    if created:
        stored = PlainCheckpoint(user_id=given["userId"], stream=given["stream"])
        session.add(stored)
    stored.last_tweet_id = given["itemId"]
    stored.bookmarks_count = given["bookmarksCount"]
    stored.last_crawled_at = stored.updated_at = datetime.now(timezone.utc)
    await session.commit()
    checkpoint = {
        "userId": stored.user_id,
        "stream": stored.stream,
        "lastItemId": stored.last_tweet_id,
        "bookmarksCount": stored.bookmarks_count,
    }
    return {"saveCheckpoint": {"created": created, "checkpoint": checkpoint}}


def handler_of(query):
    if "saveCheckpoint" in query:
        return save_checkpoint
    if "sessions(" in query:
        return list_sessions
    return find_session if "session(" in query else find_checkpoint


@app.post("/graphql")
async def answer(body: Body):
    async with Session() as session:
        return JSONResponse({"data": await handler_of(body.query)(session, body.variables)})


async def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=65))
    print(f"serves http://127.0.0.1:{listener.getsockname()[1]}/graphql", flush=True)
    await server.serve(sockets=[listener])


asyncio.run(main())
