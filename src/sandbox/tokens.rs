//! The tokens that the stand-in server has issued.

use std::collections::VecDeque;

use crate::random;

const MAX_TOKENS: usize = 10_000;

/// By age; the oldest gives way at [`MAX_TOKENS`].
#[derive(Default)]
pub struct Tokens(VecDeque<Token>);

/// A token that was issued.
struct Token {
    access_token: String,
    refresh_token: String,
    /// Only a token that was issued to a device can be revoked.
    has_device: bool,
    revoked: bool,
}

/// Why a token can't be revoked.
pub struct NoDevice;

impl Tokens {
    /// A new token and the refresh token that goes with it.
    pub fn issue(&mut self, has_device: bool) -> (String, String) {
        if self.0.len() >= MAX_TOKENS {
            self.0.pop_front();
        }
        let (access_token, refresh_token) = (access_token(), refresh_token());
        self.0.push_back(Token {
            access_token: access_token.clone(),
            refresh_token: refresh_token.clone(),
            has_device,
            revoked: false,
        });
        (access_token, refresh_token)
    }

    /// Spends a refresh token. The access token stays the same, as it was seen
    /// to do while it has plenty of life left; the refresh token rotates.
    pub fn refresh(&mut self, refresh_token_given: &str) -> Option<(String, String)> {
        let mut tokens = self.0.iter_mut();
        let token = tokens.find(|token| token.refresh_token == refresh_token_given)?;
        if token.revoked {
            return None;
        }
        token.refresh_token = refresh_token();
        Some((token.access_token.clone(), token.refresh_token.clone()))
    }

    /// Revokes a token, and its refresh token with it. One that is not known,
    /// or revoked already, is as good as revoked.
    pub fn revoke(&mut self, access_token: &str) -> Result<(), NoDevice> {
        let mut tokens = self.0.iter_mut();
        match tokens.find(|token| token.access_token == access_token) {
            Some(token) if !token.has_device => Err(NoDevice),
            Some(token) => {
                token.revoked = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub fn is_valid(&self, access_token: &str) -> bool {
        let mut tokens = self.0.iter();
        tokens.any(|token| token.access_token == access_token && !token.revoked)
    }
}

/// 58 characters, `y0_` first.
fn access_token() -> String {
    format!("y0_{}{}", random::base64url(), &random::hex()[..12])
}

/// Four parts, of 1, 16, 82 and 22 characters.
fn refresh_token() -> String {
    format!(
        "1:{}:{}{}:{}",
        &random::base64url()[..16],
        random::base64url(),
        &random::base64url()[..39],
        &random::base64url()[..22],
    )
}
