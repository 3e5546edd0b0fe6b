#!/bin/sh
# Does what the official image's entry point does: makes the cluster once, runs the scripts of
# /docker-entrypoint-initdb.d against it, then starts the server as the user postgres.
set -eu
as() { setpriv --reuid postgres --regid postgres --clear-groups env HOME=/tmp "$@"; }
[ "${1:-postgres}" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chown -R postgres: /var/lib/postgresql
  chmod 700 "$PGDATA"
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  chown postgres: /tmp/password
  as initdb --pgdata "$PGDATA" --username "${POSTGRES_USER:=postgres}" --pwfile /tmp/password \
    --auth-local trust --auth-host scram-sha-256 --encoding UTF8 \
    --locale-provider builtin --builtin-locale C.UTF-8 --locale C > /dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  shift
  as pg_ctl --pgdata "$PGDATA" --wait start -o "$* -c listen_addresses= -c unix_socket_directories=/tmp" > /dev/null
  export PGHOST=/tmp
  : "${POSTGRES_DB:=$POSTGRES_USER}"
  [ "$POSTGRES_DB" = postgres ] || as createdb --username "$POSTGRES_USER" --maintenance-db postgres "$POSTGRES_DB"
  for script in /docker-entrypoint-initdb.d/*.sh; do
    [ ! -e "$script" ] || as env PGHOST=/tmp PATH="$PATH" sh "$script"
  done
  as pg_ctl --pgdata "$PGDATA" --wait --mode fast stop > /dev/null
  set -- postgres "$@"
fi
mkdir -p /var/run/postgresql && chown postgres: /var/run/postgresql
exec setpriv --reuid postgres --regid postgres --clear-groups env HOME=/tmp \
  "$@" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
