#!/bin/sh
# Names what the database in DATABASE_URL lacks of this version's schema, with the remedy; exit code 1 if anything. Changes nothing.
exec node "$(dirname "$0")/start.mjs" verify "$@"
