//! The nodes: masters and node managers.

use askama::Template;
use quorate_api::rest::{EnrolmentView, MasterView, StatusView};
use quorate_model::Refusal;

use super::{Main, parts};
use crate::{sight::Sight, words};

/// The `main` part of the nodes page.
#[derive(Template)]
#[template(path = "pages/nodes.html")]
pub(crate) struct NodesMain {
    status: StatusView,
    sight: Sight,
    enrolments: Vec<EnrolmentView>,
    /// Why a joiner could not be let in or turned away.
    refused: Option<Refusal>,
    form_token: String,
}

impl NodesMain {
    /// The nodes as the master `node` sees them; `enrolments` wait at the door, for those who may
    /// let them in.
    pub(crate) fn new(
        node: &str,
        status: StatusView,
        enrolments: Vec<EnrolmentView>,
        form_token: &str,
    ) -> Self {
        let form_token = form_token.to_owned();
        Self { sight: Sight::new(node, &status), status, enrolments, refused: None, form_token }
    }

    /// The same with a refusal of what was just tried.
    pub(crate) fn refusing(self, refused: Refusal) -> Self {
        Self { refused: Some(refused), ..self }
    }

    /// Whether something runs on a host that nobody looks after.
    fn has_unmanaged(&self) -> bool {
        self.status.node_managers.iter().any(|manager| !manager.unmanaged.is_empty())
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
