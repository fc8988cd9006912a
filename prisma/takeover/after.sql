-- The tables of before become the first partitions, in place of the empty ones. Attaching looks through them once.
ALTER TABLE crawler.feed_event DETACH PARTITION crawler.feed_event_0;
DROP TABLE crawler.feed_event_0;
ALTER TABLE crawler.feed_event_before RENAME TO feed_event_0;
SELECT setval('crawler.feed_event_id', last) FROM pg_sequence_last_value('crawler.feed_event_event_id_seq') AS last WHERE last IS NOT NULL;
ALTER TABLE crawler.feed_event_0 ALTER COLUMN event_id DROP IDENTITY;
ALTER TABLE crawler.feed_event_0 ALTER COLUMN event_id SET DEFAULT nextval('crawler.feed_event_id');
ALTER TABLE crawler.feed_event ATTACH PARTITION crawler.feed_event_0 FOR VALUES FROM (0) TO (100000000000);

ALTER TABLE crawler.idempotency_key DETACH PARTITION crawler.idempotency_key_0;
DROP TABLE crawler.idempotency_key_0;
ALTER TABLE crawler.idempotency_key_before RENAME TO idempotency_key_0;
ALTER TABLE crawler.idempotency_key_0 ADD COLUMN key_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE crawler.idempotency_key_0 ALTER COLUMN key_id SET DEFAULT nextval('crawler.idempotency_key_id');
ALTER TABLE crawler.idempotency_key_0 ADD CONSTRAINT idempotency_key_0_pkey PRIMARY KEY (user_id, stream, key, key_id);
ALTER TABLE crawler.idempotency_key ATTACH PARTITION crawler.idempotency_key_0 FOR VALUES FROM (0) TO (100000000000);
