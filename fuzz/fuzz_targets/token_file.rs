#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

fuzz_target!(|content: &[u8]| properties::token_file(content));
