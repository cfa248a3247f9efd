//! The overview: what is wrong, what is running, what would break, and the rest at a glance.

use askama::Template;
use quorate_api::rest::{ComponentView, MasterView, OperationView, StatusView};

use super::{Main, parts, parts::Pips};
use crate::{
    sight::Sight,
    survival::{self, Survival},
    words,
};

/// The `main` part of the overview.
#[derive(Template)]
#[template(path = "pages/overview.html")]
pub(crate) struct OverviewMain {
    status: StatusView,
    sight: Sight,
    components: Vec<ComponentView>,
    running: Vec<OperationView>,
    problems: Vec<Problem>,
    survivals: Vec<SurvivalRow>,
    /// The leader, when it is another master than the one that serves this page.
    elsewhere: Option<MasterView>,
    leader_name: String,
}

/// Something that is wrong, with the place to look at it.
struct Problem {
    text: String,
    href: String,
    /// The operation that disturbs what the problem is about, and is at work on it.
    while_running: Option<String>,
}

/// One thing and how it would take one more death.
struct SurvivalRow {
    name: String,
    kind: String,
    href: String,
    pips: Pips,
    survival: Survival,
}

/// How the cluster stands, for the head of the page.
struct Standing {
    tone: &'static str,
    icon: &'static str,
    headline: String,
}

impl OverviewMain {
    /// The overview as the master `node` sees it; `running` are the operations that have not
    /// ended.
    pub(crate) fn new(
        node: &str,
        status: StatusView,
        components: Vec<ComponentView>,
        running: Vec<OperationView>,
    ) -> Self {
        let problems = status
            .problems
            .iter()
            .map(|text| problem(text, &status, &components, &running))
            .collect();
        let leader =
            status.masters.iter().find(|master| status.leader.as_ref() == Some(&master.id));
        let sight = Sight::new(node, &status);
        Self {
            problems,
            survivals: survivals(&status, &sight, &components),
            sight,
            elsewhere: leader.filter(|leader| leader.id != node).cloned(),
            leader_name: leader.map(|leader| leader.name.clone()).unwrap_or_default(),
            status,
            components,
            running,
        }
    }

    fn standing(&self) -> Standing {
        let standing = |tone, icon, headline: String| Standing { tone, icon, headline };
        if !self.status.quorate {
            let words = "The masters have no quorum: nothing can be changed".to_owned();
            return standing("bad", "cross", words);
        }
        if self.elsewhere.is_some() && !self.status.healthy {
            let words = "Only the leader sees everything".to_owned();
            return standing("unknown", "question", words);
        }
        match self.unexpected() {
            0 if !self.problems.is_empty() => {
                standing("busy", "spin", "An operation is at work".to_owned())
            }
            0 => standing("good", "check", "Everything is as it should be".to_owned()),
            1 => standing("warn", "alert", "One thing needs attention".to_owned()),
            many => standing("warn", "alert", format!("{many} things need attention")),
        }
    }

    /// How many problems there are beside those that a running operation brings along.
    fn unexpected(&self) -> usize {
        self.problems.iter().filter(|problem| problem.while_running.is_none()).count()
    }

    /// The step that an operation stands at.
    fn current<'a>(&self, operation: &'a OperationView) -> Option<&'a quorate_api::rest::StepView> {
        operation
            .step_list
            .iter()
            .find(|step| !matches!(step.status.as_str(), "finished" | "undone" | "kept"))
    }

    fn ready_masters(&self) -> usize {
        self.status.masters.iter().filter(|master| master.ready).count()
    }

    fn ready_managers(&self) -> usize {
        self.status.node_managers.iter().filter(|manager| manager.ready).count()
    }

    fn up_components(&self) -> usize {
        self.components.iter().filter(|component| component.verdict == "up").count()
    }
}

impl Main for OverviewMain {
    fn title(&self) -> String {
        match self.unexpected() {
            0 => "Overview".to_owned(),
            problems => format!("({problems}) Overview"),
        }
    }

    fn source(&self) -> String {
        "/".to_owned()
    }

    fn place(&self) -> &'static str {
        "/"
    }
}

/// Finds the place of a problem. Its text is not taken apart: the names that exist are looked
/// for at its beginning.
fn problem(
    text: &str,
    status: &StatusView,
    components: &[ComponentView],
    running: &[OperationView],
) -> Problem {
    let begins = |kind: &str, name: &str| {
        let rest = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(' '))
    };
    let component = components.iter().find(|it| begins("component ", &it.name));
    let operation = running.iter().find(|it| begins("operation ", &it.summary.id));
    let is_node = status.masters.iter().any(|it| begins("master ", &it.name))
        || status.node_managers.iter().any(|it| begins("node manager ", &it.name));
    let href = match (component, operation) {
        (Some(component), _) => format!("/components/{}", component.name),
        (_, Some(operation)) => format!("/operations/{}", operation.summary.id),
        _ if is_node => "/nodes".to_owned(),
        _ => String::new(),
    };
    let while_running = component
        .filter(|component| component.verdict == "degraded")
        .and_then(|component| component.operation.as_ref())
        .filter(|operation| operation.status == "running")
        .map(|operation| operation.title.clone());
    Problem { text: text.to_owned(), href, while_running }
}

fn survivals(status: &StatusView, sight: &Sight, components: &[ComponentView]) -> Vec<SurvivalRow> {
    let voters = status.masters.iter().filter(|master| master.role == "voter");
    let masters = SurvivalRow {
        name: "Masters".to_owned(),
        kind: "the cluster's own quorum".to_owned(),
        href: "/nodes".to_owned(),
        pips: parts::pips(voters.map(|master| (master.name.as_str(), sight.of_master(master)))),
        survival: survival::of_masters(status),
    };
    let mut rows: Vec<SurvivalRow> = std::iter::once(masters)
        .chain(components.iter().map(|component| SurvivalRow {
            name: component.name.clone(),
            kind: component.pack.clone(),
            href: format!("/components/{}", component.name),
            pips: instance_pips(component),
            survival: survival::of_component(component),
        }))
        .collect();
    rows.sort_by_key(|row| row.survival.urgency());
    rows
}

/// The instances of a component as pips.
pub(super) fn instance_pips(component: &ComponentView) -> Pips {
    parts::pips(component.instances.iter().map(|instance| {
        let is_known = instance.process != "unknown";
        (instance.name.as_str(), is_known.then_some(instance.ready))
    }))
}
