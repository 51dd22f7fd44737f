//! Secrets drawn from the operating system's random source.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

/// `N` unpredictable bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing here may go on
/// with a guessable secret.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// 43 characters of `A-Z a-z 0-9 - _`, 256 bits.
pub fn base64url() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// 32 characters of `0-9 a-f`, 128 bits.
pub fn hex() -> String {
    format!("{:032x}", u128::from_ne_bytes(bytes()))
}

/// A version 4 UUID (RFC 9562).
pub fn uuid() -> String {
    let bits = u128::from_ne_bytes(bytes());
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_has_its_version_and_variant_where_rfc_9562_puts_them() {
        let uuid = super::uuid();
        let groups: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_ne!(uuid, super::uuid());
    }
}
