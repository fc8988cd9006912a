"""A Scrapy spider of the favorites of a Hacker News account, which goes on where it was killed:

WAYMARK_KEY=... python3 -m scrapy runspider hn_favorites.py -s WAYMARK_USER_ID=<account> -O favorites.jsonl
"""

import os
import urllib.parse

import scrapy

SITE = os.environ.get("HN_URL", "https://news.ycombinator.com")


class Favorites(scrapy.Spider):
    name = "hn-favorites"
    custom_settings = {
        "EXTENSIONS": {"waymark_client.scrapy.WaymarkExtension": 500},
        "WAYMARK_STREAM": "hackernews/favorites",
        "DOWNLOAD_DELAY": 1,
    }

    def start_requests(self):
        account = urllib.parse.quote(self.settings["WAYMARK_USER_ID"])
        yield from self.waymark.start(lambda page: scrapy.Request(f"{SITE}/favorites?id={account}&p={page or 1}"))

    def parse(self, response):
        stories = [
            {"id": row.attrib["id"], "title": row.css(".titleline a::text").get(), "url": row.css("a::attr(href)").get()}
            for row in response.css("tr.athing")
        ]
        more = response.css("a.morelink::attr(href)").re_first(r"p=(\d+)")
        yield from self.waymark.take(stories, more, response, id=lambda story: story["id"])
