#!/bin/sh
# Run once, by the image, when the cluster is made.
set -eu
psql --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /etc/midst/roles.sql \
  --set=owner="$POSTGRES_OWNER_PASSWORD" --set=app="$POSTGRES_APP_PASSWORD" \
  --set=analysis="$POSTGRES_ANALYSIS_PASSWORD" --set=exporter="$POSTGRES_EXPORTER_PASSWORD" \
  --set=backup="$POSTGRES_BACKUP_PASSWORD"
# The image's own line is about databases only.
echo "host replication midst_backup all scram-sha-256" >> "$PGDATA/pg_hba.conf"
