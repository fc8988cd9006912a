"""Crawls what a Reddit account has saved: WAYMARK_KEY=... REDDIT_TOKEN=... python3 reddit_saved.py <account>"""

import json, os, sys, time, urllib.error, urllib.request
from waymark_client import NeedsAttentionError, RateLimitedError, Waymark

API, ACCOUNT = os.environ.get("REDDIT_API_URL", "https://oauth.reddit.com"), sys.argv[1]
HEADERS = {"authorization": f"Bearer {os.environ['REDDIT_TOKEN']}", "user-agent": "waymark-example/1.0"}


def fetch_page(*, page_token, mode):
    url = f"{API}/user/{ACCOUNT}/saved?limit=100&after={page_token or ''}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=HEADERS), timeout=30) as reply:
            listing = json.load(reply)["data"]
    except urllib.error.HTTPError as error:
        if error.code == 429:
            raise RateLimitedError(time.time() + float(error.headers["x-ratelimit-reset"])) from error
        raise NeedsAttentionError("Get a new REDDIT_TOKEN") if error.code == 401 else error from None
    return [child["data"] for child in listing["children"]], listing["after"]


with Waymark() as waymark:
    options = {"user_id": ACCOUNT, "stream": "reddit/saved", "id": lambda post: post["name"], "fetch_page": fetch_page}
    print(waymark.crawl(process=lambda posts, **_: print(*(post["name"] for post in posts)), **options).outcome)
