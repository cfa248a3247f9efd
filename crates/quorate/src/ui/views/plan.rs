//! A plan as a numbered runbook.

use std::fmt::Write as _;

use quorate_api::rest::PlanView;

use crate::ui::{Paint, Tone};

/// The plan, with the reason below each step.
pub(crate) fn plan(view: &PlanView, paint: Paint) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", paint.text(Tone::Strong, &view.title));
    text.push('\n');
    let width = view.steps.len().to_string().len();
    for step in &view.steps {
        let _ = writeln!(text, "{:>width$}. {}", step.number, step.title);
        for line in step.why.lines() {
            let _ = writeln!(text, "{:width$}  {}", "", paint.text(Tone::Dim, line));
        }
    }
    if !view.locks.is_empty() {
        let locks = format!("While it runs it holds: {}", view.locks.join(", "));
        let _ = writeln!(text, "\n{}", paint.text(Tone::Dim, &locks));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::views::samples;

    #[test]
    fn a_plan_is_a_numbered_runbook_with_reasons() {
        insta::assert_snapshot!(plan(&samples::plan(), Paint { enabled: false }), @r"
        component restart orders

        1. require quorum of `orders` without `orders-2`
           A majority of 2 of 3 must remain while one is away.
        2. restart `orders-2`
           It follows: nobody notices.
        3. verify `orders`
           All members are ready.

        While it runs it holds: orders
        ");
    }
}
