//! Components: all of them, one, the plan of its restart, and an instance's log.

use askama::Template;
use quorate_api::rest::{ComponentView, PlanView};
use quorate_model::{Refusal, codes, hex};
use sha2::{Digest, Sha256};

use super::{Main, overview::instance_pips, parts};
use crate::{
    survival::{self, Survival},
    words,
};

/// The `main` part of the list of components.
#[derive(Template)]
#[template(path = "pages/components.html")]
pub(crate) struct ComponentsMain {
    /// All components.
    pub(crate) components: Vec<ComponentView>,
}

impl Main for ComponentsMain {
    fn title(&self) -> String {
        "Components".to_owned()
    }

    fn source(&self) -> String {
        "/components".to_owned()
    }

    fn place(&self) -> &'static str {
        "/components"
    }
}

/// The `main` part of a component's page.
#[derive(Template)]
#[template(path = "pages/component.html")]
pub(crate) struct ComponentMain {
    /// The component.
    pub(crate) component: ComponentView,
    /// Whether the visitor may run operations.
    pub(crate) may_operate: bool,
}

impl ComponentMain {
    fn survival(&self) -> Survival {
        survival::of_component(&self.component)
    }

    /// Settings with their values as compact JSON, text without its quotes.
    fn settings(&self) -> Vec<(&str, String)> {
        let text = |value: &serde_json::Value| {
            value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
        };
        self.component.settings.iter().map(|(key, value)| (key.as_str(), text(value))).collect()
    }
}

impl Main for ComponentMain {
    fn title(&self) -> String {
        format!("{} · Components", self.component.name)
    }

    fn source(&self) -> String {
        format!("/components/{}", self.component.name)
    }

    fn place(&self) -> &'static str {
        "/components"
    }
}

/// The `main` part of the plan of a restart. It stands still, so that what is confirmed is what
/// was read.
#[derive(Template)]
#[template(path = "pages/restart.html")]
pub(crate) struct RestartMain {
    /// The component.
    pub(crate) name: String,
    /// The plan, or every reason why there is none.
    pub(crate) plan: Result<PlanView, Vec<Refusal>>,
    /// The interruption of a component without failure tolerance is accepted.
    pub(crate) accept_interruption: bool,
    /// The plan differs from the one that was confirmed.
    pub(crate) has_changed: bool,
    /// Goes into the form.
    pub(crate) form_token: String,
    /// Whether the visitor may run operations.
    pub(crate) may_operate: bool,
}

impl RestartMain {
    fn digest(&self) -> String {
        self.plan.as_ref().map(plan_digest).unwrap_or_default()
    }

    /// Whether accepting an interruption would make the plan possible.
    fn can_accept(&self) -> bool {
        let interrupts = |refusal: &Refusal| refusal.code == codes::INTERRUPTION_CERTAIN;
        self.plan.as_ref().is_err_and(|refusals| refusals.iter().all(interrupts))
    }

    /// The operation that is in the way, when a refusal is about one.
    fn is_in_the_way(&self) -> bool {
        let conflicts = |refusal: &Refusal| refusal.code == codes::OPERATION_CONFLICT;
        self.plan.as_ref().is_err_and(|refusals| refusals.iter().any(conflicts))
    }
}

impl Main for RestartMain {
    fn title(&self) -> String {
        format!("Restart {}", self.name)
    }

    fn source(&self) -> String {
        String::new()
    }

    fn place(&self) -> &'static str {
        "/components"
    }
}

/// Names a plan by its words, so that a confirmation is for the plan that was read.
pub(crate) fn plan_digest(plan: &PlanView) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    add(&plan.title);
    for step in &plan.steps {
        add(&step.kind);
        add(&step.title);
        add(&step.why);
    }
    hex(&hasher.finalize()[..16])
}

/// The `main` part of an instance's log.
#[derive(Template)]
#[template(path = "pages/log.html")]
pub(crate) struct LogMain {
    /// The component.
    pub(crate) component: String,
    /// The instance.
    pub(crate) instance: String,
    /// The end of its log.
    pub(crate) text: String,
    /// How many bytes were asked for.
    pub(crate) at_most: u64,
}

impl Main for LogMain {
    fn title(&self) -> String {
        format!("Log of {}", self.instance)
    }

    fn source(&self) -> String {
        String::new()
    }

    fn place(&self) -> &'static str {
        "/components"
    }
}
