#!/bin/sh
# Brings the database in DATABASE_URL to this version's schema. Run it from anywhere; it can be run again at any time.
exec node "$(dirname "$0")/start.mjs" migrate "$@"
