-- Deletes those of these heads and anchors that nothing refers to. One that a revision still to be committed refers to is
-- held by that revision's foreign key, and stays for retention.
CREATE OR REPLACE FUNCTION crawler.forget_lists(lists bigint[]) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  WITH unused AS MATERIALIZED (
    SELECT l.list_id FROM crawler.item_list l
    WHERE l.list_id = ANY (lists)
      AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.head_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.anchor_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.checkpoint_revision r WHERE r.catch_up_head_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.head_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.anchor_list_id = l.list_id)
      AND NOT EXISTS (SELECT FROM crawler.crawl_state st WHERE st.catch_up_head_list_id = l.list_id)
    FOR UPDATE OF l SKIP LOCKED
  )
  DELETE FROM crawler.item_list l USING unused u WHERE l.list_id = u.list_id
$$;
