//! What a person can do about an operation where it stands, with the commands for it.

use super::{Operation, OperationRequest, OperationStatus};

impl Operation {
    /// What can be done about it, in order; nothing while it goes on by itself, or has ended well.
    #[must_use]
    pub fn to_do(&self) -> Vec<String> {
        let id = self.id;
        let resume = |when: &str| format!("{when}: quorate operation resume {id}");
        let is_reset = self.plan.request == OperationRequest::Reset;
        let has_passed = self.passed().is_some();
        let mut steps = match self.status {
            OperationStatus::Stuck { .. } => vec![resume("mend what its refusal names, then")],
            OperationStatus::Paused => vec![resume("let it go on")],
            // A reset that was left as it is has not reached every disk.
            OperationStatus::Aborted if is_reset && has_passed => {
                return vec!["reset once more: quorate reset".to_owned()];
            }
            _ => return Vec::new(),
        };
        if self.can_be_left() {
            steps.push(format!(
                "if what it waits for is gone for good, end it where it stands: quorate operation \
                 abort {id} --leave-as-is"
            ));
            if is_reset {
                steps.push("once it was left so, reset once more: quorate reset".to_owned());
            }
        } else if !has_passed
            && !matches!(self.status, OperationStatus::Stuck { aborting: true, .. })
        {
            steps.push(format!("or take back what was done: quorate operation abort {id}"));
        }
        steps
    }

    /// The same as the hint of a refusal, which has something to say of every operation.
    #[must_use]
    pub fn what_next(&self) -> String {
        let id = self.id;
        match self.status {
            OperationStatus::Running => format!("watch it with: quorate operation watch {id}"),
            OperationStatus::Aborting => {
                format!("it is being undone; watch it with: quorate operation watch {id}")
            }
            OperationStatus::Stuck { .. } => {
                let to_do = self.to_do().join("; ");
                format!("see why: quorate operation show {id}; {to_do}")
            }
            OperationStatus::Paused => self.to_do().join("; "),
            OperationStatus::Succeeded | OperationStatus::Aborted => {
                format!("it has ended; see what it did: quorate operation show {id}")
            }
        }
    }
}
