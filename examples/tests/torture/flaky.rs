//! D2 to D5: nearly a third of the CRM's calls fail, in every way there is, and it costs calls and time, nothing else.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use odx_core::clock::{Clock as _, SystemClock};
use odx_crm::sim::Fault;

use crate::compare::{Finding, Kind, backwards, caught, found, nothing, settled, wrong};
use crate::world::{Plan, World, from_env, interrupt, kill, rest};

/// All is there this long after the last fault.
const PATIENCE: Duration = Duration::from_secs(60);
const SHARE: f64 = 0.31;
/// As long as an answer is waited for, and a little longer.
const TIMEOUT: &str = "concurrency = 4\ntimeout = \"1s\"\n";
const TOO_LATE: Duration = Duration::from_millis(1300);

fn faults() -> Vec<Fault> {
    let soon = SystemClock.now() + TimeDelta::seconds(1);
    let date = soon.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let again = |status, after: &str| Fault::Status(status, Some(after.to_owned()));
    vec![
        Fault::Status(500, None),
        again(503, "1"),
        again(503, &date),
        again(429, "1"),
        again(429, &date),
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::StatusAfter(502),
        Fault::Hang(TOO_LATE),
        Fault::TruncatedAfter,
    ]
}

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        patients: 40,
        batch: if seed.is_multiple_of(2) { 10 } else { 1 },
        sink: TIMEOUT,
        sweep: "24h",
        ..Plan::default()
    }
}

/// D4. A first sync in which nearly a third of all calls fail, beside one in which none does.
async fn calls(seed: u64, rules: &str) -> Vec<Finding> {
    let mut plan = plan(seed);
    plan.patients *= if plan.batch > 1 { 10 } else { 1 };
    let twin = World::new(plan.clone()).await;
    assert_eq!(twin.once("").await.code(), Some(0));
    let ideal = twin.crm.requests();
    let world = World::new(plan).await;
    world.crm.rate(seed, SHARE, &faults());
    let began = Instant::now();
    let mut program = world.start(&["--once"], rules);
    let mut findings = Vec::new();
    loop {
        let used = world.crm.requests();
        if used > 2 * ideal {
            let what = format!("{used} calls so far, and {ideal} would do");
            findings.push(found(Kind::Other, what));
            break;
        }
        match program.try_wait().unwrap() {
            // It leaves the rest to the next run when nothing goes through for a while.
            Some(status) if status.code() == Some(3) && began.elapsed() < PATIENCE => {
                program = world.start(&["--once"], rules);
            }
            Some(_) => {
                println!("seed {seed}: {used} calls where {ideal} would do");
                break;
            }
            None => rest(Duration::from_millis(10)).await,
        }
    }
    kill(&mut program);
    if findings.is_empty() {
        findings = wrong(&world);
    }
    findings
}

/// D2, D3 and D5. People work while the CRM fails; then it does not any more. Names only ever get newer, and some
/// other things go back and forth.
async fn work(seed: u64, rules: &str, patience: Duration) -> Vec<Finding> {
    let world = World::new(plan(seed)).await;
    world.crm.keep_writes();
    world.crm.rate(seed, SHARE, &faults());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut program = world.start(&["--follow"], rules);
    let practice = &world.practices[0];
    let people: Vec<_> = practice.patients().iter().map(|row| row.pat_num).collect();
    for version in 1..=25 {
        for _ in 0..8 {
            let who = people[random.usize(..people.len())];
            practice.update_patient(who, |row| {
                row.preferred = format!("v{version}");
                row.txt_msg_ok = ["Yes", "No"][version % 2].to_owned();
            });
        }
        practice.advance(Duration::from_secs(1));
        rest(Duration::from_millis(random.u64(50..250))).await;
    }
    world.crm.clear_faults();
    let began = Instant::now();
    let mut findings = settled(&world, patience).await;
    println!(
        "seed {seed}: all there {:?} after the last fault; {:?}",
        began.elapsed(),
        world.crm.counts()
    );
    findings.extend(backwards(&world));
    if interrupt(&mut program).await.is_none() {
        findings.push(found(Kind::Other, "it does not stop"));
    }
    findings
}

/// D5. A change arrives, its answer does not, and the practice takes it back meanwhile.
async fn there_and_back(rules: &str) -> Vec<Finding> {
    let world = World::new(plan(1)).await;
    let practice = &world.practices[0];
    let who = practice
        .patients()
        .into_iter()
        .find(|row| row.pat_status == "Patient")
        .unwrap();
    let mut findings = Vec::new();
    let mut sync = async |name: &str, code: i32| {
        practice.update_patient(who.pat_num, |row| row.f_name = name.to_owned());
        practice.advance(Duration::from_secs(1));
        let end = world.once(rules).await;
        if end.code() != Some(code) {
            let what = format!("{name}: {:?} {}", end.status, end.text);
            findings.push(found(Kind::Other, what));
        }
    };
    sync("Ana", 0).await;
    // The list of stops is read; nothing after it is answered.
    world.crm.fail_next(1, Fault::Hang(Duration::ZERO));
    world.crm.fail_next(500, Fault::ResetAfter);
    sync("Bea", 3).await;
    let (there, _) = world.writes();
    world.crm.clear_faults();
    sync("Ana", 0).await;
    findings.extend(wrong(&world));
    assert!(world.writes().0 >= there, "the CRM does not forget");
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_a_failing_crm_costs_at_most_twice_the_calls_and_drops_nothing() {
    for seed in 1..=from_env("ODX_SEEDS", 2) {
        nothing(&calls(seed as u64, "").await);
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_is_noticed_when_one_failure_repeats_what_went_through() {
    let rule = "broken.retry.alone";
    caught(
        rule,
        Kind::Other,
        &calls(1, &format!("{rule}=return")).await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_d3_d5_with_a_third_of_all_calls_failing_everybody_is_there_once_and_never_older() {
    for seed in 1..=from_env("ODX_SEEDS", 2) {
        nothing(&work(seed as u64, "", PATIENCE).await);
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_is_noticed_when_a_name_in_the_crm_is_not_that_of_the_row() {
    let world = World::new(plan(1)).await;
    let rule = "broken.id.stable";
    let mut program = world.start(&["--once"], &format!("{rule}=return"));
    while program.try_wait().unwrap().is_none() && world.writes().0 < 100 {
        rest(Duration::from_millis(10)).await;
    }
    kill(&mut program);
    caught(rule, Kind::Double, &wrong(&world));
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_is_noticed_when_what_was_read_before_is_sent_after() {
    let world = World::new(plan(1)).await;
    world.crm.keep_writes();
    let rule = "broken.due.newest";
    let mut program = world.start(&["--follow"], &format!("{rule}=return"));
    let practice = &world.practices[0];
    for version in 1..=4 {
        for row in practice.patients() {
            practice.update_patient(row.pat_num, |row| row.preferred = format!("v{version}"));
        }
        practice.advance(Duration::from_secs(1));
        let before = world.writes().0;
        let began = Instant::now();
        while world.writes().0 < before + 20 && began.elapsed() < Duration::from_secs(5) {
            rest(Duration::from_millis(20)).await;
        }
    }
    kill(&mut program);
    caught(rule, Kind::Stale, &backwards(&world));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d5_a_change_that_arrived_without_an_answer_can_be_taken_back() {
    nothing(&there_and_back("").await);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d5_is_noticed_when_a_lost_answer_leaves_no_doubt() {
    let rule = "broken.difference.doubt";
    let findings = there_and_back(&format!("{rule}=return")).await;
    caught(rule, Kind::Stale, &findings);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d5_is_noticed_when_two_changes_share_an_idempotency_key() {
    let rule = "broken.key.generation";
    let findings = there_and_back(&format!("{rule}=return")).await;
    caught(rule, Kind::Stale, &findings);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_is_noticed_when_what_was_not_tried_counts_as_done() {
    let rule = "broken.work.open";
    let mut findings = Vec::new();
    // It takes a pause of the CRM's in the middle of a chunk, which is chance.
    for seed in 1..=8 {
        findings.extend(work(seed, &format!("{rule}=return"), Duration::from_secs(2)).await);
        if findings.iter().any(|one| one.kind == Kind::Lost) {
            break;
        }
    }
    caught(rule, Kind::Lost, &findings);
}
