//! The packs: what Quorate knows of each kind of component. Every pack is one folder with the
//! same files: `settings` (what a person may set), `rules` (what is allowed, pure), `render`
//! (configuration and start command, pure) and `driver` (the I/O beside the process).
//!
//! Nothing outside `etcd/` knows etcd; nothing here knows of masters, node managers or
//! operations. Adding a pack is adding a folder and two lines in `catalog.rs`.

mod catalog;
mod etcd;
mod process;
mod setting_reader;
mod template;

pub use catalog::{DriverCatalog, catalog, drivers};
