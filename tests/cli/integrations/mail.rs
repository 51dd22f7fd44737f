//! Mail programs, which log in with the SASL mechanism XOAUTH2 at servers that
//! speak no more than they need.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::authority::{Authority, named};
use crate::support::documents::{programs, sandboxed};
use crate::support::files::chmod;
use crate::support::{Home, block, run};

/// A server for lines over TLS.
struct MailServer {
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Greets, and answers each line with what `answer` makes of it, to the
    /// line that ends the conversation.
    fn start(
        config: ServerConfig,
        greeting: &'static str,
        end: &'static str,
        answer: fn(&str) -> String,
    ) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (seen, config) = (Arc::clone(&lines), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let stream = StreamOwned::new(connection, stream.unwrap());
                let mut stream = BufReader::new(stream);
                stream.get_mut().write_all(greeting.as_bytes()).unwrap();
                let mut line = String::new();
                while stream.read_line(&mut line).is_ok_and(|read| read > 0) {
                    let text = line.trim_end().to_owned();
                    stream
                        .get_mut()
                        .write_all(answer(&text).as_bytes())
                        .unwrap();
                    line.clear();
                    let is_last = text.ends_with(end);
                    seen.lock().unwrap().push(text);
                    if is_last {
                        break;
                    }
                }
            }
        });
        MailServer { port, lines }
    }

    fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Checks that this was the way in.
    #[track_caller]
    fn was_entered_with(&self, token: &str) {
        let expected = format!("user=ivan.petrov@yandex.ru\x01auth=Bearer {token}\x01\x01");
        let lines = self.said();
        let words = lines.iter().flat_map(|line| line.split(' '));
        let mut decoded = words.filter_map(|word| STANDARD.decode(word).ok());
        let found = decoded.any(|text| text == expected.as_bytes());
        assert!(found, "{lines:#?}");
    }
}

fn smtp(line: &str) -> String {
    let answer = match line.split(' ').next().unwrap() {
        "EHLO" => "250-localhost\r\n250 AUTH XOAUTH2",
        "AUTH" => "334 ",
        // What begins as `user=` does in base64.
        word if word.starts_with("dXNlcj") => "235 2.7.0 Accepted",
        "MAIL" | "RCPT" | "." => "250 OK",
        "DATA" => "354 Go on",
        "QUIT" => "221 Bye",
        // The message.
        _ => return String::new(),
    };
    format!("{answer}\r\n")
}

fn imap(line: &str) -> String {
    let (tag, command) = line.split_once(' ').unwrap();
    let untagged = match command.split(' ').next().unwrap() {
        "CAPABILITY" | "AUTHENTICATE" => "* CAPABILITY IMAP4rev1\r\n",
        "LIST" => "* LIST () \"/\" \"INBOX\"\r\n",
        "SELECT" => "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 1] x\r\n",
        "LOGOUT" => "* BYE\r\n",
        _ => "",
    };
    format!("{untagged}{tag} OK done\r\n")
}

/// Runs a command with this configuration, which leads to the server.
fn runs(server: &MailServer, home: &Home, config: (&str, String), command: &str) {
    let (name, text) = config;
    fs::write(home.path().join(name), text).unwrap();
    chmod(&home.path().join(name), 0o600);
    programs(home, &[]);
    let script = format!(
        "yandex-token login -q --device --profile mail
         yandex-token token --profile mail >token
         {command}"
    );
    let done = run(sandboxed(home, &script));
    assert_eq!(done.code, Some(0), "{done:#?}\n{:#?}", server.said());
    let token = fs::read_to_string(home.path().join("token")).unwrap();
    server.was_entered_with(token.trim());
}

#[test]
#[ignore = "needs msmtp"]
fn msmtp_sends_with_a_saved_token() {
    let (home, authority) = (Home::new(), Authority::new("Test CA"));
    let config = authority.server(named(&["localhost"]));
    let server = MailServer::start(config, "220 localhost\r\n", "QUIT", smtp);
    let here = format!(
        "host localhost\nport {}\ntls_trust_file {}\n",
        server.port,
        authority.file(&home).display()
    );
    let text = block("msmtp").replace("host smtp.yandex.com\nport 465\n", &here);
    assert!(text.contains(&here), "{text}");
    let send = "printf 'Subject: Report\\n\\nDone.\\n' | msmtp anna@example.org";
    runs(&server, &home, (".msmtprc", text), send);
    let said = server.said();
    assert!(said.contains(&"Done.".to_owned()), "{said:#?}");
}

#[test]
#[ignore = "needs mbsync and libsasl2-modules-kdexoauth2"]
fn mbsync_synchronizes_with_a_saved_token() {
    let (home, authority) = (Home::new(), Authority::new("Test CA"));
    let config = authority.server(named(&["localhost"]));
    let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n";
    let server = MailServer::start(config, greeting, "LOGOUT", imap);
    let here = format!(
        "Host localhost\nPort {}\nCertificateFile {}\n",
        server.port,
        authority.file(&home).display()
    );
    let text = block("mbsync").replace("Host imap.yandex.com\n", &here);
    assert!(text.contains(&here), "{text}");
    runs(
        &server,
        &home,
        (".mbsyncrc", text),
        "mkdir Mail; mbsync yandex",
    );
    assert!(
        home.path().join("Mail/INBOX").is_dir(),
        "{:?}",
        home.files()
    );
}
