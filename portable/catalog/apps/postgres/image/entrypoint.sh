#!/bin/sh
# Makes the database at the first start, then becomes the server (or whatever the command is).
set -eu

case "${1-}" in
"" | -*) set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    find "$PGDATA" ! -user postgres -exec chown postgres:postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

user=${POSTGRES_USER:-postgres} method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}

# make FOLDER: an empty database; its password goes by standard input, so that it stands nowhere.
make() {
    set -- --username="$user" --auth-local=trust --auth-host="$method" --encoding=UTF8 --locale=C.UTF-8 --pgdata="$1"
    if [ -n "${POSTGRES_PASSWORD-}" ]; then
        printf '%s\n' "$POSTGRES_PASSWORD" | initdb "$@" --pwfile=/dev/stdin >/dev/null
    else
        initdb "$@" >/dev/null
    fi
    printf 'host all all all %s\n' "$method" >>"$PGDATA/.new/pg_hba.conf"
}

if ! getent passwd "$(id -u)" >/dev/null; then
    printf 'postgres:x:%s:%s::%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" >/tmp/passwd
    printf 'postgres:x:%s:\n' "$(id -g)" >/tmp/group
    export NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group LD_PRELOAD=libnss_wrapper.so
fi

if [ ! -s "$PGDATA/PG_VERSION" ] || [ -e "$PGDATA/.making" ]; then
    if [ -z "${POSTGRES_PASSWORD-}" ] && [ "$method" != trust ]; then
        echo "the first start needs POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
        exit 1
    fi
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" 2>/dev/null || true # a mount may belong to somebody else; initdb tells whether that will do
    # What a first start left that was killed: nobody has written to it yet but that start.
    if [ -e "$PGDATA/.making" ]; then
        find "$PGDATA" -mindepth 1 ! -name .making -delete
    elif [ -n "$(ls -A "$PGDATA")" ]; then
        echo "$PGDATA is not empty and holds no database: name a folder of its own in PGDATA" >&2
        exit 1
    fi
    # initdb takes an empty folder only: it makes one beside the mark, whose content then moves up.
    : >"$PGDATA/.making"
    make "$PGDATA/.new"
    mv "$PGDATA/.new"/* "$PGDATA/"
    rmdir "$PGDATA/.new"
    pg_ctl --pgdata="$PGDATA" --wait --silent --options="-c listen_addresses='' -c unix_socket_directories=/tmp" start
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        createdb --host=/tmp --username="$user" --no-password "${POSTGRES_DB:-$user}"
    fi
    pg_ctl --pgdata="$PGDATA" --wait --silent --mode=fast stop
    rm "$PGDATA/.making"
fi
unset POSTGRES_PASSWORD
exec tini -- "$@"
