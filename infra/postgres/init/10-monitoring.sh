#!/bin/sh
# Run once, by the image, when the cluster is made: statistics, and a role that reads them.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set=password="$POSTGRES_EXPORTER_PASSWORD" <<'SQL'
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE ROLE midst_exporter LOGIN PASSWORD :'password' IN ROLE pg_monitor CONNECTION LIMIT 5;
SQL
