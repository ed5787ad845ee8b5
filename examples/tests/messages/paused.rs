//! A person at the desk stops an office that tells people, looks, and lets it go on, beside the process that follows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::World;

fn json(world: &World, arguments: &[&str]) -> Value {
    let text = world.ask(arguments);
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_office_tells_nobody_and_then_exactly_those_of_its_plan() {
    let world = World::new(1, 120, "plan").await;
    world.run(&["--once"]).await;
    let office = ["--office", "main-st"];
    let desk = |command: &'static str| [&[command][..], &office, &["--json"]].concat();

    let paused = world.ask(&[&["pause"][..], &office, &["--reason", "staff meeting"]].concat());
    assert!(paused.contains("nobody is told anything"), "{paused}");
    world.reconfigure("mode = \"plan\"", "mode = \"live\"");
    let up = world.up().await;
    let mut passes = BTreeSet::new();
    let began = Instant::now();
    while passes.len() < 4 {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", world.log());
        let status = json(&world, &desk("status"));
        assert_eq!(status[0]["paused"]["reason"], "staff meeting", "{status}");
        passes.insert(status[0]["last_success"].to_string());
    }
    assert_eq!(world.texts.requests(), 0);
    // Nothing is left out for any other reason: that is looked at when somebody may be told again.
    let plan = json(&world, &desk("plan"))[0].clone();
    let due = plan["messages"].as_array().unwrap();
    assert_eq!(plan["would_send"], 0, "{plan}");
    assert_eq!(plan["untold"]["office_disabled"], due.len(), "{plan}");

    let resumed = world.ask(&[&["resume"][..], &office].concat());
    assert!(resumed.contains("goes on within a minute"), "{resumed}");
    // A plan lists what is left to decide.
    let mut left = due.len();
    while left > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "{left} left");
        let plan = json(&world, &desk("plan"));
        left = plan[0]["messages"].as_array().unwrap().len();
    }
    // Everybody of the first plan was told, or knows the rule that stands against it.
    let mut told = 0;
    for item in due {
        let patient = item["patient"].as_str().unwrap();
        let why = world.ask(&[&["why"][..], &office, &["--patient", patient]].concat());
        if why.contains("told recall by sms on ") {
            told += 1;
        } else {
            assert!(
                why.contains(" sms not told: ") && !why.contains("for now"),
                "{why}"
            );
        }
    }
    // One text may speak for more than one of a household.
    let texts = world.texts.texts();
    let numbers: BTreeSet<_> = texts.iter().map(|text| &text.to).collect();
    assert_eq!(numbers.len(), texts.len());
    assert!(
        (1..=told).contains(&texts.len()),
        "{told} told, {} texts",
        texts.len()
    );
    up.down().await;
    world.nothing_leaked();
}
