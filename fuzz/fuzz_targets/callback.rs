#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

// A whole request, or only the query of one.
fuzz_target!(|data: &[u8]| {
    properties::request_head(data);
    if let Ok(query) = std::str::from_utf8(data) {
        properties::redirect_query(query);
    }
});
