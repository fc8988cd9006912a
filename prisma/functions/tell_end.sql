-- How a session ended, in words for the log of the next one. NULL: there was none.
CREATE OR REPLACE FUNCTION crawler.tell_end(
  status text, started_at timestamptz, completed_at timestamptz, processed integer, message text
) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
  SELECT format(CASE crawler.known_status(status)
      WHEN 'running' THEN 'the last crawl started at %s UTC and has not ended, after %s bookmarks'
      WHEN 'completed' THEN 'the last crawl completed at %s UTC after %s bookmarks'
      WHEN 'stopped' THEN 'the last crawl was stopped at %s UTC after %s bookmarks'
      ELSE 'the last crawl failed at %s UTC after %s bookmarks' || coalesce(' (' || replace(left(nullif(message, ''), 200), '%', '%%') || ')', '') END,
    to_char(coalesce(completed_at, started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), processed)
  WHERE status IS NOT NULL
$$;
