//! The pages in a real Chromium: clicked through, looked at by an
//! accessibility checker, left without a trace of the code.
#![cfg(target_os = "linux")]

use crate::support::browser::callback;
use crate::support::server::Server;
use crate::support::waiting::Waiting;
use crate::support::webdriver::Chromium;
use crate::support::{Home, Running, wait_for};

/// A sandbox, and a login that waits for its consent page to be answered.
fn waiting(home: &Home) -> (Running, Running, String, String) {
    let mut sandbox = Running::start(&mut home.command(&["sandbox"]));
    let [origin, id, _] = sandbox.sandbox_lines();
    let mut command = home.command(&["login", "--no-browser"]);
    command
        .args(["--redirect-uri", "http://127.0.0.1:0/"])
        .args(["--scope", "login:info cloud_api:disk.read"])
        .env("YANDEX_OAUTH_URL", &origin)
        .env("YANDEX_CLIENT_ID", id);
    let mut login = Running::start(&mut command);
    let url = login.url();
    (sandbox, login, url, origin)
}

#[test]
#[ignore = "needs chromium"]
fn the_consent_page_leads_to_the_page_that_says_what_happened() {
    for (language, scheme, decision, title, code) in [
        ("en-US,en", "light", "allow", "You are logged in", 0),
        ("ru-RU,ru", "dark", "allow", "Вход выполнен", 0),
        ("en-US,en", "dark", "deny", "Access was denied", 3),
        ("ru-RU,ru", "light", "deny", "В доступе отказано", 3),
    ] {
        let home = Home::new();
        let (_sandbox, login, url, origin) = waiting(&home);
        let chromium = Chromium::start(&home, language);
        chromium.scheme(scheme);
        chromium.width(320);
        chromium.open(&url);
        chromium.fits();
        chromium.click(&format!("button[value={decision}]"));
        chromium.wait_for_title(title);
        // Chromium and its spare connections are still there.
        assert_eq!(login.finish().code, Some(code));
        chromium.fits();
        let address = chromium.address();
        let listener = url::Url::parse(&address).unwrap().origin();
        let listener = listener.ascii_serialization();
        assert_eq!(address, format!("{listener}/"), "no code, no state");
        let history = chromium.devtools("Page.getNavigationHistory", &serde_json::json!({}));
        for entry in history["entries"].as_array().unwrap() {
            let url = entry["url"].as_str().unwrap();
            let is_ours = url.contains(&listener);
            assert!(
                !(url.contains("code=") || is_ours && url.contains('?')),
                "{url}"
            );
        }
        assert_eq!(chromium.console(), Vec::<serde_json::Value>::new());
        let mut expected = vec![origin, listener];
        expected.sort();
        let mut seen = chromium.origins();
        seen.retain(|origin| origin != "null");
        assert_eq!(seen, expected, "nothing is loaded from anywhere else");
    }
}

#[test]
#[ignore = "needs chromium"]
fn the_consent_page_is_answered_by_keyboard() {
    const TAB: &str = "\u{e004}";
    const ENTER: &str = "\u{e007}";
    for (keys, title, code) in [
        (format!("{TAB}{ENTER}"), "You are logged in", 0),
        (format!("{TAB}{TAB}{ENTER}"), "Access was denied", 3),
    ] {
        let home = Home::new();
        let (_sandbox, login, url, _) = waiting(&home);
        let chromium = Chromium::start(&home, "en");
        chromium.open(&url);
        chromium.keys(&keys);
        chromium.wait_for_title(title);
        assert_eq!(login.finish().code, Some(code));
    }
}

#[test]
#[ignore = "needs chromium"]
fn an_accessibility_checker_finds_nothing_on_any_page() {
    let home = Home::new();
    let (_sandbox, login, url, origin) = waiting(&home);
    let chromium = Chromium::start(&home, "ru");
    let check = |url: &str| {
        chromium.open(url);
        for width in [320, 640] {
            chromium.width(width);
            chromium.fits();
        }
        chromium.is_accessible();
    };
    check(&format!("{origin}/device"));
    check(&format!("{origin}/authorize?client_id=unknown"));
    check(&format!("{origin}/verification_code?code=1234567"));
    let wrong = callback(&url, &[]).replace("state=", "state=x");
    check(&wrong);
    check(&wrong.replace("/?", "/elsewhere?"));
    check(&url);
    chromium.click("button[value=allow]");
    chromium.wait_for_title("Вход выполнен");
    chromium.is_accessible();
    assert_eq!(login.finish().code, Some(0));

    for (answer, title) in [
        (&[("code", "1")][..], "Войти не удалось"),
        (&[("error", "access_denied")], "В доступе отказано"),
    ] {
        let error = r#"{"error":"invalid_grant","error_description":"Code has expired"}"#;
        let server = Server::json(400, error).idle();
        let login = Waiting::at(server, "http://127.0.0.1:0/", &[]);
        chromium.open(&callback(&login.url, answer));
        chromium.wait_for_title(title);
        chromium.fits();
        chromium.is_accessible();
    }
    let mut console = chromium.console();
    // A page that is refused is an error on the console by its nature.
    let is_refusal = |text: &str| text.contains("the server responded with");
    console.retain(|entry| !is_refusal(entry["message"].as_str().unwrap()));
    assert!(console.is_empty(), "{console:#?}");
}

#[test]
#[ignore = "needs chromium"]
fn a_test_that_fails_leaves_no_browser_behind() {
    let home = Home::new();
    let mut group = 0;
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let chromium = Chromium::start(&home, "en");
        group = chromium.driver.id();
        assert!(members(group) > 1, "Chromium is in the group of its driver");
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(failed.is_err());
    wait_for("all of them have ended", || members(group) == 0);
}

/// How many processes of a group are alive. In a container nobody may be
/// there to bury the others.
fn members(group: i32) -> usize {
    let stats = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.unwrap().path().join("stat")).ok()?;
        // Behind the name, which can hold anything: state, parent, group.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<_> = fields.split(' ').collect();
        Some(fields[0] != "Z" && fields[2] == group.to_string())
    });
    stats.filter(|&is_member| is_member).count()
}
