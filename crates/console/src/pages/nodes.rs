//! The nodes: masters and node managers.

use askama::Template;
use quorate_api::rest::{MasterView, StatusView};

use super::{Main, parts};
use crate::{sight::Sight, words};

/// The `main` part of the nodes page.
#[derive(Template)]
#[template(path = "pages/nodes.html")]
pub(crate) struct NodesMain {
    status: StatusView,
    sight: Sight,
}

impl NodesMain {
    /// The nodes as the master `node` sees them.
    pub(crate) fn new(node: &str, status: StatusView) -> Self {
        Self { sight: Sight::new(node, &status), status }
    }

    /// How far a master's log is behind the longest known one, when it is.
    fn lag(&self, master: &MasterView) -> Option<String> {
        let newest = self.status.masters.iter().filter_map(|it| it.matched_index).max()?;
        let lag = newest - master.matched_index?;
        (lag > 0).then(|| words::grouped(lag))
    }
}

impl Main for NodesMain {
    fn title(&self) -> String {
        "Nodes".to_owned()
    }

    fn source(&self) -> String {
        "/nodes".to_owned()
    }

    fn place(&self) -> &'static str {
        "/nodes"
    }
}
