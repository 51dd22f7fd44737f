//! A forward proxy, which a test tells what to do with CONNECT.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::server::Server;

pub const USER: &str = "us3r";
pub const PASSWORD: &str = "pa55w0rd";

/// What a proxy does once it has read a whole head.
type Answer = dyn Fn(&str, TcpStream) + Send + Sync;

pub struct Proxy {
    pub port: u16,
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start(answer: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen, answer) =
                    (stream.unwrap(), Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut byte) {
                            Ok(1) => head.push(byte[0]),
                            _ => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    seen.lock().unwrap().push(head.clone());
                    answer(&head, stream);
                });
            }
        });
        Proxy { port, heads }
    }

    /// A proxy that answers this, and hangs up.
    pub fn sends(answer: impl Into<Vec<u8>>) -> Proxy {
        let answer = answer.into();
        Proxy::start(move |_, mut stream| drop(stream.write_all(&answer)))
    }

    /// A proxy that does its work.
    pub fn to(server: &Server) -> Proxy {
        let port: u16 = server.origin.rsplit(':').next().unwrap().parse().unwrap();
        Proxy::start(move |_, mut client| {
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
                .unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut client, &mut server);
        })
    }

    pub fn url(&self) -> String {
        format!("http://{USER}:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}
