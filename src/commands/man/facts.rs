//! What the manual says beyond the help of the options.

/// When the pages were last revised.
pub const DATE: &str = "2026-11-28";

pub const VARIABLES: &[(&str, &str)] = &[
    (
        "YANDEX_CLIENT_ID, YANDEX_OAUTH_URL, YANDEX_REDIRECT_URI, YANDEX_TOKEN_PROFILE, \
         YANDEX_TOKEN_FILE, YANDEX_CLIENT_SECRET_FILE",
        "Stand for --client-id, --oauth-url, --redirect-uri (for a login through the browser \
         only), --profile, --token-file and --client-secret-file. An option beats its variable; \
         an empty variable counts as unset.",
    ),
    (
        "YANDEX_CLIENT_SECRET",
        "The client secret itself. No option takes it, since arguments are visible to every user \
         of the machine.",
    ),
    (
        "YANDEX_REFRESH_TOKEN",
        "A refresh token for `yandex-token refresh`, in place of a saved one.",
    ),
    (
        "YANDEX_TOKEN_NO_RENEW",
        "1: `token` and `exec` never ask the server, as --no-renew.",
    ),
    (
        "BROWSER",
        "The command that opens a URL, or several, separated by colons; none opens nothing. \
         Otherwise the desktop's default; none where SSH_CONNECTION is set.",
    ),
    (
        "XDG_DATA_HOME",
        "The parent of the directory with the saved tokens, if not ~/.local/share.",
    ),
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy, chosen as curl(1) does; also in lower case.",
    ),
    (
        "SSL_CERT_FILE",
        "On Linux: the certificates to trust, in place of the system's.",
    ),
    ("NO_COLOR", "If set, nothing is in colour."),
];

pub const FILES: &[(&str, &str)] = &[(
    "~/.local/share/yandex-token/NAME.json",
    "A saved token, mode 0600 and not encrypted: the access and the refresh token, when it \
     expires, the application, the server, the options of its login. On macOS the directory is \
     in ~/Library/Application Support, on Windows in %APPDATA%. Beside it, .NAME.json.lock \
     is the lock and .NAME.json.tmp a new token that is being written.",
)];

pub const STANDARDS: &str = "RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), RFC 8252 (native apps), \
                             RFC 8628 (device grant), RFC 8693 (token exchange), RFC 7009 \
                             (revocation).";
