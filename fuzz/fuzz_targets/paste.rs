#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

fuzz_target!(|line: &str| properties::pasted(line));
