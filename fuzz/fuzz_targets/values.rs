#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

fuzz_target!(|text: &str| properties::values(text));
