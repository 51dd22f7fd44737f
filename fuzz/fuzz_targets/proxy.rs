#![no_main]

use libfuzzer_sys::fuzz_target;
use yandex_token::properties;

// Three lines: NO_PROXY, the host, the proxy.
fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    properties::proxies(line(), line(), line());
});
