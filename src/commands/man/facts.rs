//! What the manual says beyond the help of the options.

/// When the pages were last revised.
pub const DATE: &str = "2026-11-28";

pub const VARIABLES: &[(&str, &str)] = &[
    (
        "YANDEX_CLIENT_ID, YANDEX_OAUTH_URL, YANDEX_REDIRECT_URI, YANDEX_TOKEN_PROFILE, \
         YANDEX_TOKEN_FILE, YANDEX_CLIENT_SECRET_FILE",
        "Used where --client-id, --oauth-url, --redirect-uri (for a login through the browser \
         only), --profile, --token-file or --client-secret-file is not given. An empty variable \
         counts as unset.",
    ),
    (
        "YANDEX_CLIENT_SECRET",
        "The client secret itself. No option takes it, since other users can see a program's \
         arguments.",
    ),
    (
        "YANDEX_REFRESH_TOKEN",
        "A refresh token for `yandex-token refresh`, in place of a saved one.",
    ),
    (
        "YANDEX_TOKEN_NO_RENEW",
        "If it is 1, `token` and `exec` never ask the server, as with --no-renew.",
    ),
    (
        "BROWSER",
        "The command that opens a URL, or several to try, separated by colons; `none` opens no \
         browser. The default is the desktop's browser, or none if SSH_CONNECTION is set.",
    ),
    (
        "XDG_DATA_HOME",
        "The directory in which yandex-token/ with the saved tokens is. Default: ~/.local/share.",
    ),
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy, as for curl(1); also in lower case.",
    ),
    (
        "SSL_CERT_FILE",
        "On Linux, the certificate authorities to trust instead of the system's.",
    ),
    ("NO_COLOR", "If set, nothing is in colour."),
];

pub const FILES: &[(&str, &str)] = &[(
    "~/.local/share/yandex-token/NAME.json",
    "A saved token, mode 0600 and not encrypted: the access token, the refresh token, when it \
     expires, the application, the server, and the options of its login. The directory is in \
     ~/Library/Application Support on macOS, and in %APPDATA% on Windows. .NAME.json.lock beside \
     it is the lock, and .NAME.json.tmp a new token that is being written.",
)];

pub const STANDARDS: &str = "RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), RFC 8252 (native apps), \
                             RFC 8628 (device grant), RFC 8693 (token exchange), RFC 7009 \
                             (revocation).";
