"""A whole crawl of one list, as rules. docs/crawling.md explains why they are as they are."""
