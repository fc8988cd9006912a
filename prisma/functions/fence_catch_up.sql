-- Takes the list from a catch-up that runs on it, since the crawl that it ran beside is gone: its next write is
-- STALE_EPOCH. The caller holds the lock of the row of crawl_state.
CREATE OR REPLACE FUNCTION crawler.fence_catch_up(of_user text, of_stream text) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  UPDATE crawler.crawl_state st SET epoch = st.epoch + 1, owner_session_id = NULL
  FROM crawler.crawl_session s
  WHERE st.user_id = of_user AND st.stream = of_stream AND s.session_id = st.owner_session_id
    AND s.status = 'running' AND s.mode = 'CATCH_UP'
$$;
