//! The web console: pages rendered on the server, for the person who was woken at night.
//!
//! A page is two typed structs: its `main` part, a pure function of the views of REST, and the
//! [`pages::Page`] around it. The same `main` alone answers a live refresh, so that what a person
//! sees is rendered in one place. Nothing here touches the cluster but `control.rs`, which puts
//! the [`UseCases`] of the console on top of `Control`; tests and the gallery put samples there.
//!
//! Everything works without JavaScript; with it, pages follow `/events`.

mod assets;
mod control;
mod events;
mod guard;
pub mod pages;
mod routes;
pub mod samples;
mod session;
mod sight;
mod survival;
mod use_cases;
mod words;

pub use control::router;
pub use routes::router as router_over;
pub use use_cases::{Admission, Change, Intervention, UseCases, Visitor};
