//! Every page, rendered from every sample through the real router: well-formed frames, nothing
//! inline, nothing unescaped.

use quorate_console::samples::{self, NIGHT, Sample};

use crate::harness::Browser;

/// The addresses of every page that a sample has.
fn pages_of(sample: &Sample) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/", "/nodes", "/components", "/operations", "/doctor", "/audit", "/login", "/password"]
            .map(ToOwned::to_owned)
            .to_vec();
    for component in sample.components.iter().filter(|it| !it.name.contains('<')) {
        paths.push(format!("/components/{}", component.name));
        paths.push(format!("/components/{}/restart", component.name));
        paths.push(format!("/components/{}/logs/x", component.name));
    }
    paths.extend(sample.operations.iter().map(|it| format!("/operations/{}", it.summary.id)));
    paths
}

#[tokio::test]
async fn every_page_of_every_sample_has_landmarks_and_nothing_inline() {
    for sample in samples::all(NIGHT) {
        let browser = Browser::logged_in(sample.clone());
        for path in pages_of(&sample) {
            let page = browser.get(&path).await;
            let at = format!("{} {path}", sample.name);
            assert!(page.body.starts_with("<!doctype html>"), "{at}");
            assert_eq!(page.body.matches("<main").count(), 1, "{at}");
            assert_eq!(page.body.matches("<h1").count(), 1, "{at}");
            assert!(page.body.contains("<html lang=\"en\">"), "{at}");
            assert!(page.body.contains("name=\"viewport\""), "{at}");
            assert!(page.body.contains("<title>"), "{at}");
            assert_no_inline(&page.body, &at);
            if page.body.contains("class=\"top\"") {
                for landmark in ["<header", "<nav", "<footer", "class=\"skip\"", "role=\"status\""]
                {
                    assert!(page.body.contains(landmark), "{at} lacks {landmark}");
                }
            }
        }
    }
}

/// Scripts and styles come from files only; every tag is one of ours.
fn assert_no_inline(body: &str, at: &str) {
    for forbidden in
        ["<style", " style=", "javascript:", " onclick", " onload", " onerror=", "<img src=x"]
    {
        assert!(!tags(body).any(|tag| tag.contains(forbidden)), "{at}: {forbidden}");
    }
    for script in body.match_indices("<script").map(|(place, _)| &body[place..]) {
        assert!(script.starts_with("<script src=\"/assets/console.js?v="), "{at}: a script");
    }
}

fn tags(body: &str) -> impl Iterator<Item = &str> {
    body.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag)).map(|tag| {
        // What stands in a quoted attribute is text.
        tag.split('"').next().unwrap_or_default()
    })
}

#[tokio::test]
async fn hostile_names_are_text() {
    let sample = samples::hostile(NIGHT);
    let browser = Browser::logged_in(sample.clone());
    let mut seen_escaped = 0;
    for path in pages_of(&sample) {
        let page = browser.get(&path).await;
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(!page.body.contains("<img src=x"), "{path}");
        seen_escaped += page.body.matches("&#60;script&#62;alert").count();
    }
    assert!(seen_escaped > 50, "{seen_escaped}");
}

#[tokio::test]
async fn the_overview_says_what_is_wrong_before_what_runs_before_what_would_break() {
    let page = Browser::logged_in(samples::stuck(NIGHT)).get("/").await.body;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("2 things need attention") < place("What is wrong"));
    assert!(place("What is wrong") < place("What is running"));
    assert!(place("What is running") < place("If one more host died"));
    assert!(place("If one more host died") < place("id=\"masters\""));
    assert!(page.contains("href=\"/operations/01K1N7A2B3C4D5E6F7G8H9J0KM\">Look"));
}

#[tokio::test]
async fn a_healthy_cluster_is_quiet() {
    let page = Browser::logged_in(samples::healthy(NIGHT)).get("/").await.body;
    assert!(page.contains("Everything is as it should be"));
    assert!(!page.contains("What is wrong"));
    assert!(page.contains("No operation is running."));
}

#[tokio::test]
async fn what_a_running_operation_disturbs_is_not_an_alarm() {
    let page = Browser::logged_in(samples::restarting(NIGHT)).get("/").await.body;
    assert!(page.contains("An operation is at work"));
    assert!(page.contains("Disturbed for now"));
    assert!(page.contains("while “component restart orders” is running"));
}

#[tokio::test]
async fn a_master_that_does_not_lead_says_where_the_full_picture_is() {
    let page = Browser::logged_in(samples::follower(NIGHT)).get("/").await.body;
    assert!(page.contains("Only the leader sees everything"));
    assert!(page.contains("href=\"http://10.0.0.1:8080/\""));
    assert!(!page.contains("not ready</span>"), "what cannot be seen is unknown");
}

#[tokio::test]
async fn empty_pages_say_what_to_do_next() {
    let browser = Browser::logged_in(samples::empty(NIGHT));
    for (path, command) in [
        ("/components", "quorate component create -f orders.toml"),
        ("/operations", "quorate component restart orders --plan"),
        ("/nodes", "quorate token create --role node-manager"),
        ("/", "quorate component create -f orders.toml"),
    ] {
        assert!(browser.get(path).await.body.contains(command), "{path}");
    }
}

#[tokio::test]
async fn without_a_quorum_the_overview_names_the_missing_and_what_to_do() {
    let browser = Browser::logged_in(samples::no_quorum(NIGHT));
    let page = browser.get("/").await.body;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("not reached from this master: host-b at") < place("What to do"));
    assert!(place("What to do") < place("<code>quorate recover collect --out NAME.json</code>"));
    assert!(!page.contains("leader</span>"), "nobody can know who leads");
}

#[tokio::test]
async fn processes_that_nobody_looks_after_are_named_with_their_host() {
    let page = Browser::logged_in(samples::growing(NIGHT)).get("/nodes").await.body;
    let (_, managers) = page.split_once("id=\"managers\"").unwrap();
    assert!(
        managers.contains("Process 18233 of <code>ledger-2</code> runs unmanaged"),
        "{managers}"
    );
    let page = Browser::logged_in(samples::healthy(NIGHT)).get("/nodes").await.body;
    assert!(!page.contains("unmanaged"));
}

#[tokio::test]
async fn a_refused_plan_shows_code_cause_and_hint() {
    let page = Browser::logged_in(samples::degraded(NIGHT)).get("/components/orders/restart").await;
    assert_eq!(page.status, 409);
    for words in ["Q2104", "Cause", "1 of 3 members would remain", "What next", "Q2106"] {
        assert!(page.body.contains(words), "{words}");
    }
    assert!(!page.body.contains("method=\"post\" action=\"/components"));
}

#[tokio::test]
async fn a_plan_is_a_numbered_runbook_with_its_reasons() {
    let page = Browser::logged_in(samples::healthy(NIGHT)).get("/components/orders/restart").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("13 steps"));
    assert_eq!(page.body.matches("class=\"step-why\"").count(), 13);
    assert!(page.body.contains("data-source=\"\""), "a plan that is read stands still");
}

#[tokio::test]
async fn an_operation_shows_what_it_waits_for_and_offers_what_can_be_done() {
    let path = "/operations/01K1N6W7Q0T5Y8ZC3V9B2M4X6D";
    let running = Browser::logged_in(samples::restarting(NIGHT)).get(path).await.body;
    assert!(running.contains("waiting: healthy for 3 s"));
    assert!(running.contains("aria-current=\"step\""));
    assert!(
        running.contains(&format!("{path}/pause")) && running.contains(&format!("{path}/abort"))
    );
    assert!(!running.contains(&format!("{path}/resume")));

    let viewer = Sample { role: "viewer".to_owned(), ..samples::restarting(NIGHT) };
    let seen = Browser::logged_in(viewer).get(path).await.body;
    assert!(!seen.contains(&format!("{path}/pause")), "a viewer cannot pause");
}

#[tokio::test]
async fn what_is_stuck_past_its_point_of_no_return_can_be_left_and_not_aborted() {
    let mut sample = samples::stuck(NIGHT);
    let path = format!("/operations/{}", sample.operations[0].summary.id);
    let before = Browser::logged_in(sample.clone()).get(&path).await.body;
    assert!(
        before.contains(&format!("{path}/abort")) && !before.contains(&format!("{path}/leave"))
    );
    sample.operations[0].can_be_left = true;
    let passed = Browser::logged_in(sample).get(&path).await.body;
    assert!(
        passed.contains(&format!("{path}/leave")) && !passed.contains(&format!("{path}/abort"))
    );
    assert!(passed.contains("until you resume it or leave it as it is"));
}

#[tokio::test]
async fn a_partial_is_the_main_part_of_the_same_page() {
    let browser = Browser::logged_in(samples::degraded(NIGHT));
    for path in ["/", "/nodes", "/components/orders", "/operations"] {
        let page = browser.get(path).await;
        let partial = browser.get_partial(path).await;
        assert_eq!(partial.header("x-partial"), Some("main"), "{path}");
        assert!(partial.body.starts_with("<main id=\"main\""), "{path}");
        assert!(page.body.contains(partial.body.trim()), "{path}");
    }
}

#[tokio::test]
async fn the_checklist_says_what_is_wrong_first_with_what_to_do() {
    let page = Browser::logged_in(samples::degraded(NIGHT)).get("/doctor").await.body;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("one warning") < place("id=\"problems\""));
    assert!(place("id=\"problems\"") < place("id=\"warnings\""));
    assert!(place("id=\"warnings\"") < place("As it should be"));
    assert!(page.contains("On host-c: <code>quorate start</code>"), "prose is no code");
    assert!(page.contains("data-source=\"\""), "what is read stands still");
    let page = Browser::logged_in(samples::healthy(NIGHT)).get("/doctor").await.body;
    assert!(page.contains("The checklist finds nothing wrong"));
    // What is merely worth knowing, or could not be looked at, is not "as it should be".
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("Not known") < place("time-sync") && place("time-sync") < place("Worth knowing"));
    assert!(place("backups") < place("As it should be"));
    assert!(place("As it should be") < place("masters-agree"));
}
