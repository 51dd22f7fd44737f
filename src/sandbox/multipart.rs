//! `multipart/form-data` (RFC 7578), as PHP's curl sends an array. Only the
//! names and values of the fields are read.

const CRLF: &[u8] = b"\r\n";

/// The fields of a body with this `Content-Type`; None where a boundary is
/// missing or a part has no name.
pub fn fields(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let boundary = parameter(content_type, "boundary").filter(|text| !text.is_empty())?;
    let delimiter = [CRLF, b"--", boundary.as_bytes()].concat();
    // The first delimiter may stand at the very beginning.
    let body = [CRLF, body].concat();
    let mut rest = split(&body, &delimiter)?.1;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, next) = split(rest, &delimiter)?;
        let (padding, part) = split(part, CRLF)?;
        // A part without headers begins with the empty line.
        let (head, value) = split(part, &CRLF.repeat(2))?;
        if !padding.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        fields.push((name(&text(head))?, text(value)));
        rest = next;
    }
    Some(fields)
}

/// What stands before and behind the first of these bytes.
fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

/// The `name` of a part's `Content-Disposition`.
fn name(head: &str) -> Option<String> {
    head.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        let is_it = header.trim().eq_ignore_ascii_case("content-disposition");
        is_it.then(|| parameter(value, "name")).flatten()
    })
}

/// A parameter of a header's value, quoted or not.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    loop {
        rest = rest[rest.find(';')? + 1..].trim_start();
        let (found, after) = rest.split_once('=')?;
        let (text, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        if found.trim_end().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = after;
    }
}

/// A quoted text, and what stands behind it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            _ => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=----x1";

    fn body(fields: &[(&str, &str)]) -> String {
        let part = |(name, value): &(&str, &str)| {
            format!(
                "------x1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let parts: String = fields.iter().map(part).collect();
        format!("{parts}------x1--\r\n")
    }

    #[test]
    fn fields_are_read_as_curl_and_browsers_write_them() {
        let sent = [
            ("grant_type", "refresh_token"),
            ("empty", ""),
            ("a", "1\r\n--x"),
        ];
        let read = fields(TYPE, body(&sent).as_bytes()).expect("it is right");
        let read: Vec<_> = read
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(read, sent);
        let more = "preamble\r\n--b c\r\nContent-Type: text/plain; charset=UTF-8\r\n\
            content-disposition: form-data; filename=\"a;name=b\"; NAME=\"q\\\"\"\r\n\r\nя\r\n--b c--";
        let read = fields(
            "multipart/form-data; charset=x; boundary=\"b c\"",
            more.as_bytes(),
        );
        assert_eq!(read, Some(vec![("q\"".into(), "я".into())]));
        assert_eq!(fields(TYPE, b"------x1--"), Some(vec![]));
    }

    #[test]
    fn a_broken_body_is_no_form() {
        let whole = body(&[("a", "1")]);
        for (content_type, body) in [
            ("multipart/form-data", &*whole),
            ("multipart/form-data; boundary=", &*whole),
            ("multipart/form-data; boundary=\"----x1", &*whole),
            ("multipart/form-data; boundary=y", &*whole),
            (TYPE, ""),
            (TYPE, &whole[..whole.len() - 5]),
            (TYPE, &whole.replace("name", "nome")),
            (TYPE, &whole.replace("\r\n\r\n", "\r\n")),
            (TYPE, &whole.replacen("------x1\r\n", "------x1y\r\n", 1)),
        ] {
            assert_eq!(
                fields(content_type, body.as_bytes()),
                None,
                "{content_type} {body:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in any::<Vec<u8>>(), head in "[ -~]{0,40}") {
            fields(&head, &body);
            let part = [b"--b\r\n".as_slice(), head.as_bytes(), b"\r\n\r\n", &body, b"\r\n--b--"];
            crate::properties::multipart_body(&part.concat());
        }

        #[test]
        fn a_field_is_read_as_it_was_sent(name in "[a-z_]{1,9}", value in "[ -,.-~я\r\n]{0,40}") {
            let read = fields(TYPE, body(&[(&name, &value)]).as_bytes());
            prop_assert_eq!(read, Some(vec![(name, value)]));
        }
    }
}
