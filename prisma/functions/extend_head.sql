-- Adds the items of a page to a head that holds fewer than three (pages of one or two items), whole and without
-- repeats, up to 50. Answers the list's ID: the same where nothing was added.
CREATE OR REPLACE FUNCTION crawler.extend_head(of_user text, head bigint, page text[]) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  stored text[] := '{}';
  item text;
  extended text[];
BEGIN
  IF head IS NOT NULL THEN
    SELECT l.item_ids INTO stored FROM crawler.item_list l WHERE l.user_id = of_user AND l.list_id = head;
    IF cardinality(stored) >= 3 THEN
      RETURN head;
    END IF;
  END IF;
  extended := stored;
  FOREACH item IN ARRAY page LOOP
    IF NOT item = ANY (extended) AND cardinality(extended) < 50 THEN
      extended := extended || item;
    END IF;
  END LOOP;
  IF extended = stored THEN
    RETURN head;
  END IF;
  RETURN crawler.store_list(of_user, extended);
END
$$;
