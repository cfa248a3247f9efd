//! Children that a program inherited are buried when they end. Alone in its process: the function
//! takes every child there is.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use quorate_supervisor::{ProcessIdentity, bury_heirs};

#[tokio::test]
async fn a_child_of_a_former_program_leaves_no_zombie() {
    // Started by a shell that this very process could have been before; never waited for here.
    let start = |script| {
        let mut child = Command::new("sh");
        child.args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap()
    };
    let (mut early, mut late) = (start("exit 3"), start("read line"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let zombie = ProcessIdentity::of(early.id()).unwrap().unwrap();
    while zombie.is_alive().unwrap() {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    bury_heirs().unwrap();
    // The other one ends afterwards.
    assert!(ProcessIdentity::of(late.id()).unwrap().unwrap().is_alive().unwrap());
    drop(late.stdin.take());
    for child in [&mut early, &mut late] {
        while ProcessIdentity::of(child.id()).unwrap().is_some() {
            assert!(Instant::now() < deadline, "a zombie is left");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(child.try_wait().is_err(), "it is buried");
    }
}
