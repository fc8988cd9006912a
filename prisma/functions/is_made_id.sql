-- Whether an ID has the form of those that the server makes: UUIDv7, lower case (RFC 9562, 5.7).
CREATE OR REPLACE FUNCTION crawler.is_made_id(session_id text) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN session_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';
