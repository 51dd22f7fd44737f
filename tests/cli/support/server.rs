//! A fake authorization server. It answers what the test tells it to, byte by
//! byte, and holds the client to the protocol: one form per connection, with
//! the redirect URI and the verifier that belong to the authorize URL.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::browser::parameter;

pub struct Server {
    pub origin: String,
    requests: Arc<Mutex<Vec<Request>>>,
    may_be_idle: bool,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: String,
}

impl Request {
    /// Of the target, without its query.
    pub fn path(&self) -> &str {
        let target = self.head.split(' ').nth(1).unwrap();
        target.split('?').next().unwrap()
    }

    /// The whole form, decoded, its fields sorted.
    pub fn fields(&self) -> String {
        let form = url::form_urlencoded::parse(self.body.as_bytes());
        let mut fields: Vec<_> = form
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        fields.sort();
        fields.join("&")
    }

    /// A field of the form, which must not be there twice.
    pub fn field(&self, name: &str) -> Option<String> {
        parameter(&format!("http://x/?{}", self.body), name)
    }
}

pub type Stream = Box<dyn FnOnce(&mut dyn Write) + Send>;

/// What goes back over the socket.
pub enum Answer {
    Bytes(Vec<u8>),
    /// The connection is closed without a word.
    HangUp,
    /// The connection stays open, and nothing comes.
    Silence,
    /// Whatever this writes, for as long as it does.
    Stream(Stream),
}

impl Server {
    /// Answers every request with what `answer` makes of it.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        Server::serve(None, answer)
    }

    /// The same over TLS, under the name `localhost`.
    pub fn over_tls(
        config: ServerConfig,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::serve(Some(Arc::new(config)), answer)
    }

    fn serve(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let origin = match tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen, answer) =
                    (stream.unwrap(), Arc::clone(&seen), Arc::clone(&answer));
                let tls = tls.clone();
                std::thread::spawn(move || match tls {
                    None => attend(stream, &seen, &*answer),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        attend(StreamOwned::new(connection, stream), &seen, &*answer);
                    }
                });
            }
        });
        Server {
            origin,
            requests,
            may_be_idle: false,
        }
    }

    /// Answers with this status and JSON.
    pub fn json(status: u16, body: &'static str) -> Server {
        Server::start(move |_| json(status, body))
    }

    /// Answers so once it is let go, and tells each time that it is asked.
    pub fn held(body: &'static str) -> (Server, Receiver<()>, Sender<()>) {
        Server::held_with(200, body)
    }

    pub fn held_with(status: u16, body: &'static str) -> (Server, Receiver<()>, Sender<()>) {
        let (asked, was_asked) = channel();
        let (release, released) = channel::<()>();
        let (asked, released) = (Mutex::new(asked), Mutex::new(released));
        let server = Server::start(move |_| {
            asked.lock().unwrap().send(()).unwrap();
            let _ = released.lock().unwrap().recv();
            json(status, body)
        });
        (server, was_asked, release)
    }

    /// Allows a test in which the server is never asked.
    pub fn idle(mut self) -> Server {
        self.may_be_idle = true;
        self
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The one request to the token endpoint, held to the authorize URL.
    #[track_caller]
    pub fn exchange_of(&self, authorize_url: &str) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        let request = requests.into_iter().next().unwrap();
        assert!(request.head.starts_with("POST /token HTTP/1.1\r\n"));
        assert_eq!(request.field("grant_type").unwrap(), "authorization_code");
        for name in ["redirect_uri", "client_id"] {
            assert_eq!(
                request.field(name),
                parameter(authorize_url, name),
                "{name}"
            );
        }
        let verifier = request.field("code_verifier").unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let method = parameter(authorize_url, "code_challenge_method");
        assert_eq!(parameter(authorize_url, "code_challenge"), Some(challenge));
        assert_eq!(method.as_deref(), Some("S256"));
        request
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.may_be_idle && !std::thread::panicking() {
            assert!(!self.requests().is_empty(), "the server was never asked");
        }
    }
}

/// One connection: a request, and its answer.
fn attend(
    mut stream: impl Read + Write,
    seen: &Mutex<Vec<Request>>,
    answer: &impl Fn(&Request) -> Answer,
) {
    let Some(request) = read(&mut stream) else {
        return;
    };
    seen.lock().unwrap().push(request.clone());
    match answer(&request) {
        Answer::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Answer::HangUp => {}
        Answer::Silence => std::thread::sleep(Duration::from_secs(600)),
        Answer::Stream(write) => write(&mut stream),
    }
}

pub fn json(status: u16, body: &str) -> Answer {
    http(
        status,
        "Content-Type: application/json\r\n",
        body.as_bytes(),
    )
}

pub fn http(status: u16, headers: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    Answer::Bytes([head.as_bytes(), body].concat())
}

fn read(stream: &mut impl Read) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(Request {
                    head: head.to_owned() + "\r\n",
                    body: body.to_owned(),
                });
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
