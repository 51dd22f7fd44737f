//! What another user of the machine may and may not do. Run as root, which
//! becomes that user.

use std::fs;

use crate::support::browser::answer;
use crate::support::files::chmod;
use crate::support::files::{as_nobody, give};
use crate::support::login::refused;
use crate::support::login::{ANSWER, TOKEN, complete, login, with_browser};
use crate::support::server::Server;
use crate::support::{Home, Running, mode};

#[test]
#[ignore = "needs another user account"]
fn a_directory_that_may_not_be_written_is_refused_before_a_browser_opens() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    fs::create_dir(home.path().join("closed")).unwrap();
    for option in ["-o", "--token-file"] {
        for bits in [0o755, 0o700] {
            chmod(&home.path().join("closed"), bits);
            let arguments = with_browser(&server, &[option, "closed/out"]);
            let command = as_nobody(&home, "", &arguments);
            refused(&home, command, "closed");
        }
    }
}

#[test]
#[ignore = "needs another user account"]
fn a_file_of_another_user_under_the_temporary_name_is_refused() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let shared = home.path().join("shared");
    fs::create_dir(&shared).unwrap();
    chmod(&shared, 0o1777);
    let planted = shared.join(".token.tmp");
    fs::write(&planted, "theirs").unwrap();
    chmod(&planted, 0o666);
    let arguments = with_browser(&server, &["--token-file", "shared/token"]);
    refused(&home, as_nobody(&home, "", &arguments), "shared");
    assert_eq!(fs::read_to_string(&planted).unwrap(), "theirs");
}

#[test]
#[ignore = "needs another user account"]
fn a_directory_that_closes_meanwhile_is_a_token_kept_elsewhere() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let dir = home.path().join("dir");
    fs::create_dir(&dir).unwrap();
    give(&dir);
    let arguments = login(&server, &["--token-file", "dir/out"]);
    let mut running = Running::start(&mut as_nobody(&home, "", &arguments));
    let url = running.url();
    chmod(&dir, 0o555);
    answer(&url, &[("code", "1234567")]);
    let done = running.finish();
    done.fails(8, "dir/out").hides(&[TOKEN]);
    let kept: Vec<_> = fs::read_dir(home.path().join("tmp")).unwrap().collect();
    assert_eq!(kept.len(), 1, "{done:#?}");
    let kept = kept[0].as_ref().unwrap().path();
    assert!(done.stderr.contains(kept.to_str().unwrap()), "{done:#?}");
    assert_eq!(mode(&kept), 0o600);
    assert!(fs::read_to_string(&kept).unwrap().contains(TOKEN));
}

/// Logs in as nobody, to every place, under this umask.
#[track_caller]
fn saves_under(umask: &str) {
    for (options, file) in [
        (["-o", "out"], "out"),
        (["--token-file", "out"], "out"),
        (["--profile", "out"], "data/yandex-token/out.json"),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
        let arguments = login(&server, &options);
        let before = format!("umask {umask}");
        let done = complete(as_nobody(&home, &before, &arguments));
        assert_eq!(done.code, Some(0), "{file}: {done:#?}");
        assert_eq!(mode(&home.path().join(file)), 0o600, "{file}");
    }
}

#[test]
#[ignore = "needs another user account"]
fn an_ordinary_user_saves_under_an_ordinary_umask() {
    for umask in ["000", "022", "077"] {
        saves_under(umask);
    }
}

#[test]
#[ignore = "needs another user account"]
fn an_ordinary_user_saves_under_a_umask_that_forbids_everything() {
    saves_under("0777");
}
