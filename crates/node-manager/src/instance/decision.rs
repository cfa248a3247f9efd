//! What to do about an instance, given its order and what became of its process: pure.

use quorate_model::{Generation, RunState};
use quorate_supervisor::{Attachment, Running};

/// What to do about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It runs as ordered: watch it.
    Watch,
    /// It does not run, and shall not.
    Rest,
    /// It runs and shall not, or shall be another process.
    Stop(StopReason),
    /// It shall run and does not.
    Start(StartReason),
}

/// Why an instance is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// It shall not run.
    Ordered,
    /// It was started for an older generation than it shall run for.
    Restart,
}

/// Why an instance is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartReason {
    /// It never ran here.
    First,
    /// It ended, and shall run for a newer generation.
    NewGeneration,
    /// It ended although it shall run, or was stopped and shall run again.
    Ended,
    /// It could not be started before.
    Failed,
}

/// Whether what runs belongs to an earlier instance of the same name: then it is neither adopted
/// nor stopped, and nothing is started beside it.
pub(crate) fn is_stranger(first_generation: Generation, running: &Running) -> bool {
    running.generation < first_generation
}

/// Decides. A process is compared with the order by its start generation alone: nothing else
/// about an order ends a process that runs and shall run.
pub(crate) fn decide(
    run: RunState,
    start_generation: Generation,
    attachment: &Attachment,
) -> Decision {
    match (run, attachment) {
        (RunState::Running, Attachment::Running(running)) => {
            if running.generation < start_generation {
                Decision::Stop(StopReason::Restart)
            } else {
                Decision::Watch
            }
        }
        (RunState::Stopped, Attachment::Running(_)) => Decision::Stop(StopReason::Ordered),
        (RunState::Stopped, _) => Decision::Rest,
        (RunState::Running, Attachment::Absent) => Decision::Start(StartReason::First),
        (RunState::Running, Attachment::Exited { generation, .. }) => {
            Decision::Start(if *generation < start_generation {
                StartReason::NewGeneration
            } else {
                StartReason::Ended
            })
        }
        (RunState::Running, Attachment::StartFailed { .. }) => Decision::Start(StartReason::Failed),
    }
}

#[cfg(test)]
mod tests {
    use quorate_model::{ExitStatus, Timestamp};
    use quorate_supervisor::{StartFailure, StartFailureKind};

    use super::*;

    fn running(generation: u64) -> Attachment {
        Attachment::Running(Running {
            pid: 7,
            started_at: Timestamp(0),
            generation: Generation(generation),
            shim_alive: true,
            command_digest: String::new(),
        })
    }

    fn exited(generation: u64) -> Attachment {
        Attachment::Exited {
            status: ExitStatus::Code(0),
            at: Timestamp(0),
            generation: Generation(generation),
            dropped_log_bytes: 0,
        }
    }

    fn failed() -> Attachment {
        Attachment::StartFailed {
            failure: StartFailure {
                kind: StartFailureKind::Other,
                reason: String::new(),
                at: Timestamp(0),
            },
            generation: Generation(5),
        }
    }

    #[test]
    fn the_table_of_decisions() {
        use Decision::{Rest, Start, Stop, Watch};
        use RunState::{Running, Stopped};
        // Every order is for start generation 5.
        let table = [
            (Running, running(5), Watch),
            (Running, running(4), Stop(StopReason::Restart)),
            // A restored cluster may count lower than the process it finds.
            (Running, running(6), Watch),
            (Running, Attachment::Absent, Start(StartReason::First)),
            (Running, exited(4), Start(StartReason::NewGeneration)),
            (Running, exited(5), Start(StartReason::Ended)),
            (Running, exited(6), Start(StartReason::Ended)),
            (Running, failed(), Start(StartReason::Failed)),
            (Stopped, running(5), Stop(StopReason::Ordered)),
            (Stopped, running(4), Stop(StopReason::Ordered)),
            (Stopped, running(6), Stop(StopReason::Ordered)),
            (Stopped, Attachment::Absent, Rest),
            (Stopped, exited(4), Rest),
            (Stopped, exited(5), Rest),
            (Stopped, failed(), Rest),
        ];
        for (run, attachment, expected) in table {
            assert_eq!(decide(run, Generation(5), &attachment), expected, "{run:?} {attachment:?}");
        }
    }

    #[test]
    fn a_process_of_an_earlier_instance_of_the_name_is_left_alone() {
        for (generation, stranger) in [(3, true), (4, false), (5, false)] {
            let Attachment::Running(running) = running(generation) else { unreachable!() };
            assert_eq!(is_stranger(Generation(4), &running), stranger, "{generation}");
            // Orders of before this was told apart.
            assert!(!is_stranger(Generation(0), &running));
        }
    }

    #[test]
    fn a_restart_ends_in_watching_after_one_stop_and_one_start() {
        let order = Generation(5);
        let mut attachment = running(3);
        let mut done = Vec::new();
        loop {
            let decision = decide(RunState::Running, order, &attachment);
            done.push(decision);
            attachment = match decision {
                Decision::Stop(_) => exited(3),
                Decision::Start(_) => running(order.0),
                Decision::Watch | Decision::Rest => break,
            };
        }
        assert_eq!(
            done,
            [
                Decision::Stop(StopReason::Restart),
                Decision::Start(StartReason::NewGeneration),
                Decision::Watch
            ]
        );
    }
}
