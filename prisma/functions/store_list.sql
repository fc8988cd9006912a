-- Stores a head or anchors of a user's list and answers its list_id. A list never changes once it is stored.
CREATE OR REPLACE FUNCTION crawler.store_list(of_user text, item_ids text[]) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO crawler.item_list (user_id, item_ids, recorded_at) VALUES (of_user, item_ids, crawler.clock()) RETURNING list_id
$$;
