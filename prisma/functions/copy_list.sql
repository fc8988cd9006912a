-- Stores a list of one user again for another, since lists belong to their users, and answers its list_id. NULL: there
-- is no such list.
CREATE OR REPLACE FUNCTION crawler.copy_list(from_user text, of_list bigint, to_user text) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO crawler.item_list (user_id, item_ids, recorded_at)
  SELECT to_user, l.item_ids, crawler.clock() FROM crawler.item_list l WHERE l.user_id = from_user AND l.list_id = of_list
  RETURNING list_id
$$;
