//! What runs in other people's CI: the steps of the GitHub action and of the
//! GitLab example, in bash as a runner starts it, with the sandbox in Yandex's
//! place.

use std::fs;

use crate::support::documents::{document, programs, sandboxed};
use crate::support::server::{Server, http};
use crate::support::{Home, run, several_at_once};

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
fn step(name: &str) -> String {
    let action = document("action.yml");
    let (_, rest) = action.split_once(&format!("- name: {name}\n")).expect(name);
    rest.split("- name: ").next().unwrap().to_owned()
}

/// The variables of the second step, each with the input that it is set to.
fn variables() -> Vec<(String, String)> {
    let pairs = below(&step("Mint a token"), "env:");
    let pairs = pairs.lines().map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let input = value.strip_prefix("${{ inputs.").unwrap();
        let input = input.strip_suffix(" }}").unwrap();
        (name.to_owned(), input.to_owned())
    });
    pairs.collect()
}

/// What a person has done once: `got` is the secret that is kept.
const LOGIN: &str = "
    yandex-token login -q --device --device-id ci-pipeline-1 --format json -o got.json
    got=$(cat got.json)";

const DUE: &str = "got=$(sed 's/\"issued_at\":[0-9]*/\"issued_at\":1/' got.json)";

const EXPIRED: &str = "got=$(sed 's/\"expires_at\":[0-9]*/\"expires_at\":1/' got.json)";

const SPENT: &str = "got=$(sed 's/\"expires_at\":[0-9]*/\"expires_at\":1/
    s/\"refresh_token\":\"[^\"]*\"/\"refresh_token\":\"1:spent\"/' got.json)";

/// For what is checked after the steps. `masks` is true where the log masks
/// these and shows them nowhere else.
const FUNCTIONS: &str = "
    output() { sed -n \"s/^$1=//p\" output; }
    member() { sed -n 's/.*\"'$1'\":\"\\([^\"]*\\)\".*/\\1/p' \"$2\"; }
    masks() {
        for secret; do
            grep -qxF \"::add-mask::$secret\" log
            test -z \"$(grep -v ^::add-mask:: log | grep -F \"$secret\")\"
        done
    }";

/// Inputs (`token-json` is `token_json` here), the exit status of the steps,
/// and what has to be true after them.
const JOBS: &[(&[&str], i32, &str)] = &[
    // A good token is masked and passed on, and the secret stays.
    (
        &["token_json=$got export_as=MY_TOKEN"],
        0,
        "token=$(member access_token got.json)
         masks \"$token\" \"$(member refresh_token got.json)\"
         test \"$(cat output)\" = \"token=$token\"
         test \"$(cat env)\" = \"MY_TOKEN=$token\"
         test ! -s path",
    ),
    // A due one is renewed only where the new secret is handed back.
    (
        &[DUE, "token_json=$got"],
        0,
        "test -z \"$(output rotated)\"",
    ),
    (
        &[DUE, "token_json=$got hand_back=true"],
        0,
        "test $(output rotated) = true",
    ),
    // An expired one is refreshed, and the new secret is in a private file.
    (&[EXPIRED, "token_json=$got"], 7, "test ! -s output"),
    (
        &[EXPIRED, "token_json=$got hand_back=true"],
        0,
        "file=$(output secret-file)
         ls -l \"$file\" | grep -q ^-rw-------
         test $(output rotated) = true
         test $(output token) = $(member access_token \"$file\")
         old=$(member refresh_token got.json) new=$(member refresh_token \"$file\")
         test \"$old\" != \"$new\"
         masks \"$(output token)\" \"$old\" \"$new\"
         test ! -s env",
    ),
    // Also where the step fails after that.
    (
        &[
            EXPIRED,
            "rm env; mkdir env",
            "token_json=$got hand_back=true export_as=MY_TOKEN",
        ],
        1,
        "test $(output rotated) = true
         masks \"$(member refresh_token \"$(output secret-file)\")\"",
    ),
    // A refresh token alone is exchanged, and its successor handed back.
    (
        &["refresh_token=$(member refresh_token got.json)"],
        0,
        "file=$(output secret-file)
         ls -l \"$file\" | grep -q ^-rw-------
         test $(output rotated) = true
         grep -q ^1: \"$file\"
         test \"$(cat \"$file\")\" != \"$refresh_token\"
         masks \"$(output token)\" \"$refresh_token\" \"$(cat \"$file\")\"",
    ),
    // A refused refresh fails the step, which passes nothing on.
    (
        &[SPENT, "token_json=$got hand_back=true export_as=MY_TOKEN"],
        7,
        "masks 1:spent; cat output env >all; test ! -s all",
    ),
    (
        &["refresh_token=1:spent export_as=MY_TOKEN"],
        7,
        "masks 1:spent; cat output env >all; test ! -s all",
    ),
    // An input that can't be is refused, and never run.
    (&[], 2, "test ! -s output"),
    (&["token_json=x refresh_token=y"], 2, "test ! -s output"),
    (&["refresh_token=x export_as='a b'"], 2, "test ! -s output"),
    (
        &["refresh_token=x export_as='A;touch ran'"],
        2,
        "test ! -s output; test ! -e ran",
    ),
    (
        &["refresh_token='$(touch ran)' min_ttl='$(touch ran)'"],
        7,
        "test ! -s output; test ! -e ran",
    ),
    (
        &["token_json='`touch ran`' min_ttl='; touch ran'"],
        2,
        "test ! -s output; test ! -e ran",
    ),
];

#[test]
fn the_action_masks_what_it_passes_on_and_loses_no_refresh_token() {
    let exports: String = variables()
        .iter()
        .map(|(name, input)| format!("export {name}=\"${{{}-}}\"\n", input.replace('-', "_")))
        .collect();
    several_at_once(4, JOBS.iter().collect(), |(inputs, code, after)| {
        let home = Home::new();
        programs(&home, &[]);
        for name in ["Install yandex-token", "Mint a token"] {
            fs::write(home.path().join(name), below(&step(name), "run:")).unwrap();
        }
        let inputs = inputs.join("\n");
        let script = format!(
            "{LOGIN}
            {FUNCTIONS}
            touch output env path
            client_id=$YANDEX_CLIENT_ID client_secret=$YANDEX_CLIENT_SECRET
            oauth_url=$YANDEX_OAUTH_URL
            {inputs}
            {exports}
            export GITHUB_OUTPUT=output GITHUB_ENV=env GITHUB_PATH=path RUNNER_TEMP=$PWD
            unset YANDEX_TOKEN_FILE
            runner='bash --noprofile --norc -eo pipefail'
            code=0
            {{ $runner 'Install yandex-token' && $runner 'Mint a token'; }} >log 2>&1 || code=$?
            cat log >&2
            test $code = {code}
            {after}"
        );
        let done = run(sandboxed(&home, &script));
        assert_eq!(done.code, Some(0), "{inputs}: {done:#?}");
    });
}

#[test]
fn no_input_is_put_into_a_script() {
    for name in ["Install yandex-token", "Mint a token"] {
        assert!(!below(&step(name), "run:").contains("${{"), "{name}");
    }
    let declared = below(&document("action.yml"), "\ninputs:");
    for (_, input) in variables() {
        assert!(declared.contains(&format!("{input}:\n")), "{input}");
    }
}

/// The lines of the GitLab example as GitLab runs them.
fn gitlab_script() -> String {
    let example = document("examples/gitlab-ci.yml");
    let script = below(&example, "before_script:");
    script.replace("- |\n", "").replace("\n- ", "\n")
}

#[test]
#[ignore = "needs curl"]
fn a_gitlab_job_has_the_token_and_keeps_a_rotated_refresh_token() {
    for (prepare, puts) in [("", 0), (EXPIRED, 1)] {
        let home = Home::new();
        programs(&home, &[]);
        let server = Server::start(|_| http(200, "", b"{}")).idle();
        let script = format!(
            "{LOGIN}
            {prepare}
            printf '%s\\n' \"$got\" >variable
            export YANDEX_TOKEN_JSON=$PWD/variable
            {}
            printf %s \"$YANDEX_TOKEN\" >job-has",
            gitlab_script().trim_start_matches("- ")
        );
        let mut command = sandboxed(&home, &script);
        command
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
