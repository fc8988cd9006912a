"""The original project's CheckpointManager, written from its description: SQLAlchemy, one manager a user.

It knows nothing of Waymark. test_original_manager.py runs the same steps on it and on Waymark's.
"""

from datetime import datetime, timezone

from sqlalchemy import Column, DateTime, Integer, String, delete, select
from sqlalchemy.orm import declarative_base

Base = declarative_base()


def now():
    return datetime.now(timezone.utc)


class TwitterCrawlCheckpoint(Base):
    __tablename__ = "twitter_crawl_checkpoint"
    __table_args__ = {"schema": "crawler"}

    user_id = Column(String(255), primary_key=True)
    last_tweet_id = Column(String(255), nullable=False)
    last_crawled_at = Column(DateTime(timezone=True), nullable=False, default=now)
    bookmarks_count = Column(Integer, nullable=False, default=0)
    created_at = Column(DateTime(timezone=True), nullable=False, default=now)
    updated_at = Column(DateTime(timezone=True), nullable=False, default=now, onupdate=now)


class CheckpointManager:
    """Keeps where the crawl of one user's bookmarks stands."""

    def __init__(self, session, user_id):
        self.session = session
        self.user_id = user_id

    async def get_checkpoint(self):
        """None where nothing was crawled yet."""
        of_user = select(TwitterCrawlCheckpoint).where(TwitterCrawlCheckpoint.user_id == self.user_id)
        result = await self.session.execute(of_user.execution_options(populate_existing=True))
        return result.scalar_one_or_none()

    async def save_checkpoint(self, tweet_id, bookmarks_count=None):
        """Without a count, the stored one stays."""
        checkpoint = await self.get_checkpoint()
        if checkpoint is None:
            checkpoint = TwitterCrawlCheckpoint(
                user_id=self.user_id, last_tweet_id=tweet_id, bookmarks_count=bookmarks_count or 0
            )
            self.session.add(checkpoint)
        else:
            checkpoint.last_tweet_id = tweet_id
            checkpoint.last_crawled_at = now()
            if bookmarks_count is not None:
                checkpoint.bookmarks_count = bookmarks_count
        await self.session.commit()
        await self.session.refresh(checkpoint)
        return checkpoint

    async def get_last_tweet_id(self):
        checkpoint = await self.get_checkpoint()
        return checkpoint.last_tweet_id if checkpoint else None

    async def get_bookmarks_count(self):
        checkpoint = await self.get_checkpoint()
        return checkpoint.bookmarks_count if checkpoint else 0

    async def clear_checkpoint(self):
        """Whether there was one."""
        of_user = delete(TwitterCrawlCheckpoint).where(TwitterCrawlCheckpoint.user_id == self.user_id)
        result = await self.session.execute(of_user)
        await self.session.commit()
        return result.rowcount > 0
