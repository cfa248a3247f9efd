//! What a person can do about an operation where it stands.

use super::{Operation, OperationStatus};

impl Operation {
    /// What a person can do about it where it stands, with the command for it.
    #[must_use]
    pub fn what_next(&self) -> String {
        let id = self.id;
        match &self.status {
            OperationStatus::Running => format!("watch it with: quorate operation watch {id}"),
            OperationStatus::Aborting => {
                format!("it is being undone; watch it with: quorate operation watch {id}")
            }
            OperationStatus::Paused if self.passed().is_some() => format!(
                "let it go on, since it cannot be undone any more: quorate operation resume {id}"
            ),
            OperationStatus::Paused => format!(
                "let it go on: quorate operation resume {id}; or undo it: quorate operation abort \
                 {id}"
            ),
            OperationStatus::Stuck { aborting, .. } => {
                let or = if self.can_be_left() {
                    format!("; or leave it as it is: quorate operation abort {id} --leave-as-is")
                } else if *aborting || self.passed().is_some() {
                    String::new()
                } else {
                    format!("; or undo it: quorate operation abort {id}")
                };
                format!(
                    "see why (quorate operation show {id}), mend that, then: quorate operation \
                     resume {id}{or}"
                )
            }
            OperationStatus::Succeeded | OperationStatus::Aborted => {
                format!("it has ended; see what it did: quorate operation show {id}")
            }
        }
    }
}
