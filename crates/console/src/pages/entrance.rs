//! The pages outside: the splash, the login, the change of password.

use askama::Template;
use quorate_api::rest::Precondition;
use quorate_model::Refusal;

use super::parts;
use crate::assets;

/// The page that is shown until the cluster is ready; it refreshes itself.
#[derive(Template)]
#[template(path = "pages/splash.html")]
pub(crate) struct Splash {
    /// What is missing.
    pub(crate) unmet: Vec<Precondition>,
}

/// The login.
#[derive(Template)]
#[template(path = "pages/login.html")]
pub(crate) struct Login {
    /// Where to go afterwards.
    pub(crate) next: String,
    /// The name that was given, when it is asked for again.
    pub(crate) username: String,
    /// Why the last attempt failed.
    pub(crate) refusal: Option<Refusal>,
    /// Why the login is asked for, when that is worth a word.
    pub(crate) notice: &'static str,
}

/// The change of one's own password.
#[derive(Template)]
#[template(path = "pages/password.html")]
pub(crate) struct Password {
    /// Whose.
    pub(crate) username: String,
    /// The token of the form.
    pub(crate) form_token: String,
    /// It is the first login: nothing else is allowed before.
    pub(crate) is_first: bool,
    /// Why the last attempt failed.
    pub(crate) refusal: Option<Refusal>,
}

/// Opens a page once more from here: a browser keeps the session back when a link comes from
/// another site, and sends it when the console's own page asks.
#[derive(Template)]
#[template(path = "pages/opening.html")]
pub(crate) struct Opening {
    /// The page.
    pub(crate) path: String,
}

macro_rules! outside {
    ($($page:ident),*) => {$(
        impl $page {
            fn asset(&self, name: &str) -> String {
                assets::url(name)
            }
        }
    )*};
}

outside!(Splash, Login, Password, Opening);
