#!/bin/sh
# Writes the configuration from the variables that edoburu/pgbouncer knows.
set -eu
umask 077
ini=/etc/pgbouncer/pgbouncer.ini
printf '"%s" "%s"\n' "$DB_USER" "$DB_PASSWORD" > /etc/pgbouncer/userlist.txt
{
  echo "[databases]"
  echo "${DB_NAME:-*} = host=$DB_HOST port=${DB_PORT:-5432} auth_user=$DB_USER"
  echo "[pgbouncer]"
  echo "listen_addr = 0.0.0.0"
  echo "listen_port = 5432"
  echo "unix_socket_dir ="
  echo "auth_file = /etc/pgbouncer/userlist.txt"
  echo "ignore_startup_parameters = ${IGNORE_STARTUP_PARAMETERS:-extra_float_digits}"
  for name in AUTH_TYPE POOL_MODE MAX_CLIENT_CONN DEFAULT_POOL_SIZE SERVER_LOGIN_RETRY \
    SERVER_CHECK_DELAY QUERY_WAIT_TIMEOUT SERVER_CONNECT_TIMEOUT QUERY_TIMEOUT; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || echo "$(echo "$name" | tr A-Z a-z) = $value"
  done
} > "$ini"
exec pgbouncer "$ini"
