//! What holds for every request: strict headers, no forms from elsewhere, and the splash until
//! the cluster is ready.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use quorate_model::{Refusal, codes};

use crate::{
    UseCases,
    pages::{self, Splash},
    routes::Failure,
};

/// Nothing but this console's own style, script, icons and forms.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
    base-uri 'none'";

/// Sets the headers of every answer.
pub(crate) async fn strict_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses what another site had the browser send.
pub(crate) async fn own_forms_only(request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_safe || is_from_here(request.headers()) {
        return next.run(request).await;
    }
    let refusal =
        Refusal::new(codes::FORBIDDEN, "this form was not sent by the console's own page")
            .cause("the browser says that another site sent it")
            .hint("open the console itself and repeat what you meant to do");
    Failure::from(refusal).into_response()
}

/// A browser says where a request comes from; what says nothing is no browser, and must know the
/// form token all the same.
fn is_from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|it| it.1);
    let hosts = [headers.get(header::HOST), headers.get("x-forwarded-host")];
    authority.is_some_and(|authority| {
        hosts.into_iter().flatten().any(|host| host.as_bytes() == authority.as_bytes())
    })
}

/// Until the cluster has been ready once, every page is the splash.
pub(crate) async fn splash_until_ready<U: UseCases>(
    State(use_cases): State<U>,
    request: Request,
    next: Next,
) -> Response {
    if use_cases.gate_is_open() || request.uri().path().starts_with("/assets/") {
        return next.run(request).await;
    }
    pages::splash(Splash { unmet: use_cases.readiness().unmet }).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn forms_of_other_sites_are_told_from_our_own() {
        let table: [(&[(&str, &str)], bool); 9] = [
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("host", "a:1"), ("origin", "http://a:1")], false),
            (&[("host", "a:8080"), ("origin", "http://a:8080")], true),
            (&[("host", "a:8080"), ("origin", "http://a:8081")], false),
            (&[("host", "a:8080"), ("origin", "null")], false),
            (&[("host", "in:1"), ("x-forwarded-host", "q.x"), ("origin", "https://q.x")], true),
        ];
        for (pairs, expected) in table {
            assert_eq!(is_from_here(&headers(pairs)), expected, "{pairs:?}");
        }
    }
}
