"""A program whose types mypy checks beside the client's: it is not run."""

from __future__ import annotations

from datetime import datetime
from typing import Dict, List, Optional, Tuple

from waymark_client import AsyncCheckpointManager, AsyncWaymark, CheckpointManager, CrawlReport, Session, Waymark

Post = Dict[str, str]


def fetch_page(*, page_token: Optional[str], mode: str) -> Tuple[List[Post], Optional[str]]:
    return [{"id": "1"}], None


def process(items: List[Post], *, session_id: str, mode: str) -> int:
    return len(items)


def count(session: Session) -> int:
    return len(session.plan.until_item_ids)


def main() -> None:
    with Waymark() as waymark:
        report: CrawlReport = waymark.crawl(
            user_id="a", id=lambda post: post["id"], fetch_page=fetch_page, process=process
        )
        until: Optional[datetime] = report.until
        counted: int = waymark.run_session(count, user_id="a")
        tweet: Optional[str] = CheckpointManager(waymark, user_id="a").get_last_tweet_id()
        print(until, counted, tweet)
        for event in waymark.follow("checkpoints"):
            if event.type == "row":
                version: int = event.row.version
            elif event.type == "change":
                item: Optional[str] = event.change.last_item_id
                print(version, item, event.cursor)
        for told in waymark.follow("sessions", after="cursor"):
            if told.type == "change":
                status: str = told.change.status
                print(status)


async def fetch(*, page_token: Optional[str], mode: str) -> Tuple[List[Post], Optional[str]]:
    return fetch_page(page_token=page_token, mode=mode)


async def main_async() -> None:
    async with AsyncWaymark("http://127.0.0.1:4000/graphql", key="wm_key") as waymark:
        manager = AsyncCheckpointManager(waymark, user_id="a")
        cleared: bool = await manager.clear_checkpoint()
        versions: List[int] = [revision.version async for revision in manager.history()]
        report: CrawlReport = await waymark.crawl(
            user_id="a", id=lambda post: post["id"], fetch_page=fetch, process=process, busy=30.0
        )
        print(cleared, versions, report.sessions[0].added)
        async with waymark.start_session(user_id="a") as session:
            stop: bool = await session.heartbeat()
        async for event in waymark.follow("sessions"):
            if event.type == "row":
                worker: Optional[str] = event.row.worker
                print(worker, stop)
