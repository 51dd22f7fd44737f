//! What a request over loopback costs at the least: accept, read, answer,
//! close. Prints its address, and serves until it is killed.

use std::io::{Read, Write};
use std::net::TcpListener;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = [0; 4096];
        // A client of ours sends its request in one piece, or goes away.
        if stream.read(&mut request).is_ok_and(|length| length > 0) {
            let _ = stream.write_all(ANSWER);
        }
    }
    Ok(())
}
