//! The process pack: anything with a start command. Its instances are independent of each other;
//! readiness is asked over http or tcp, or by a command, or is simply that the process runs.

mod driver;
mod render;
mod rules;
mod settings;

pub(crate) use driver::Driver;
pub(crate) use rules::Rules;
