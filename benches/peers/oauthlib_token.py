"""Prints a saved access token, and refreshes it first where it is asked to.

oauthlib_token.py FILE [OAUTH_URL]
"""
import json
import os
import sys

from requests_oauthlib import OAuth2Session

path, oauth_url = sys.argv[1], sys.argv[2:]
with open(path) as file:
    token = json.load(file)
session = OAuth2Session("bench", token=token)
if oauth_url:
    token = session.refresh_token(
        f"{oauth_url[0]}/token", client_id="bench", client_secret="bench-secret"
    )
    temporary = f"{path}.tmp"
    with open(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(token, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
print(session.token["access_token"])
