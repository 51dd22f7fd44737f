//! A real Chromium, driven over the WebDriver protocol.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{Home, TIMEOUT, free_port, wait_for};

pub struct Chromium {
    pub driver: Group,
    session: String,
}

/// A program with all that it started, gone when it is dropped.
pub struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Group {
        let child = command.process_group(0).spawn();
        Group(child.expect("chromedriver is there"))
    }

    /// The process group.
    pub fn id(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.id()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Chromium {
    /// A new browser that asks for pages in this language.
    pub fn start(home: &Home, language: &str) -> Chromium {
        Chromium::with(home, language, &[])
    }

    /// With more arguments for Chromium itself.
    pub fn with(home: &Home, language: &str, more: &[&str]) -> Chromium {
        let port = free_port();
        let driver = Group::start(
            Command::new("chromedriver")
                .arg(format!("--port={port}"))
                .env("HOME", home.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        let origin = format!("http://127.0.0.1:{port}");
        wait_for("chromedriver listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let mut chromium = Chromium {
            driver,
            session: format!("{origin}/session"),
        };
        let profile = format!("--user-data-dir={}", home.path().join("profile").display());
        let usual = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
            --disable-background-networking --disable-component-update --disable-sync";
        let arguments = usual.split_whitespace().chain([&*profile]);
        let arguments: Vec<_> = arguments.chain(more.iter().copied()).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"intl.accept_languages": language},
            },
        }}});
        let made = chromium.send("POST", "", &wanted);
        let id = made["sessionId"].as_str().expect("a session").to_owned();
        chromium.session = format!("{origin}/session/{id}");
        chromium
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.session))
            .header("Content-Type", "application/json");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.timeout_global(Some(TIMEOUT)).build().into();
        let sent = match method {
            "GET" => agent.run(request.body(()).unwrap()),
            _ => agent.run(request.body(body.to_string()).unwrap()),
        };
        let mut reply = sent.expect("chromedriver answers");
        let text = reply.body_mut().read_to_string().unwrap();
        let answer: Value = serde_json::from_str(&text).expect("chromedriver speaks JSON");
        assert_eq!(reply.status(), 200, "{method} {path}: {answer:#}");
        answer["value"].clone()
    }

    /// Opens another tab, and goes there.
    pub fn tab(&self) {
        let tab = self.send("POST", "/window/new", &json!({"type": "tab"}));
        self.send("POST", "/window", &json!({"handle": tab["handle"]}));
    }

    pub fn open(&self, url: &str) {
        self.send("POST", "/url", &json!({ "url": url }));
    }

    pub fn address(&self) -> String {
        self.text("/url")
    }

    pub fn title(&self) -> String {
        self.text("/title")
    }

    fn text(&self, path: &str) -> String {
        let value = self.send("GET", path, &Value::Null);
        value.as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn wait_for_title(&self, title: &str) {
        wait_for(title, || self.title().starts_with(title));
    }

    pub fn click(&self, selector: &str) {
        let find = json!({"using": "css selector", "value": selector});
        let found = self.send("POST", "/element", &find);
        let mut ids = found.as_object().unwrap().values();
        let id = ids.next().unwrap().as_str().unwrap();
        self.send("POST", &format!("/element/{id}/click"), &json!({}));
    }

    /// Types keys wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let actions: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.send("POST", "/actions", &json!({"actions": [keyboard]}));
    }

    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.send("POST", "/goog/cdp/execute", &body)
    }

    /// Evaluates an expression, past the page's Content-Security-Policy.
    pub fn evaluate(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true,
            "returnByValue": true});
        let answer = self.devtools("Runtime.evaluate", &parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{answer:#}");
        answer["result"]["value"].clone()
    }

    pub fn scheme(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        let features = json!({"features": [feature]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// A window this wide, in CSS pixels.
    pub fn width(&self, width: u32) {
        let screen = json!({"width": width, "height": 640, "deviceScaleFactor": 2,
            "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// What the page's console says.
    pub fn console(&self) -> Vec<Value> {
        let log = self.send("POST", "/se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().clone()
    }

    /// The origins of all requests so far.
    pub fn origins(&self) -> Vec<String> {
        let log = self.send("POST", "/se/log", &json!({"type": "performance"}));
        let origin = |entry: &Value| {
            let entry: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &entry["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str();
            let url = url::Url::parse(url.filter(|_| is_request)?).ok()?;
            Some(url.origin().ascii_serialization())
        };
        let mut origins: Vec<_> = log.as_array().unwrap().iter().filter_map(origin).collect();
        origins.sort();
        origins.dedup();
        origins
    }

    /// What axe-core finds wrong on this page, in both colour schemes.
    #[track_caller]
    pub fn is_accessible(&self) {
        let axe = std::fs::read_to_string(axe()).expect("axe-core is there: see .ci/run");
        self.evaluate(&format!("{axe};0"));
        for scheme in ["light", "dark"] {
            self.scheme(scheme);
            let found = self.evaluate(
                "axe.run().then(found => found.violations.map(v => v.id + ': ' + v.nodes[0].html))",
            );
            assert_eq!(found, json!([]), "{} in {scheme}", self.title());
        }
    }

    /// Nothing needs to be scrolled sideways.
    #[track_caller]
    pub fn fits(&self) {
        let (page, window) = ("document.documentElement.scrollWidth", "window.innerWidth");
        let (page, window) = (self.evaluate(page), self.evaluate(window));
        let fits = page.as_u64() <= window.as_u64();
        assert!(fits, "{page} > {window}: {}", self.title());
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.send("DELETE", "", &json!({}));
        }
    }
}

fn axe() -> PathBuf {
    std::env::var_os("AXE_CORE").map_or_else(
        || "target/axe/node_modules/axe-core/axe.min.js".into(),
        PathBuf::from,
    )
}
