//! `multipart/form-data` (RFC 7578), as PHP's curl sends an array. Only the
//! names and values of the fields are read.

/// The fields of a body with this `Content-Type`; None where a boundary is
/// missing or a part has no name.
pub fn fields(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let boundary = parameter(content_type, "boundary").filter(|text| !text.is_empty())?;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter may stand at the very beginning.
    let body = [b"\r\n", body].concat();
    let mut rest = split(&body, delimiter.as_bytes())?.1;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, next) = split(rest, delimiter.as_bytes())?;
        let part = part.strip_prefix(b"\r\n")?;
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let Ok(httparse::Status::Complete((start, headers))) =
            httparse::parse_headers(part, &mut headers)
        else {
            return None;
        };
        let is_it = |name: &str| name.eq_ignore_ascii_case("Content-Disposition");
        let header = headers.iter().find(|header| is_it(header.name))?;
        let name = parameter(str::from_utf8(header.value).ok()?, "name")?;
        let value = String::from_utf8_lossy(&part[start..]);
        fields.push((name.to_owned(), value.into_owned()));
        rest = next;
    }
    Some(fields)
}

/// What stands before and behind the first of these bytes.
fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

/// A parameter of a header's value, quoted or not.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').skip(1).find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        let is_it = found.trim().eq_ignore_ascii_case(name);
        is_it.then(|| value.trim().trim_matches('"'))
    })
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
    fn a_broken_body_is_no_form() {
        let whole = body(&[("a", "1")]);
        for (content_type, body) in [
            ("multipart/form-data", &*whole),
            ("multipart/form-data; boundary=", &*whole),
            ("multipart/form-data; boundary=y", &*whole),
            (TYPE, ""),
            (TYPE, &whole[..whole.len() - 5]),
            (TYPE, &whole.replace("name", "nome")),
            (TYPE, &whole.replace("\r\n\r\n", "\r\n")),
            (TYPE, &whole.replacen("------x1\r\n", "------x1y\r\n", 1)),
        ] {
            let read = fields(content_type, body.as_bytes());
            assert_eq!(read, None, "{content_type} {body:?}");
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
