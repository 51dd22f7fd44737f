"""Runs every grant of the sandbox with OAuth libraries that others wrote.

Started by `yandex-token sandbox -- python clients.py`: the server's address and
the application are in the environment, and every consent is given.
"""

import os
from urllib.parse import parse_qs, urlsplit

import requests
import yadisk
import yadisk._api.auth
from authlib.integrations.requests_client import OAuth2Session as Authlib
from oauthlib.oauth2 import InvalidGrantError as OauthlibInvalidGrant
from requests_oauthlib import OAuth2Session as RequestsOauthlib

URL = os.environ["YANDEX_OAUTH_URL"]
ID = os.environ["YANDEX_CLIENT_ID"]
SECRET = os.environ["YANDEX_CLIENT_SECRET"]
REDIRECT_URI = "http://127.0.0.1:8000/callback"
DEVICE = "foreign-client-1"

# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def main():
    # yadisk has Yandex's address built in: its requests are turned to the
    # sandbox, and nothing else of it is touched.
    for request in vars(yadisk._api.auth).values():
        if getattr(request, "base_url", None) == "https://oauth.yandex.ru":
            request.base_url = URL
    for test in [
        yadisk_exchanges_codes,
        yadisk_refreshes_and_revokes,
        yadisk_polls_for_a_device,
        yadisk_knows_the_errors,
        authlib_runs_the_code_grant_with_pkce,
        requests_oauthlib_runs_the_code_and_the_implicit_grant,
        django_allauth_logs_in,
    ]:
        test()
        print("ok", test.__name__, flush=True)


def redirected(url):
    """Where the authorization endpoint sends the user."""
    url = url.replace("https://oauth.yandex.ru", URL)
    answer = requests.get(url, allow_redirects=False, timeout=60)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def code(url):
    [found] = parse_qs(urlsplit(redirected(url)).query)["code"]
    return found


def user(token, scheme="OAuth"):
    headers = {"Authorization": f"{scheme} {token}"}
    return requests.get(f"{URL}/info?format=json", headers=headers, timeout=60)


def raises(error, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def client(secret=SECRET):
    return yadisk.Client(ID, secret, session="requests")


def yadisk_exchanges_codes():
    with client() as disk:
        token = disk.get_token(code(disk.get_code_url()))
        assert token.expires_in == 31536000 and token.token_type == "bearer"
        assert user(token.access_token).json()["login"] == "sandbox.user"
        assert user(token.access_token, "Bearer").status_code == 200
        fewer = disk.get_code_url(scope=["cloud_api:disk.read"], redirect_uri=REDIRECT_URI)
        assert disk.get_token(code(fewer)).scope is None
    with client(secret="") as public:
        for method, challenge in [("S256", CHALLENGE), ("plain", VERIFIER)]:
            url = public.get_code_url(code_challenge=challenge, code_challenge_method=method)
            assert public.get_token(code(url), code_verifier=VERIFIER).access_token
            url = public.get_code_url(code_challenge=challenge, code_challenge_method=method)
            wrong = yadisk.exceptions.InvalidGrantError
            raises(wrong, public.get_token, code(url), code_verifier="x" * 43)


def yadisk_refreshes_and_revokes():
    with client() as disk:
        token = disk.get_token(code(disk.get_code_url(device_id=DEVICE, device_name="a b")))
        fresh = disk.refresh_token(token.refresh_token)
        assert fresh.refresh_token != token.refresh_token
        assert fresh.access_token == token.access_token
        for _ in range(2):
            assert disk.revoke_token(fresh.access_token).status == "ok"
        assert user(fresh.access_token).status_code == 401
        spent = yadisk.exceptions.InvalidGrantError
        raises(spent, disk.refresh_token, fresh.refresh_token)
        bare = disk.get_token(code(disk.get_code_url()))
        refused = yadisk.exceptions.UnsupportedTokenTypeError
        raises(refused, disk.revoke_token, bare.access_token)


def yadisk_polls_for_a_device():
    with client() as disk:
        asked = disk.get_device_code(device_id=DEVICE)
        assert asked.interval == 1 and asked.expires_in == 300
        assert len(asked.user_code) == 8 and asked.verification_url == f"{URL}/device"
        pending = yadisk.exceptions.AuthorizationPendingError
        raises(pending, disk.get_token_from_device_code, asked.device_code)
        token = disk.get_token_from_device_code(asked.device_code)
        assert user(token.access_token).status_code == 200
        used = yadisk.exceptions.InvalidGrantError
        raises(used, disk.get_token_from_device_code, asked.device_code)


def yadisk_knows_the_errors():
    with client() as disk, client(secret="0" * 32) as wrong:
        raises(yadisk.exceptions.BadVerificationCodeError, disk.get_token, "not a code")
        raises(yadisk.exceptions.InvalidGrantError, disk.get_token, "1234567")
        url = disk.get_code_url()
        raises(yadisk.exceptions.InvalidClientError, wrong.get_token, code(url))


def authlib_runs_the_code_grant_with_pkce():
    for method, secret in [
        ("client_secret_basic", SECRET),
        ("client_secret_post", SECRET),
        ("none", None),
    ]:
        session = Authlib(
            ID,
            secret,
            token_endpoint_auth_method=method,
            redirect_uri=REDIRECT_URI,
            scope="login:info login:email",
            code_challenge_method="S256",
        )
        url, state = session.create_authorization_url(
            f"{URL}/authorize", code_verifier=VERIFIER, state="x" * 1024
        )
        answer = redirected(url)
        token = session.fetch_token(
            f"{URL}/token",
            authorization_response=answer,
            code_verifier=VERIFIER,
            state=state,
        )
        answer = session.get(f"{URL}/info?format=json")
        assert answer.json()["default_email"] == "sandbox.user@example.org"
        if secret:
            fresh = session.refresh_token(f"{URL}/token", token["refresh_token"])
            assert fresh["refresh_token"] != token["refresh_token"]


def requests_oauthlib_runs_the_code_and_the_implicit_grant():
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    session = RequestsOauthlib(ID, redirect_uri=REDIRECT_URI, pkce="S256")
    url, _ = session.authorization_url(f"{URL}/authorize", device_id=DEVICE)
    answer = redirected(url)
    token = session.fetch_token(
        f"{URL}/token", authorization_response=answer, client_secret=SECRET
    )
    auth = requests.auth.HTTPBasicAuth(ID, SECRET)
    fresh = session.refresh_token(f"{URL}/token", token["refresh_token"], auth=auth)
    assert fresh["access_token"] == token["access_token"]
    spent = token["refresh_token"]
    raises(OauthlibInvalidGrant, session.refresh_token, f"{URL}/token", spent, auth=auth)

    from oauthlib.oauth2 import MobileApplicationClient

    implicit = RequestsOauthlib(
        client=MobileApplicationClient(ID), redirect_uri=REDIRECT_URI, scope=["login:info"]
    )
    url, _ = implicit.authorization_url(f"{URL}/authorize")
    token = implicit.token_from_fragment(redirected(url))
    assert token["expires_in"] == 31536000
    assert implicit.get(f"{URL}/info").json()["first_name"] == "Sandbox"


def django_allauth_logs_in():
    import django
    from django.conf import settings

    application = {"client_id": ID, "secret": SECRET}
    provider = {"APPS": [application], "SCOPE": ["login:email", "login:info"]}
    settings.configure(
        SECRET_KEY="x",
        ROOT_URLCONF="allauth.urls",
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "allauth",
            "allauth.account",
            "allauth.socialaccount",
            "allauth.socialaccount.providers.yandex",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        SOCIALACCOUNT_PROVIDERS={"yandex": provider},
        SOCIALACCOUNT_STORE_TOKENS=True,
        LOGIN_REDIRECT_URL="/in",
    )
    django.setup()
    from allauth.socialaccount.models import SocialToken
    from allauth.socialaccount.providers.yandex.views import YandexOAuth2Adapter
    from django.core.management import call_command
    from django.test import Client

    YandexOAuth2Adapter.authorize_url = f"{URL}/authorize"
    YandexOAuth2Adapter.access_token_url = f"{URL}/token"
    YandexOAuth2Adapter.profile_url = f"{URL}/info"
    call_command("migrate", verbosity=0)
    browser = Client(SERVER_NAME="127.0.0.1", SERVER_PORT="8000")
    asked = browser.post("/yandex/login/")
    assert asked.status_code == 302, asked.content
    answer = urlsplit(redirected(asked["Location"]))
    ended = browser.get(f"{answer.path}?{answer.query}")
    assert ended["Location"] == "/in", ended.content
    token = SocialToken.objects.get()
    assert user(token.token).json()["id"] == token.account.uid


if __name__ == "__main__":
    main()
