#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

fuzz_target!(|body: &[u8]| properties::multipart_body(body));
