//! A web page in a real Chromium that attacks the listener: by every kind of
//! request that a page can make, as another origin and by DNS rebinding.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::waiting::Waiting;
use crate::support::webdriver::Chromium;
use crate::support::{Finished, Home};

/// Whatever is asked, an empty page.
struct Evil {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Evil {
    fn start() -> Evil {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Relaxed) {
                    return;
                }
                let (mut stream, is_over) = (stream.unwrap(), Arc::clone(&is_over));
                std::thread::spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    // A spare connection of the browser's.
                    if is_over.load(Relaxed) {
                        return;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\
                        Content-Length: 34\r\nConnection: close\r\n\r\n\
                        <!doctype html><title>evil</title>";
                    let _ = stream.write_all(answer);
                });
            }
        });
        Evil {
            address,
            over,
            serving: Some(serving),
        }
    }
}

impl Drop for Evil {
    /// Gives the port back.
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.serving.take().unwrap().join();
    }
}

/// What a page can see of an address by each kind of request: an expression
/// in JavaScript, for the arrays of addresses.
const ATTACK: &str = r#"(async urls => {
    const seen = {};
    const note = (kind, what) => (seen[kind] ??= new Set()).add(what);
    const element = (kind, name, attributes) => new Promise(done => {
        const made = document.createElement(name);
        made.onload = () => { note(kind, 'loaded'); done(made); };
        made.onerror = () => { note(kind, 'failed'); done(made); };
        Object.assign(made, attributes);
        document.body.append(made);
    });
    // A frame is loaded in any case; what counts is what can be read of it.
    const frame = async (kind, load) => {
        const made = document.createElement('iframe');
        made.name = 'frame' + Math.random();
        document.body.append(made);
        const loaded = new Promise(done => made.onload = done);
        load(made);
        await loaded;
        let text = null;
        try { text = made.contentDocument?.body.innerText } catch (_) { }
        note(kind, text?.trim() || 'closed');
    };
    const form = method => (made, url) => {
        const form = document.createElement('form');
        const address = new URL(url);
        Object.assign(form, { method, action: url, target: made.name });
        for (const [name, value] of address.searchParams) {
            form.append(Object.assign(document.createElement('input'), { name, value }));
        }
        document.body.append(form);
        form.submit();
    };
    for (const url of urls) {
        for (const mode of ['cors', 'no-cors']) for (const method of ['GET', 'POST']) {
            const body = method == 'POST' ? 'code=x' : undefined;
            const answer = await fetch(url, { mode, method, body, credentials: 'include' })
                .then(async it => [it.type, it.status, await it.text()].join(' '), () => 'failed');
            note(mode, answer.trim());
        }
        const headers = { 'X-Evil': '1' };
        note('preflight', await fetch(url, { method: 'PUT', headers }).then(it => it.status, () => 'failed'));
        await element('img', 'img', { src: url });
        await element('script', 'script', { src: url });
        await element('style', 'link', { rel: 'stylesheet', href: url });
        await new Promise(done => {
            const events = new EventSource(url, { withCredentials: true });
            events.onopen = () => { note('events', 'open'); done(); };
            events.onerror = () => { note('events', 'failed'); events.close(); done(); };
        });
        await new Promise(done => {
            const socket = new WebSocket(url.replace('http', 'ws'));
            socket.onopen = () => { note('socket', 'open'); done(); };
            socket.onclose = () => { note('socket', 'failed'); done(); };
        });
        await frame('iframe', made => made.src = url);
        await frame('get form', made => form('get')(made, url));
        await frame('post form', made => form('post')(made, url));
        navigator.sendBeacon(url, 'code=x');
    }
    for (const kind in seen) seen[kind] = [...seen[kind]].sort().join('; ');
    return seen;
})"#;

/// What such a page would try, knowing all but the state.
fn queries() -> Vec<String> {
    let known = "?code=x ?code=x&state= ?error=access_denied ?start=x";
    let guessed = "?code=x&state=GUESS ?error=access_denied&state=GUESS";
    let guessed = guessed.replace("GUESS", &"A".repeat(43));
    let queries = known.split(' ').chain(guessed.split(' '));
    queries.chain([""]).map(str::to_owned).collect()
}

/// Attacks a server, the page being open already.
fn attack(chromium: &Chromium, origin: &str) -> Value {
    let urls: Vec<_> = queries().iter().map(|q| format!("{origin}/{q}")).collect();
    chromium.evaluate(&format!("{ATTACK}({})", json!(urls)))
}

/// A browser in which `evil.test` is this machine.
fn browser(home: &Home) -> Chromium {
    let rules = "--host-resolver-rules=MAP evil.test 127.0.0.1";
    Chromium::with(home, "en", &[rules])
}

/// The true callback, in another tab of the attacked browser.
#[track_caller]
fn ends(login: Waiting, chromium: &Chromium) -> Finished {
    chromium.tab();
    chromium.open(&login.callback());
    chromium.wait_for_title("You are logged in");
    login.has_ended()
}

#[test]
#[ignore = "needs chromium"]
fn a_page_of_another_origin_can_neither_end_a_login_nor_read_anything() {
    let (home, evil, login) = (Home::new(), Evil::start(), Waiting::new());
    let chromium = browser(&home);
    let port = login.address().port();
    for page in ["127.0.0.1", "localhost", "evil.test"] {
        chromium.open(&format!("http://{page}:{}/", evil.address.port()));
        for listener in ["127.0.0.1", "evil.test"] {
            let seen = attack(&chromium, &format!("http://{listener}:{port}"));
            let nothing = json!({
                "cors": "failed", "no-cors": "opaque 0", "preflight": "failed",
                "img": "failed", "script": "failed", "style": "failed",
                "events": "failed", "socket": "failed",
                "iframe": "closed", "get form": "closed", "post form": "closed",
            });
            assert_eq!(seen, nothing, "from {page} at {listener}");
        }
    }
    let done = ends(login, &chromium);
    assert_eq!(done.stderr.matches("warning: ").count(), 1, "{done:#?}");
    assert!(done.stderr.contains("evil.test"), "{done:#?}");
}

#[test]
#[ignore = "needs chromium"]
fn a_page_that_reaches_the_port_by_dns_rebinding_is_refused_each_time() {
    let (home, evil) = (Home::new(), Evil::start());
    let chromium = browser(&home);
    let port = evil.address.port();
    let origin = format!("http://evil.test:{port}");
    chromium.open(&format!("{origin}/"));
    // From now on the page's own origin is the listener.
    drop(evil);
    let uri = format!("http://127.0.0.1:{port}/");
    let login = Waiting::on(&uri, &[]);
    let seen = attack(&chromium, &origin);
    let refused = json!({
        "cors": "basic 421 Misdirected Request", "no-cors": "basic 421 Misdirected Request",
        "preflight": "421",
        "img": "failed", "script": "failed", "style": "failed",
        "events": "failed", "socket": "failed",
        "iframe": "Misdirected Request", "get form": "Misdirected Request",
        "post form": "Misdirected Request",
    });
    assert_eq!(seen, refused);
    let done = ends(login, &chromium);
    assert!(done.stderr.contains("(Host: evil.test:"), "{done:#?}");
}

#[test]
#[ignore = "needs chromium"]
fn a_page_that_opens_whatever_connections_it_can_keeps_nobody_out() {
    let (home, evil, login) = (Home::new(), Evil::start(), Waiting::new());
    let chromium = browser(&home);
    let target = login.address();
    chromium.open(&format!("http://evil.test:{}/", evil.address.port()));
    // Guesses at the state, and tries for the last page, without an end.
    let flood = format!(
        "window.sent = 0;
         const random = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
         const again = kind => kind().catch(() => 0).finally(() => {{ sent++; again(kind); }});
         for (let i = 0; i < 30; i++) {{
             again(() => fetch('http://{target}/', {{ mode: 'no-cors' }}));
             again(() => fetch('http://evil.test:{port}/', {{ mode: 'no-cors' }}));
             again(() => fetch('http://{target}/?code=x&state=' + random(), {{ mode: 'no-cors' }}));
             again(() => fetch('http://{target}/', {{
                 mode: 'no-cors', method: 'POST', body: new Blob([new Uint8Array(2 << 20)]),
             }}));
             again(() => new Promise(done => {{
                 new WebSocket('ws://{target}/').onclose = () => setTimeout(done);
             }}));
         }}
         new Promise(done => {{
             const timer = setInterval(() => {{
                 if (sent > 500) {{ clearInterval(timer); done(sent); }}
             }}, 10);
         }})",
        port = target.port(),
    );
    let sent = chromium.evaluate(&flood);
    assert!(sent.as_u64() > Some(500), "{sent}");
    // Chromium itself may be too busy to fetch the page in its two seconds.
    chromium.tab();
    chromium.evaluate(&format!("void(location = {:?})", login.callback()));
    login.has_ended();
}
