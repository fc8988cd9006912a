-- A checkpoint as the callers read it: the row of crawl_checkpoint with that of crawl_state as its member "state".
CREATE OR REPLACE FUNCTION crawler.checkpoint_json(stored jsonb, state jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$ SELECT stored || jsonb_build_object('state', state) $$;
