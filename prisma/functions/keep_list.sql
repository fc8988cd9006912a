-- The list that holds these items: the one that is stored already, or a new one. NULL: there are none.
CREATE OR REPLACE FUNCTION crawler.keep_list(of_user text, present bigint, items text[]) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
  IF coalesce(cardinality(items), 0) = 0 THEN
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = present AND l.item_ids = items) THEN
    RETURN present;
  END IF;
  RETURN crawler.store_list(of_user, items);
END
$$;
