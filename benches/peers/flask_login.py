"""A login as Yandex's documentation describes it to a web developer: the page
redirects to Yandex without a code, and exchanges the code it comes back with.
Prints the access token and ends.

flask_login.py OAUTH_URL PORT
"""
import os
import sys
import threading

import flask
import requests
from werkzeug.serving import run_simple

OAUTH_URL, PORT = sys.argv[1], int(sys.argv[2])
CLIENT_ID, CLIENT_SECRET = "bench", "bench-secret"

app = flask.Flask(__name__)


@app.get("/")
def callback():
    code = flask.request.args.get("code")
    if code is None:
        return flask.redirect(
            f"{OAUTH_URL}/authorize?response_type=code&client_id={CLIENT_ID}"
            f"&redirect_uri=http://127.0.0.1:{PORT}/"
        )
    answer = requests.post(
        f"{OAUTH_URL}/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        },
        timeout=10,
    )
    print(answer.json()["access_token"], flush=True)
    # After this answer: a development server has no other way out.
    threading.Timer(0.01, os._exit, [0]).start()
    return "You can close this page."


run_simple("127.0.0.1", PORT, app)
