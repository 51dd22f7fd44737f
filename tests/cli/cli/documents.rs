//! The blocks of README.md and docs/*.md, run as they are printed there, with
//! the sandbox in Yandex's place and stand-ins for the programs that tokens
//! are passed to.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::browser::{Reply, get, request};
use crate::support::documents::{PUBLIC, blocks, document, documents, programs, sandboxed, shell};
use crate::support::files::install;
use crate::support::{Home, Running, block, free_port, run, several_at_once};

/// What has been kept as a secret of a CI.
const KEPT: &str = "yandex-token login -q --device --format json -o got.json
    export YANDEX_TOKEN_JSON=$(cat got.json)";

const EXPIRED: &str = "yandex-token login -q --device --format json -o got.json
    export YANDEX_TOKEN_JSON=$(sed 's/\"expires_at\":[0-9]*/\"expires_at\":1/' got.json)";

const REFRESH_TOKEN: &str = "yandex-token login -q --device --format json -o got.json
    YANDEX_REFRESH_TOKEN=$(grep -Eo '1:[^\"]{99,}' got.json)";

const RUSSIAN_SERVER: &str = "export YANDEX_OAUTH_URL=https://oauth.yandex.ru\n";

const SAVED: &str = "yandex-token login -q --device --save";

/// Blocks that are run one after another, what comes before them, and what has
/// to be true after them. Standard output is in the file `stdout`.
const RUNS: &[(&[&str], &str, &str)] = &[
    (
        &["quick"],
        "",
        "test \"${TOKEN%%_*}\" = y0
         test \"$(cat curl.in)\" = \"Authorization: OAuth $TOKEN\"
         grep -qx 'curl -H @- https://cloud-api.yandex.net/v1/disk/' calls",
    ),
    (
        &["secret"],
        "echo $YANDEX_CLIENT_SECRET >secret.txt
         unset YANDEX_CLIENT_SECRET",
        "yandex-token refresh --profile job",
    ),
    (
        &["min-ttl", "revoke"],
        "yandex-token login -q --device --profile work
         printf '#!/bin/sh\necho $YANDEX_TOKEN\n' >long-job
         chmod +x long-job",
        "grep -q ^y0_ stdout
         if yandex-token token --profile work; then false; fi",
    ),
    (&["profile"], "", "test \"${TOKEN%%_*}\" = y0"),
    (&["completions"], "", "complete -p yandex-token"),
    (
        &["bootstrap"],
        "",
        "grep -q '\"refresh_token\":\"1:' gh.in
         grep -qx 'gh secret set YANDEX_TOKEN_JSON' calls
         test ! -e yandex.json",
    ),
    (
        &["job", "hand-back"],
        KEPT,
        "test \"$(cat stdout)\" = \"::add-mask::$TOKEN\"
         test \"$(cat github.env)\" = \"YANDEX_TOKEN=$TOKEN\"
         ls -l token.json | grep -q ^-rw-------
         test ! -e calls",
    ),
    (
        &["job", "hand-back"],
        EXPIRED,
        "cmp token.json gh.in
         test -z \"$(grep -F \"$(grep -Eo '1:[^\"]{99,}' got.json)\" gh.in)\"",
    ),
    (
        &["refresh-token"],
        REFRESH_TOKEN,
        "grep -q '^YANDEX_TOKEN=y0_' github.env
         grep -q '\"refresh_token\":\"1:' token.json",
    ),
    (
        &["gitlab"],
        SAVED,
        "test ! -s stdout
         grep -q '^YANDEX_TOKEN=y0_' token.env
         ls -l token.env | grep -q ^-rw-------",
    ),
    (
        &["pipes"],
        SAVED,
        "grep -q '^{\"access_token\":\"y0_' vault.in
         grep -q ^y0_ kubectl.in
         grep -q ^y0_ pass.in
         test $(wc -l <calls) = 3",
    ),
    (
        &["sandbox"],
        "printf '#!/bin/sh\nenv\n' >your-script
         chmod +x your-script",
        "grep -q ^YANDEX_OAUTH_URL= stdout
         grep ^YANDEX_CLIENT_ID= stdout | grep -v =ID$",
    ),
];

#[test]
fn the_blocks_do_what_the_documents_say() {
    several_at_once(4, RUNS.iter().collect(), |(names, before, after)| {
        let home = Home::new();
        programs(&home, &["gh", "vault", "kubectl", "pass", "curl"]);
        let texts: String = names.iter().map(|name| block(name)).collect();
        let no_secret = "test ! -e calls || test -z \"$(grep -e y0_ -e 1: calls)\"";
        let script = format!("exec >stdout\n{before}\n{texts}\n{after}\n{no_secret}");
        let mut command = sandboxed(&home, &script);
        let done = run({
            command.env("GITHUB_ENV", home.path().join("github.env"));
            command
        });
        assert_eq!(done.code, Some(0), "{names:?}: {done:#?}");
    });
}

#[test]
fn a_sandbox_is_served_for_other_programs() {
    let (home, port) = (Home::new(), free_port().to_string());
    programs(&home, &[]);
    fs::write(home.path().join("secret.txt"), "s3cret").unwrap();
    let script = format!("exec {}", block("serve").replace("8888", &port));
    let lines = Running::start(&mut shell(&home, &script)).sandbox_lines();
    assert_eq!(
        lines,
        [&*format!("http://127.0.0.1:{port}"), "app", "s3cret"]
    );
}

#[test]
fn a_second_redirect_uri_is_used_where_the_first_ones_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    programs(&home, &[]);
    let script = block("ports")
        .replace("8000", &taken.local_addr().unwrap().port().to_string())
        .replace("8001", &free_port().to_string());
    let done = run(sandboxed(&home, &script));
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
}

/// A login at a public address, whose start link `ask` opens: what a request
/// of a browser to that address, with a cookie, is answered.
fn public(home: &Home, script: &str, ask: impl Fn(&str, &str) -> Reply) {
    programs(home, &[]);
    let mut running = Running::start(&mut sandboxed(home, script));
    let link = running.line("start=").trim().to_owned();
    let begun = ask(&link, "");
    let cookie = begun.header("Set-Cookie").unwrap().split(';').next();
    let cookie = format!("Cookie: {}", cookie.unwrap());
    let consent = get(begun.header("Location").unwrap());
    let ended = ask(consent.header("Location").unwrap(), &cookie);
    let page = ask(ended.header("Location").unwrap(), &cookie);
    assert!(page.body.contains("You are logged in"), "{page:#?}");
    let done = running.finish();
    assert!(done.stdout.starts_with("y0_"), "{done:#?}");
}

#[test]
fn a_public_address_ends_the_login_that_its_start_link_began() {
    let (home, port) = (Home::new(), free_port());
    let script = block("public").replace(":8000", &format!(":{port}"));
    // What a proxy passes on.
    public(
        &home,
        &(script + "yandex-token token --profile site"),
        |url, cookie| {
            let target = url.strip_prefix(PUBLIC).expect(url);
            let url = format!("http://127.0.0.1:{port}/{target}");
            let headers = format!("Host: site.ru\r\n{cookie}\r\n");
            request("GET", &url, headers.trim_start(), "")
        },
    );
}

#[test]
#[ignore = "needs openssl and curl"]
fn a_public_address_needs_no_proxy() {
    use crate::support::public::{certificate, curl};

    let (home, port) = (Home::new(), free_port());
    certificate(&home, "cert");
    let certificates = "cp cert.pem fullchain.pem; cp cert.key privkey.pem";
    let command = block("public-tls").replace(":443", &format!(":{port}"));
    public(&home, &format!("{certificates}\n{command}"), |url, _| {
        curl(&home, port, url, &[])
    });
}

#[test]
#[ignore = "needs curl"]
fn a_script_is_tested_against_the_sandbox_as_in_the_workflow() {
    let workflow = block("report-workflow");
    let (_, steps) = workflow.split_once("yandex-token\n").unwrap();
    let steps = steps.replace("- run: |", "").replace("- run: ", "");
    assert_eq!(steps.matches("sandbox").count(), 2, "{steps}");
    let home = Home::new();
    programs(&home, &[]);
    for (name, recipe) in [("report.sh", "report"), ("test.sh", "report-test")] {
        install(&home, name, &block(recipe));
    }
    let done = run(shell(&home, &steps));
    assert_eq!(done.code, Some(0), "{done:#?}");
}

/// What the action does, `actions` tests.
#[test]
fn the_workflow_uses_the_action_by_the_names_that_it_has() {
    let (action, workflow) = (document("action.yml"), block("action"));
    let (_, with) = workflow.split_once("    with:\n").unwrap();
    let inputs = with.lines().map_while(|line| line.strip_prefix("      "));
    let outputs = workflow.split("steps.yandex.outputs.").skip(1);
    for name in inputs.chain(outputs) {
        let name = name.split([':', ' ', '\n']).next().unwrap();
        assert!(action.contains(&format!("\n  {name}:\n")), "{name}");
    }
}

/// The tests' own sources.
fn sources() -> Vec<String> {
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli")];
    let mut found = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => dirs.push(path),
                false => found.push(fs::read_to_string(path).unwrap()),
            }
        }
    }
    found
}

#[test]
fn every_block_is_run_by_a_test() {
    let mut tests = sources();
    tests.retain(|source| source.contains("block("));
    let (tests, ci) = (tests.concat(), document(".ci/run"));
    for path in documents() {
        for block in blocks(&path) {
            let Some(name) = block.name() else {
                assert_eq!(block.language, "text", "{path}: {block:#?} has no name");
                continue;
            };
            let in_ci = path == "README.md" && ci.contains(&format!("recipe {name} "));
            let is_run = tests.contains(&format!("\"{name}\"")) || in_ci;
            assert!(is_run, "{path}: {name} is run by nothing");
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let (tests, security) = (sources().concat(), document("SECURITY.md"));
    let names = security.split('`').skip(1).step_by(2);
    let names: Vec<_> = names.filter(|name| name.matches('_').count() > 3).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("fn {name}()")), "{name}");
    }
}

#[test]
fn the_russian_documents_have_the_same_blocks() {
    for path in documents() {
        let russian = match path.strip_prefix("docs/") {
            Some(name) => format!("docs/ru/{name}"),
            None => "README.ru.md".to_owned(),
        };
        let mut found = blocks(&russian);
        // The server of Russian readers is set once, and has no mark.
        if let Some(at) = found.iter().position(|block| block.text == RUSSIAN_SERVER) {
            found.remove(at);
        }
        assert_eq!(found, blocks(&path), "{russian}");
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let all = documents().into_iter().flat_map(|path| {
        let russian = path
            .replace("docs/", "docs/ru/")
            .replace("README", "README.ru");
        [path, russian]
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = all.chain(["SECURITY.md".into(), "CONTRIBUTING.md".into()]);
    for path in all {
        let text = document(&path);
        let links = ["](", "src=\"", "srcset=\""].map(|open| text.split(open).skip(1));
        for link in links.into_iter().flatten() {
            let link = link.split([')', '"']).next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let there = match file {
                "" => root.join(&path),
                file => root.join(&path).with_file_name(file),
            };
            assert!(there.exists(), "{path}: {link}");
            if !section.is_empty() {
                let text = fs::read_to_string(there).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| anchor(line) == section),
                    "{path}: {link}"
                );
            }
        }
    }
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
        .collect()
}
