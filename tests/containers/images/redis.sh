#!/bin/sh
# Like the official image: started as root, the server runs as the user redis.
set -eu
case "${1:-}" in -*) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown redis: .
  exec setpriv --reuid redis --regid redis --clear-groups "$@"
fi
exec "$@"
