#!/bin/sh
# Logs rclone's Yandex backend in and has it refresh its token.
#
# Started by `yandex-token sandbox -- sh rclone.sh`: the server's address and
# the application are in the environment, and every consent is given.
set -eu

export RCLONE_CONFIG="$XDG_DATA_HOME/rclone.conf"
log=$XDG_DATA_HOME/log

value() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$RCLONE_CONFIG"
}

# It listens at port 53682, which a connection of another test may have for
# some seconds, and prints where to log in.
create() {
    for _ in $(seq 60); do
        rclone config create disk yandex \
            client_id="$YANDEX_CLIENT_ID" client_secret="$YANDEX_CLIENT_SECRET" \
            auth_url="$YANDEX_OAUTH_URL/authorize" token_url="$YANDEX_OAUTH_URL/token" && return
        sleep 1
    done
}
create >"$log" 2>&1 &
for _ in $(seq 900); do
    url=$(grep -o 'http://127.0.0.1:53682/auth?state=[^ ]*' "$log") && break
    sleep 0.1
done
# rclone may be gone before it has answered: the token tells.
curl -sSL --max-time 30 "$url" >/dev/null || :
wait
first=$(value access_token)
case $first in y0_*) echo "ok login" ;; *) cat "$log" && exit 1 ;; esac

spent=$(value refresh_token)
sed -i 's/"expiry":"[0-9]*-/"expiry":"2001-/' "$RCLONE_CONFIG"
# The refresh comes first; Disk itself can't be reached.
HTTPS_PROXY=http://127.0.0.1:1 rclone about disk: --retries 1 --low-level-retries 1 >"$log" 2>&1 || :
fresh=$(value refresh_token)
case $fresh in "$spent" | '') cat "$log" && exit 1 ;; *) echo "ok refresh" ;; esac
