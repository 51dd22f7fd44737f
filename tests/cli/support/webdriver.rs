//! A real Chromium, driven over the WebDriver protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::browser::{Reply, reply};
use super::{Home, PATIENCE, free_port, wait_for};

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
        let url = url::Url::parse(&format!("{}{path}", self.session)).unwrap();
        let body = match method {
            "GET" => String::new(),
            _ => body.to_string(),
        };
        let reply = exchange(&url, method, &body);
        let answer: Value = serde_json::from_str(&reply.body).expect("chromedriver speaks JSON");
        assert_eq!(reply.status, 200, "{method} {path}: {answer:#}");
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

/// One request. chromedriver keeps the connection open whatever it is asked.
fn exchange(url: &url::Url, method: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        url.path(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 65536]);
    loop {
        let read = stream.read(&mut chunk).expect("chromedriver answers");
        answer.extend_from_slice(&chunk[..read]);
        let so_far = reply(&answer);
        // It writes its headers without a blank behind the colon.
        let length = so_far.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            value.trim().parse().ok().filter(|_| is_length)
        });
        if read == 0 || length.is_some_and(|length: usize| so_far.body.len() >= length) {
            return so_far;
        }
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
