-- How many items a head or anchors hold; 0: there is no list.
CREATE OR REPLACE FUNCTION crawler.list_length(of_user text, list bigint) RETURNS integer
LANGUAGE sql STABLE
AS $$
  SELECT coalesce((SELECT cardinality(l.item_ids) FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = list), 0)
$$;
