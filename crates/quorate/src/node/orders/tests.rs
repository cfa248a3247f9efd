//! What this process is ordered is written down, and done once.

use super::*;
use crate::node::dial::Nobody;

fn folders(root: &std::path::Path) -> Folders {
    let folders = Folders::resolve(&crate::node::FolderArgs::default(), Some(root), None);
    folders.create().unwrap();
    folders
}

fn order(generation: u64) -> NodeOrder {
    NodeOrder { generation: Generation(generation), kind: OrderKind::Restart }
}

#[tokio::test]
async fn an_order_is_written_down_and_obeyed_once() {
    let temp = tempfile::tempdir().unwrap();
    let folders = folders(temp.path());
    let image = Image::of_program("/bin/true".into());
    let orders = Orders::open(&folders).unwrap();
    assert_eq!(orders.told().borrow().obeyed, Generation(0));
    let ending = Ending::new();
    orders.inbox().send_replace(Some(order(7)));
    orders.clone().obey(image.clone(), Arc::new(Nobody), ending.clone()).await;
    assert_eq!(ending.anew(), Some(Anew::Restarted));
    assert!(*ending.stop().borrow());

    // The next process, told the same again, goes on.
    let orders = Orders::open(&folders).unwrap();
    assert_eq!(orders.told().borrow().obeyed, Generation(7));
    let ending = Ending::new();
    orders.put(order(7));
    orders.put(order(6));
    let obeying = tokio::spawn(orders.clone().obey(image, Arc::new(Nobody), ending.clone()));
    tokio::task::yield_now().await;
    assert!(ending.anew().is_none() && !*ending.stop().borrow());
    orders.put(order(8));
    obeying.await.unwrap();
    assert_eq!(ending.anew(), Some(Anew::Restarted));
}

#[tokio::test]
async fn a_purge_is_due_until_it_is_done_whatever_is_ordered_meanwhile() {
    let temp = tempfile::tempdir().unwrap();
    let folders = folders(temp.path());
    let image = Image::of_program("/bin/true".into());
    let purge = NodeOrder { generation: Generation(3), kind: OrderKind::Purge };
    let orders = Orders::open(&folders).unwrap();
    assert!(!orders.purge_is_due());
    assert!(orders.try_obey(&purge, &image, &Nobody, &Ending::new()).await.unwrap());

    let orders = Orders::open(&folders).unwrap();
    assert!(orders.purge_is_due());
    assert!(orders.try_obey(&order(4), &image, &Nobody, &Ending::new()).await.unwrap());
    let orders = Orders::open(&folders).unwrap();
    assert!(orders.purge_is_due());
    assert_eq!(orders.told().borrow().obeyed, Generation(4));
    orders.purged().unwrap();
    assert!(!Orders::open(&folders).unwrap().purge_is_due());
}

#[tokio::test]
async fn a_node_does_not_stop_for_a_program_that_does_not_run() {
    let temp = tempfile::tempdir().unwrap();
    let orders = Orders::open(&folders(temp.path())).unwrap();
    for program in ["/bin/false", "/nonexistent"] {
        let image = Image::of_program(program.into());
        let ending = Ending::new();
        assert!(orders.try_obey(&order(1), &image, &Nobody, &ending).await.is_err());
        assert!(ending.anew().is_none() && !*ending.stop().borrow());
        assert!(!folders(temp.path()).orders_file().exists());
    }
}

#[tokio::test]
async fn what_cannot_be_staged_is_told_and_nothing_stops() {
    let temp = tempfile::tempdir().unwrap();
    let folders = folders(temp.path());
    let orders = Orders::open(&folders).unwrap();
    let binary: Binary = serde_json::from_value(serde_json::json!({
        "sha256": "0f".repeat(32), "size": 1, "version": "9.9.9", "architecture": "x86_64",
        "featureLevels": { "from": 1, "to": 1 },
    }))
    .unwrap();
    let upgrade = OrderKind::Upgrade { binary, ready_within_ms: 1000 };
    let order = NodeOrder { generation: Generation(3), kind: upgrade };
    let (image, ending) = (Image::of_program("/bin/true".into()), Ending::new());
    tokio::time::pause();
    let ends = orders.try_obey(&order, &image, &Nobody, &ending).await.unwrap();
    assert!(!ends && !*ending.stop().borrow() && !folders.upgrade_file().exists());
    let told = Orders::open(&folders).unwrap().told().borrow().clone();
    let Some(OrderReport { outcome: OrderOutcome::Failed { refusal }, .. }) = told.report else {
        panic!("{told:?}");
    };
    assert_eq!((told.obeyed, refusal.code), (Generation(3), codes::BINARY_ABSENT));
}

#[test]
fn an_upgrade_that_was_ended_before_its_attempt_began_has_failed() {
    let temp = tempfile::tempdir().unwrap();
    let folders = folders(temp.path());
    let generation = Generation(5);
    let report = OrderReport { generation, outcome: OrderOutcome::UnderWay };
    Record::of(report).store(&folders).unwrap();
    let told = Orders::open(&folders).unwrap().told().borrow().clone();
    assert_eq!(told.obeyed, generation);
    let failed = told.report.unwrap();
    assert!(matches!(failed.outcome, OrderOutcome::Failed { .. }), "{failed:?}");
}
