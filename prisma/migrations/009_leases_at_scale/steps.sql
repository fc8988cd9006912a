-- What lives already. The reaper finds what starts before the functions of this version are there.
INSERT INTO crawler.lease_look (session_id, look_at)
  SELECT s.session_id, s.lease_expires_at FROM crawler.crawl_session s
  WHERE s.status = 'running' AND s.epoch > 0 AND s.lease_expires_at IS NOT NULL
  ON CONFLICT DO NOTHING;
