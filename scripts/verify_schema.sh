#!/bin/sh
# Lists what differs in the database in DATABASE_URL from the schema of this version, each with a remedy. Exit code 1 if
# anything differs. Changes nothing.
exec node "$(dirname "$0")/start.mjs" verify "$@"
