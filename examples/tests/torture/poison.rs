//! D11: what the CRM will never take waits alone, is listed as long as it waits, and goes when the practice mends it.

use crate::compare::{Finding, Kind, caught, found, nothing, wrong};
use crate::world::{Plan, World};

/// Two contacts are refused for ever; then their rows are corrected. What is wrong in between and after.
async fn poison(rules: &str) -> Vec<Finding> {
    let plan = Plan {
        patients: 40,
        sweep: "24h",
        ..Plan::default()
    };
    let twin = World::new(plan.clone()).await;
    twin.once("").await;
    let ideal = twin.crm.requests();

    let world = World::new(plan).await;
    let practice = &world.practices[0];
    // Two who have nobody in their family, so that their families are theirs.
    let poor: Vec<i64> = (practice.patients().into_iter())
        .filter(|row| row.pat_status == "Patient")
        .map(|row| row.pat_num)
        .take(2)
        .collect();
    let ids: Vec<_> = (poor.iter())
        .map(|num| format!("od:main-st:{num}"))
        .collect();
    let tasks: Vec<_> = (practice.recalls().into_iter())
        .filter(|row| poor.contains(&row.pat_num))
        .map(|row| format!("odrecall:main-st:{}", row.recall_num))
        .collect();
    for id in &ids {
        world.crm.refuse_contact(id, 422);
    }
    let mut findings = Vec::new();
    // They are listed by every run, not only by the one that saw them refused.
    for run in 1..=2 {
        let end = world.once(rules).await;
        for id in &ids {
            let listed =
                |line: &str| line.contains(&format!("{id} waits: ")) && line.contains("422");
            if !end.text.lines().any(listed) {
                let what = format!(
                    "{id} is refused, and run {run} does not list it: {}",
                    end.text
                );
                findings.push(found(Kind::Other, what));
            }
        }
    }
    // Three tries each are not the end of anybody else.
    let used = world.crm.requests();
    if used > ideal + 3 * 2 + 2 {
        findings.push(found(
            Kind::Other,
            format!("{used} calls instead of {ideal}"),
        ));
    }
    let of_them = |finding: &Finding| {
        let words: Vec<_> = finding.what.split(' ').collect();
        (ids.iter().chain(&tasks)).any(|id| words.contains(&id.as_str()))
    };
    let left = wrong(&world);
    for id in &ids {
        assert!(left.iter().any(|one| one.what.contains(id)), "{id} arrived");
    }
    findings.extend(left.into_iter().filter(|finding| !of_them(finding)));

    // The office mends the two rows, and the CRM has no more to say against them.
    for (id, num) in ids.iter().zip(&poor) {
        world.crm.accept_contact(id);
        practice.update_patient(*num, |row| row.f_name = "Mended".to_owned());
    }
    let end = world.once(rules).await;
    if end.code() != Some(0) || end.text.contains(" waits: ") {
        let what = format!("mended, and still {:?}: {}", end.status, end.text);
        findings.push(found(Kind::Other, what));
    }
    findings.extend(wrong(&world));
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_two_refused_contacts_wait_alone_are_listed_and_arrive_once_mended() {
    nothing(&poison("").await);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_is_noticed_when_a_refusal_is_dropped_in_silence() {
    let rule = "broken.parked.drop";
    caught(rule, Kind::Other, &poison(&format!("{rule}=return")).await);
}
