//! The wire: types of REST, the internal protocol, and the error codes with a page each.
//!
//! The server fills these types, the client reads them; neither the client nor the node manager
//! compiles the server to do so.

mod error;
pub mod exit;
pub mod internal;
mod pages;
pub mod rest;

pub use error::{ErrorBody, http_status};
pub use pages::{ErrorPage, page, pages};

/// The base path of the REST interface.
pub const BASE_PATH: &str = "/admin/api";
