//! Programs that call an API, behind a proxy that leads to a fake one.

use std::path::Path;
use std::process::Command;

use crate::support::authority::{Authority, named};
use crate::support::documents::{programs, sandboxed};
use crate::support::proxy::Proxy;
use crate::support::server::{Request, Server, json};
use crate::support::{Finished, Home, block, run};

const HOSTS: [&str; 4] = [
    "cloud-api.yandex.net",
    "cloud-api.yandex.com",
    "api.tracker.yandex.net",
    "api360.yandex.net",
];

/// Of the root directory and of a file in it, as Disk answers.
const DISK: &str = r#"{"path": "disk:/", "type": "dir", "name": "disk", "_embedded": {
    "path": "disk:/", "limit": 1000, "offset": 0, "total": 1, "items": [{"path": "disk:/report.txt",
    "type": "file", "name": "report.txt", "size": 3, "created": "2026-11-28T00:00:00+00:00",
    "modified": "2026-11-28T00:00:00+00:00"}]}}"#;

/// What a block prints after the document's login, and what the API was asked.
fn calls(profile: &str, script: &str) -> (Finished, Vec<Request>, Home) {
    let (home, authority) = (Home::new(), Authority::new("Test CA"));
    let server = Server::over_tls(authority.server(named(&HOSTS)), |_| json(200, DISK));
    let proxy = Proxy::to(&server);
    programs(&home, &[]);
    let login = block("integrations-login").replace("disk", profile);
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/python/bin");
    let script = format!(
        "printenv YANDEX_CLIENT_SECRET >secret.txt
         {login}
         yandex-token token --profile {profile} >token
         export PATH={}:$PATH
         {script}",
        python.display()
    );
    let mut command: Command = sandboxed(&home, &script);
    command.env("HTTPS_PROXY", format!("http://127.0.0.1:{}", proxy.port));
    for name in ["CURL_CA_BUNDLE", "RCLONE_CA_CERT", "REQUESTS_CA_BUNDLE"] {
        command.env(name, authority.file(&home));
    }
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    (done, server.requests(), home)
}

/// Checks that the API was asked with the saved token in this header.
#[track_caller]
fn authorized(home: &Home, requests: &[Request]) {
    let token = std::fs::read_to_string(home.path().join("token")).unwrap();
    let header = format!("authorization: oauth {}\r\n", token.trim().to_lowercase());
    assert!(!requests.is_empty());
    for request in requests {
        assert!(request.head.to_lowercase().contains(&header), "{request:?}");
    }
}

#[test]
#[ignore = "needs curl"]
fn curl_asks_with_the_headers_that_an_api_expects() {
    let (done, requests, home) = calls("disk", &block("curl"));
    assert_eq!(done.stdout, DISK);
    authorized(&home, &requests);
    let (_, requests, home) = calls("tracker", &block("tracker"));
    authorized(&home, &requests);
    assert!(requests[0].head.contains("X-Org-ID: "), "{requests:?}");
}

#[test]
#[ignore = "needs rclone and jq"]
fn rclone_lists_a_remote_made_from_a_saved_token() {
    let (done, requests, home) = calls("disk", &block("rclone"));
    assert_eq!(done.stdout, "report.txt\n");
    authorized(&home, &requests);
    let left = home.files();
    assert!(!left.iter().any(|name| name.contains("rclone")), "{left:?}");
}

#[test]
#[ignore = "needs target/clients/python, see .ci/run"]
fn yadisk_lists_a_directory_with_the_token_of_its_environment() {
    let script = format!(
        "cat >list.py <<'E'\n{}E\n{}",
        block("yadisk"),
        block("exec")
    );
    let (done, requests, home) = calls("disk", &script);
    assert_eq!(done.stdout, "report.txt\n");
    authorized(&home, &requests);
}

#[test]
#[ignore = "needs curl"]
fn an_owner_registers_a_service_application() {
    let script = block("service-register")
        .replace("export YANDEX_OAUTH_URL=https://oauth.yandex.ru\n", "")
        .replace("MANAGER", "ID");
    let (_, requests, home) = calls("owner", &script);
    authorized(&home, &requests);
    let list = "POST /security/v1/org/ORG/service_applications";
    let starts = |request: &Request, more| request.head.starts_with(&format!("{list}{more} "));
    assert!(starts(&requests[0], "/activate"), "{requests:#?}");
    assert!(starts(&requests[1], ""), "{requests:#?}");
    let sent: serde_json::Value = serde_json::from_str(&requests[1].body).unwrap();
    assert_eq!(sent["applications"][0]["id"], "ID");
}
