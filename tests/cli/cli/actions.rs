//! What runs in other people's CI: the steps of the GitHub action and of the
//! GitLab example, in bash as a runner starts it, with the sandbox in Yandex's
//! place.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::server::{Server, http};
use crate::support::{BINARY, Finished, Home, mode, run};

const ACTION: &str = include_str!("../../../action.yml");
const GITLAB: &str = include_str!("../../../examples/gitlab-ci.yml");

/// The YAML below a key, without its indentation: a block, or what follows it
/// on its line.
fn below(yaml: &str, key: &str) -> String {
    let (before, rest) = yaml.split_once(key).expect(key);
    let indent = before.len() - before.rfind('\n').unwrap() - 1;
    let (first, rest) = rest.split_once('\n').unwrap();
    let deeper = |line: &&str| line.trim().is_empty() || line.starts_with(&" ".repeat(indent + 1));
    let lines: Vec<_> = rest.lines().take_while(deeper).collect();
    let margin = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min();
    match (first.trim(), margin) {
        ("" | "|", Some(margin)) => lines
            .iter()
            .map(|line| format!("{}\n", line.get(margin..).unwrap_or_default()))
            .collect(),
        (first, _) => first.to_owned(),
    }
}

/// A step of the action, from its name on.
fn step(name: &str) -> &'static str {
    let start = ACTION.find(&format!("- name: {name}\n")).expect(name);
    let rest = &ACTION[start..];
    let end = rest[1..].find("- name: ").map_or(rest.len(), |at| at + 1);
    &rest[..end]
}

/// The variables of a step, by the input that each takes its value from.
fn inputs() -> BTreeMap<String, String> {
    below(step("Mint a token"), "env:")
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let input = value.strip_prefix("${{ inputs.").unwrap();
            let input = input.strip_suffix(" }}").unwrap();
            (input.to_owned(), name.to_owned())
        })
        .collect()
}

/// What a person has done once, and kept as a secret.
const LOGIN: &str = "
    yandex-token login -q --device --device-id ci-pipeline-1 --format json -o got.json
    got=$(cat got.json)
    refresh_token=$(sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/' got.json)\n";

/// A runner's files, and the step's end.
struct Job {
    home: Home,
    done: Finished,
}

impl Job {
    /// Runs both steps with these inputs, which are shell words in which
    /// `got` is what a login has answered.
    fn run(prepare: &str, given: &[(&str, &str)]) -> Job {
        let home = Home::new();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(BINARY, bin.join("yandex-token")).unwrap();
        for name in ["Install yandex-token", "Mint a token"] {
            let script = below(step(name), "run:");
            fs::write(home.path().join(name), script).unwrap();
        }
        let mut script = String::from("set -eu\n");
        if given.iter().any(|(_, value)| value.starts_with("\"$")) {
            script.push_str(LOGIN);
        }
        script.push_str(&format!("{prepare}\n"));
        for (input, name) in inputs() {
            let value = given.iter().find(|(given, _)| *given == input);
            let value = value.map_or_else(
                || match input.as_str() {
                    "client-secret" => "\"$YANDEX_CLIENT_SECRET\"",
                    "client-id" => "\"$YANDEX_CLIENT_ID\"",
                    "oauth-url" => "\"$YANDEX_OAUTH_URL\"",
                    _ => "''",
                },
                |(_, value)| value,
            );
            script.push_str(&format!("export {name}={value}\n"));
        }
        script.push_str(
            "unset YANDEX_TOKEN_FILE
            for step in 'Install yandex-token' 'Mint a token'; do
                bash --noprofile --norc -eo pipefail \"$step\"
            done",
        );
        let mut command = home.command(&["sandbox", "--", "bash", "-c", &script]);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("RUNNER_TEMP", home.path());
        for name in ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH"] {
            fs::write(home.path().join(name), "").unwrap();
            command.env(name, home.path().join(name));
        }
        let done = run(command);
        Job { home, done }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    fn output(&self, name: &str) -> Option<String> {
        let outputs = self.read("GITHUB_OUTPUT");
        let mut pairs = outputs.lines().map(|line| line.split_once('=').unwrap());
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    }

    /// What a login had answered, or a file that holds the like.
    fn json(&self, path: impl AsRef<Path>) -> Value {
        let path: PathBuf = self.home.path().join(path);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Checks that the log masks these and shows them nowhere else.
    #[track_caller]
    fn masks(&self, secrets: &[&str]) {
        let log = format!("{}{}", self.done.stdout, self.done.stderr);
        for secret in secrets {
            let mask = format!("::add-mask::{secret}");
            assert!(log.lines().any(|line| line == mask), "{secret}: {log}");
        }
        let others = log.lines().filter(|line| !line.starts_with("::add-mask::"));
        for line in others {
            let shown = secrets.iter().any(|secret| line.contains(secret));
            assert!(!shown, "{line}");
        }
    }
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap()
}

const EXPIRED: &str = "got=$(sed 's/\"expires_at\":[0-9]*/\"expires_at\":1/' got.json)";

const DUE: &str = "got=$(sed 's/\"issued_at\":[0-9]*/\"issued_at\":1/' got.json)";

#[test]
fn a_due_token_is_renewed_only_where_the_new_secret_is_handed_back() {
    let given = ("token-json", "\"$got\"");
    for (inputs, rotated) in [
        (&[given][..], None),
        (&[given, ("hand-back", "true")], Some("true")),
    ] {
        let job = Job::run(DUE, inputs);
        assert_eq!(job.done.code, Some(0), "{:#?}", job.done);
        assert_eq!(job.output("rotated").as_deref(), rotated);
    }
}

#[test]
fn a_good_token_is_masked_and_handed_on_and_the_secret_stays() {
    let job = Job::run("", &[("token-json", "\"$got\""), ("export-as", "MY_TOKEN")]);
    assert_eq!(job.done.code, Some(0), "{:#?}", job.done);
    let got = job.json("got.json");
    let token = text(&got, "access_token");
    job.masks(&[token, text(&got, "refresh_token")]);
    assert_eq!(job.read("GITHUB_OUTPUT"), format!("token={token}\n"));
    assert_eq!(job.read("GITHUB_ENV"), format!("MY_TOKEN={token}\n"));
    assert_eq!(job.read("GITHUB_PATH"), "", "it was installed already");
}

#[test]
fn an_expired_token_is_refreshed_and_the_new_secret_is_in_a_private_file() {
    let given = ("token-json", "\"$got\"");
    let alone = Job::run(EXPIRED, &[given]);
    assert_eq!(alone.done.code, Some(7), "{:#?}", alone.done);
    assert_eq!(alone.read("GITHUB_OUTPUT"), "", "nothing is spent");
    let job = Job::run(EXPIRED, &[given, ("hand-back", "true")]);
    assert_eq!(job.done.code, Some(0), "{:#?}", job.done);
    let file = job.output("secret-file").unwrap();
    assert_eq!(mode(Path::new(&file)), 0o600);
    let (old, new) = (job.json("got.json"), job.json(&file));
    assert_ne!(
        old["refresh_token"], new["refresh_token"],
        "the rotated one"
    );
    let token = text(&new, "access_token");
    job.masks(&[
        token,
        text(&old, "refresh_token"),
        text(&new, "refresh_token"),
    ]);
    assert_eq!(job.output("token").unwrap(), token);
    assert_eq!(job.output("rotated").unwrap(), "true");
    assert_eq!(job.read("GITHUB_ENV"), "", "nobody asked for a variable");
}

#[test]
fn a_refresh_token_alone_is_exchanged_and_its_successor_handed_back() {
    let job = Job::run("", &[("refresh-token", "\"$refresh_token\"")]);
    assert_eq!(job.done.code, Some(0), "{:#?}", job.done);
    let file = job.output("secret-file").unwrap();
    assert_eq!(mode(Path::new(&file)), 0o600);
    let next = fs::read_to_string(&file).unwrap();
    let got = job.json("got.json");
    let old = text(&got, "refresh_token");
    assert!(next.starts_with("1:") && next.trim() != old, "{next}");
    job.masks(&[&job.output("token").unwrap(), old, next.trim()]);
    assert_eq!(job.output("rotated").unwrap(), "true");
}

#[test]
fn a_refused_refresh_fails_the_step_and_hands_nothing_on() {
    let spent = "got=$(sed 's/\"expires_at\":[0-9]*/\"expires_at\":1/
            s/\"refresh_token\":\"[^\"]*\"/\"refresh_token\":\"1:spent\"/' got.json)";
    let given = [
        ("token-json", "\"$got\""),
        ("hand-back", "true"),
        ("export-as", "MY_TOKEN"),
    ];
    let json = Job::run(spent, &given);
    let alone = Job::run(
        "",
        &[("refresh-token", "1:spent"), ("export-as", "MY_TOKEN")],
    );
    for job in [json, alone] {
        assert_eq!(job.done.code, Some(7), "{:#?}", job.done);
        assert_eq!(job.read("GITHUB_OUTPUT") + &job.read("GITHUB_ENV"), "");
        job.masks(&["1:spent"]);
    }
}

#[test]
fn a_rotated_secret_is_handed_back_even_where_the_step_fails_after_that() {
    let full = "ln -sf /dev/full GITHUB_ENV\n";
    let given = [
        ("token-json", "\"$got\""),
        ("hand-back", "true"),
        ("export-as", "MY_TOKEN"),
    ];
    let job = Job::run(&format!("{EXPIRED}\n{full}"), &given);
    assert_eq!(job.done.code, Some(1), "{:#?}", job.done);
    assert_eq!(job.output("rotated").unwrap(), "true");
    let new = job.json(job.output("secret-file").unwrap());
    job.masks(&[text(&new, "refresh_token")]);
}

#[test]
fn an_input_that_is_no_token_is_refused_and_never_run() {
    for given in [
        &[][..],
        &[("token-json", "x"), ("refresh-token", "y")],
        &[("refresh-token", "x"), ("export-as", "'a b'")],
        &[("refresh-token", "x"), ("export-as", "'A;touch ran'")],
        &[
            ("refresh-token", "'$(touch ran)'"),
            ("min-ttl", "'$(touch ran)'"),
        ],
        &[
            ("token-json", "'`touch ran`'"),
            ("min-ttl", "'; touch ran'"),
        ],
    ] {
        let job = Job::run("", given);
        assert_ne!(job.done.code, Some(0), "{given:?} {:#?}", job.done);
        assert_eq!(job.read("GITHUB_OUTPUT") + &job.read("GITHUB_ENV"), "");
        assert!(!job.home.path().join("ran").exists(), "{given:?}");
    }
    // Nothing is put into a script before bash reads it.
    for name in ["Install yandex-token", "Mint a token"] {
        assert!(!below(step(name), "run:").contains("${{"), "{name}");
    }
    let declared = below(ACTION, "\ninputs:");
    for input in inputs().keys() {
        assert!(declared.contains(&format!("{input}:\n")), "{input}");
    }
}

/// The lines of the GitLab example as GitLab runs them.
fn gitlab_script() -> String {
    let mut script = String::from("set -eo pipefail\n");
    let mut block = false;
    for line in below(GITLAB, "before_script:").lines() {
        match line.strip_prefix("- ") {
            Some("|") => block = true,
            Some(command) => {
                block = false;
                script.push_str(&format!("{command}\n"));
            }
            None if block => script.push_str(&format!("{line}\n")),
            None => assert!(line.starts_with('#'), "{line}"),
        }
    }
    script
}

#[test]
#[ignore = "needs curl"]
fn a_gitlab_job_has_the_token_and_keeps_a_rotated_refresh_token() {
    for (prepare, puts) in [("", 0), (EXPIRED, 1)] {
        let home = Home::new();
        let server = Server::start(|_| http(200, "", b"{}")).idle();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(BINARY, bin.join("yandex-token")).unwrap();
        let script = format!(
            "set -eu
            {LOGIN}
            {prepare}
            printf '%s\\n' \"$got\" >variable
            export YANDEX_TOKEN_JSON=$PWD/variable
            {}
            printf %s \"$YANDEX_TOKEN\" >job-has",
            gitlab_script()
        );
        let mut command = home.command(&["sandbox", "--", "bash", "-c", &script]);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command
            .env("PATH", path)
            .env("GITLAB_API_TOKEN", "glpat-1")
            .env("CI_API_V4_URL", &server.origin)
            .env("CI_PROJECT_ID", "17");
        let done = run(command);
        assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{done:#?}");
        let token = fs::read_to_string(home.path().join("job-has")).unwrap();
        assert!(token.starts_with("y0_"), "{token}");
        let requests = server.requests();
        assert_eq!(requests.len(), puts, "{requests:#?}");
        for request in requests {
            let to = "PUT /projects/17/variables/YANDEX_TOKEN_JSON HTTP/1.1\r\n";
            assert!(request.head.starts_with(to), "{request:#?}");
            assert!(request.head.contains("PRIVATE-TOKEN: glpat-1\r\n"));
            assert!(request.body.contains(&token), "{request:#?}");
        }
        let left: Vec<_> = home
            .files()
            .into_iter()
            .filter(|name| name.starts_with("tmp/"))
            .collect();
        assert_eq!(left, [""; 0], "no copy of the secret stays");
    }
}
