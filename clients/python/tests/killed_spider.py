"""A spider that is killed: it reads a list of test_scrapy.py, and appends each item to a file.

python -m scrapy runspider killed_spider.py -a site=<URL> -a output=<file> -s WAYMARK_USER_ID=<user>
"""

import os
import pathlib
import sys
import time

import scrapy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))


class WriteToFile:
    def process_item(self, item, spider):
        if spider.fail_at == item["id"]:
            raise RuntimeError("the disk is full")
        if item["id"].endswith("drop"):
            raise scrapy.exceptions.DropItem("not wanted")
        with open(spider.output, "a", encoding="utf-8") as file:
            file.write(f"{item['id']}\n")
            file.flush()
            os.fsync(file.fileno())
        time.sleep(0.005)
        return item


class KilledSpider(scrapy.Spider):
    name = "killed"
    fail_at = None
    custom_settings = {
        "EXTENSIONS": {"waymark_client.scrapy.WaymarkExtension": 500},
        "ITEM_PIPELINES": {WriteToFile: 100},
        "WAYMARK_STREAM": "web/list",
        "WAYMARK_LEASE_SECONDS": 30,
        "WAYMARK_TAKEOVER": True,
        "ROBOTSTXT_OBEY": False,
        "HTTPERROR_ALLOWED_CODES": [410],
        "RETRY_TIMES": 0,
        "LOG_LEVEL": "INFO",
        "TELNETCONSOLE_ENABLED": False,
    }

    def start_requests(self):
        yield from self.waymark.start(lambda token: scrapy.Request(f"{self.site}?after={token or ''}"))

    def parse(self, response):
        if response.status == 410:
            yield from self.waymark.refuse_token()
            return
        page = response.json()
        yield from self.waymark.take(page["items"], page["next"], response, id=lambda item: item["id"])
