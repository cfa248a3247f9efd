//! The session cookie, the token against forged forms, and where to go after a login.

use axum::http::{HeaderMap, header};
use quorate_model::hex;
use sha2::{Digest, Sha256};

/// The cookie that carries the access token.
const COOKIE: &str = "quorate_session";
/// Sets the form token apart from every other hash of the access token.
const FORM_TOKEN_LABEL: &[u8] = b"quorate console form token v1\0";

/// The access token that a request carries, if any.
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// The header value that keeps a session in the browser, out of reach of scripts and other sites.
pub(crate) fn begin(token: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// The header value that makes the browser forget the session.
pub(crate) fn end(secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}")
}

/// Whether the browser speaks https, to this master or to a proxy before it.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https")
}

/// What every form carries: only a page of this session can know it.
pub(crate) fn form_token(access_token: &str) -> String {
    let digest = Sha256::new()
        .chain_update(FORM_TOKEN_LABEL)
        .chain_update(access_token.as_bytes())
        .finalize();
    hex(&digest[..16])
}

/// Whether a form came from a page of this session.
pub(crate) fn is_form_token(access_token: &str, given: &str) -> bool {
    let expected = form_token(access_token);
    // Every byte is compared, so that the time tells nothing about how many were right.
    expected.len() == given.len()
        && expected.bytes().zip(given.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// A place on this console to go to after the login; anything else becomes the overview.
pub(crate) fn local_path(next: Option<&str>) -> &str {
    next.filter(|path| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            && !path.starts_with("/log")
    })
    .unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; quorate_session=abc; c=d".parse().unwrap());
        assert_eq!(token(&headers).as_deref(), Some("abc"));
        headers.insert(header::COOKIE, "xquorate_session=abc; quorate_session=".parse().unwrap());
        assert_eq!(token(&headers), None);
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        assert_eq!(begin("t", false), "quorate_session=t; Path=/; HttpOnly; SameSite=Strict");
        assert!(begin("t", true).ends_with("; Secure"));
        assert!(end(false).contains("Max-Age=0"));
    }

    #[test]
    fn a_form_token_belongs_to_one_session() {
        let token = form_token("one");
        assert!(is_form_token("one", &token));
        assert!(!is_form_token("two", &token));
        assert!(!is_form_token("one", ""));
        assert!(!is_form_token("one", &token[1..]));
    }

    #[test]
    fn after_the_login_nobody_is_sent_elsewhere() {
        for (next, path) in [
            (Some("/operations/01J8"), "/operations/01J8"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/a\r\nb"), "/"),
            (Some("/logout"), "/"),
            (None, "/"),
        ] {
            assert_eq!(local_path(next), path, "{next:?}");
        }
    }
}
