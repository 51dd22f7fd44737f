//! The blocks of docs/service-applications.md, in a sandbox that knows two
//! users.

use std::fs;

use crate::support::documents::{programs, shell};
use crate::support::files::install;
use crate::support::{Finished, Home, block, run};

/// Runs this as the script of the document's own sandbox.
fn runs(home: &Home, script: &str) -> Finished {
    programs(home, &[]);
    fs::write(home.path().join("secret.txt"), "s3cret").unwrap();
    install(home, "your-script", &format!("set -eu\n{script}"));
    let sandbox = "sandbox --client-id ID --client-secret-file secret.txt";
    let command = block("service-sandbox").replace("sandbox", sandbox);
    let done = run(shell(home, &command));
    assert_eq!(done.code, Some(0), "{done:#?}");
    done
}

#[test]
fn a_service_application_prints_a_users_token() {
    let script = format!("{}\nprintf %s \"$TOKEN\"", block("service-print"));
    let done = runs(&Home::new(), &script);
    assert!(done.stdout.starts_with("2."), "{done:#?}");
}

#[test]
fn a_saved_token_of_a_user_is_renewed_and_deleted() {
    let home = Home::new();
    let script = format!(
        "{}
        first=$TOKEN
        file=$XDG_DATA_HOME/yandex-token/ivan.json
        grep -q '\"account\":\"ivan\"' $file
        now=$(date +%s)
        # Due, and then expired; the client secret is the remembered one.
        unset YANDEX_CLIENT_SECRET
        for ends in $((now + 1700)) $((now - 1)); do
            sed -i \"s/\\\"issued_at\\\":[0-9]*/\\\"issued_at\\\":$((now - 1900))/
                s/\\\"expires_at\\\":[0-9]*/\\\"expires_at\\\":$ends/\" $file
            next=$(yandex-token token --profile ivan)
            case $next in $first) exit 9 ;; 2.*) first=$next ;; *) exit 9 ;; esac
        done
        yandex-token revoke --profile ivan
        test ! -e $file",
        block("service-save")
    );
    let done = runs(&home, &script);
    assert!(done.stderr.contains("until it expires"), "{done:#?}");
}

#[test]
fn each_user_gets_a_profile_and_one_that_is_unknown_is_reported() {
    let script = format!(
        "printf 'ivan@example.ru\\npetr@example.ru\\nmaria@example.ru\\n' >users.txt
        {}
        env -u YANDEX_TOKEN_FILE yandex-token status",
        block("service-all")
    );
    let done = runs(&Home::new(), &script);
    let profiles: Vec<_> = done
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split(' ').next())
        .collect();
    let expected = [Some("ivan@example.ru"), Some("maria@example.ru")];
    assert_eq!(profiles, expected, "{done:#?}");
    for text in [
        "no token for petr@example.ru",
        "unauthorized_client",
        "list of service applications",
    ] {
        assert!(done.stderr.contains(text), "{done:#?}");
    }
}
