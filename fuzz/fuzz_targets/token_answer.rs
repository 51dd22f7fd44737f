#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

// The body with each kind of status.
fuzz_target!(|body: &[u8]| {
    for status in [200, 302, 400, 401, 429, 500] {
        properties::token_answer(status, body);
    }
});
