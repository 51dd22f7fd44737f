//! What a manual says beyond the help of the options.

/// When these pages were last gone through.
pub const DATE: &str = "2026-11-24";

pub const DESCRIPTION: &str = "\
`yandex-token` gets an OAuth token from Yandex, keeps it if told to, and hands it to a person, \
a script or another program. Standard output carries what was asked for and nothing else; \
everything for people goes to standard error.";

/// The statuses of `error::Kind`, and those that a shell gives a signal.
pub const EXIT_STATUS: [(&str, &str); 10] = [
    ("0", "Done."),
    ("1", "Anything not below."),
    (
        "2",
        "Usage: an option or a variable asks for what can't be.",
    ),
    ("3", "The user denied access."),
    ("4", "Timed out waiting for the user."),
    (
        "5",
        "The server refused: an OAuth error, named with its description.",
    ),
    (
        "6",
        "The server could not be reached, or did not answer as an OAuth server. Try again later.",
    ),
    (
        "7",
        "No usable token: none is saved, or it has expired and can't be refreshed. Log in.",
    ),
    (
        "8",
        "A fault on this machine: a port in use, a lock, a file, the disk.",
    ),
    (
        "129, 130, 143",
        "Hung up, interrupted, terminated: the process dies by the signal.",
    ),
];

pub fn exit_status(command: &str) -> &'static str {
    match command {
        "exec" => {
            "The program's own; 127 where it was not found, 126 where it can't be run. Without a \
             token the program never starts, and the status is one of those in yandex-token(1): 7 \
             where somebody must log in."
        }
        "sandbox" => "The program's own, or 128 and the number of the signal that ended it.",
        "status" => {
            "0, also where nothing is saved; 7 where the token that was named can be neither used \
             nor refreshed; 8 where a file can't be read. The others are in yandex-token(1)."
        }
        "completions" | "man" => "0, or one of those in yandex-token(1).",
        _ => {
            "0 when done, 2 for usage, 3 to 8 for what can go wrong: yandex-token(1) has the table."
        }
    }
}

/// A variable, what it does, and the options that it stands behind.
pub const VARIABLES: [(&str, &str, &[&str]); 12] = [
    (
        "YANDEX_CLIENT_ID",
        "The application ID, as --client-id.",
        &["client_id"],
    ),
    (
        "YANDEX_CLIENT_SECRET",
        "The application password itself. No option takes it, since arguments are visible to \
         every user of the machine.",
        &["client_secret_file"],
    ),
    (
        "YANDEX_CLIENT_SECRET_FILE",
        "A file with the application password, as --client-secret-file.",
        &["client_secret_file"],
    ),
    (
        "YANDEX_OAUTH_URL",
        "The authorization server, as --oauth-url.",
        &["oauth_url"],
    ),
    (
        "YANDEX_REDIRECT_URI",
        "The Redirect URI, as --redirect-uri.",
        &["tls_cert"],
    ),
    (
        "YANDEX_REFRESH_TOKEN",
        "A refresh token for `yandex-token refresh`, in place of a saved one.",
        &[],
    ),
    (
        "YANDEX_TOKEN_FILE",
        "The file with the saved token, as --token-file.",
        &["token_file"],
    ),
    (
        "YANDEX_TOKEN_PROFILE",
        "The name of the saved token, as --profile.",
        &["profile"],
    ),
    (
        "BROWSER",
        "The program that opens a URL, given as its one argument. Otherwise the desktop's \
         default; none where SSH_CONNECTION is set.",
        &["no_browser"],
    ),
    (
        "XDG_DATA_HOME",
        "Where the directory with the saved tokens is, if not in ~/.local/share.",
        &["profile"],
    ),
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The proxy, chosen as curl(1) does; also in small letters.",
        &["oauth_url"],
    ),
    (
        "SSL_CERT_FILE",
        "On Linux: the certificates to trust, in place of the system's.",
        &["oauth_url"],
    ),
];

pub const FILES: [(&str, &str); 2] = [
    (
        "~/.local/share/yandex-token/NAME.json",
        "A saved token, for you alone to read (mode 0600) and not encrypted: the access and the \
         refresh token, when it expires, the application and the server. While it is being \
         replaced, .NAME.json.tmp stands beside it. On macOS the directory is in \
         ~/Library/Application Support, on Windows in %APPDATA%.",
    ),
    (
        "~/.local/share/yandex-token/device-id",
        "A random name for this machine, sent with saved logins: Yandex revokes only tokens that \
         were issued to a device.",
    ),
];

pub const STANDARDS: &str = "\
RFC 6749 (OAuth 2.0), RFC 7636 (PKCE), RFC 8252 (native apps), RFC 8628 (device grant), \
RFC 7009 (revocation).";
