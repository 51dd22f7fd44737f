"""An authorization server of django-oauth-toolkit: PKCE required, refresh
tokens rotated. Its paths are Yandex's, and every consent is given. Prints its
origin and serves.
"""

from wsgiref.simple_server import make_server

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[f"{__name__}.as_at_yandex"],
    OAUTH2_PROVIDER={"PKCE_REQUIRED": True, "ROTATE_REFRESH_TOKEN": True},
)
django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path
from oauth2_provider import views
from oauth2_provider.models import Application

urlpatterns = [
    path("authorize", views.AuthorizationView.as_view()),
    path("token", views.TokenView.as_view()),
    path("revoke_token", views.RevokeTokenView.as_view()),
]


def as_at_yandex(get_response):
    """The user is logged in, and a token is revoked by Yandex's parameter."""

    def middleware(request):
        request.user = User.objects.get()
        if "access_token" in request.POST:
            request.POST = request.POST.copy()
            request.POST["token"] = request.POST.pop("access_token")[0]
        return get_response(request)

    return middleware


def main():
    call_command("migrate", verbosity=0)
    User.objects.create_user("user")
    Application.objects.create(
        client_id="app",
        client_secret="s3cret",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris="http://127.0.0.1/",
        skip_authorization=True,
    )
    with make_server("127.0.0.1", 0, get_wsgi_application()) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    import sys

    sys.modules["django_server"] = sys.modules[__name__]
    main()
