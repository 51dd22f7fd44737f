#!/bin/sh
# Refreshes a saved token with curl and jq, and prints the access token.
# curl_refresh.sh FILE OAUTH_URL
set -eu
umask 077
jq -r '"grant_type=refresh_token&client_id=bench&client_secret=bench-secret&refresh_token=\(.refresh_token | @uri)"' "$1" |
    curl -sS --fail --data @- "$2/token" >"$1.tmp"
sync "$1.tmp"
mv "$1.tmp" "$1"
jq -r .access_token "$1"
