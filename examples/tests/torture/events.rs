//! The program with a receiver: what it says before it reads, and that nothing that was answered with 200 is lost
//! when it is killed before it applied it (D6).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

use odx_core::failpoint::PLACES;
use odx_opendental::sim::SubscriptionRow;

use crate::change::nothing_leaked;
use crate::compare::{nothing, settled, wrong};
use crate::world::{ABORT, OFFICES, PATH, Plan, World, ended, interrupt, kill, rest};

/// Offices that send, and are polled once in an hour.
fn plan(offices: usize) -> Plan {
    Plan {
        patients: 20,
        offices,
        sweep: "24h",
        poll: "1h",
        receiver: true,
        ..Plan::default()
    }
}

/// The address that the program has said it listens on since `from`.
async fn address(world: &World, from: usize) -> String {
    let began = Instant::now();
    loop {
        let log = world.log().split_off(from);
        let rest_of = log.split("receiver: listens on ").nth(1);
        if let Some(found) = rest_of.and_then(|rest| rest.split("/<path>/").next()) {
            return format!("{found}/{PATH}/");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{log}");
        rest(Duration::from_millis(10)).await;
    }
}

/// Follows, and the offices know where to send.
async fn follow(world: &World, failpoints: &str) -> Child {
    let from = world.log().len();
    let program = world.start(&["--follow"], failpoints);
    let url = address(world, from).await;
    for practice in &world.practices {
        for row in practice.subscriptions() {
            practice.remove_subscription(row.subscription_num);
        }
        for table in ["Patient", "Appointment", "AppointmentDeleted"] {
            practice.add_subscription(SubscriptionRow {
                end_point_url: url.clone(),
                workstation: "FRONTDESK".to_owned(),
                watch_table: table.to_owned(),
                polling_seconds: 5,
                ..SubscriptionRow::default()
            });
        }
    }
    program
}

/// Somebody of each office gets a new name, and the office sends it. How many sends were answered with 200.
async fn rename_and_send(world: &World, name: &str) -> usize {
    let mut answered = 0;
    for practice in &world.practices {
        practice.advance(Duration::from_secs(6));
        let patients = practice.patients();
        let row = patients.iter().find(|row| row.pat_status == "Patient");
        practice.update_patient(row.unwrap().pat_num, |row| row.f_name = name.to_owned());
        let sent = practice.fire_events().await;
        answered += sent.iter().filter(|one| one.delivered).count();
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offices_that_send_are_followed_without_a_poll_and_told_apart_by_their_keys() {
    let world = World::new(plan(2)).await;
    let mut program = follow(&world, "").await;
    nothing(&settled(&world, Duration::from_secs(30)).await);
    for n in 0..5 {
        assert_eq!(rename_and_send(&world, &format!("Sent{n}")).await, 2);
        nothing(&settled(&world, Duration::from_secs(20)).await);
    }
    assert_eq!(interrupt(&mut program).await.unwrap().code(), Some(0));
    let log = world.log();
    let told = "receiver: 10 deliveries stored, 0 known already, 0 without a good key";
    assert!(log.contains(told), "{}", world.tail());
    assert!(!log.contains(PATH), "the path is a secret");
    nothing_leaked(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_file_says_where_offices_reach_it_they_are_subscribed_and_kept_so() {
    let world = World::new(plan(2)).await;
    // A port that is free now; whoever takes it meanwhile fails the test loudly.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let path = world.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap().replace(
        "listen = \"127.0.0.1:0\"",
        &format!("listen = \"127.0.0.1:{port}\"\nurl = \"http://127.0.0.1:{port}\""),
    );
    std::fs::write(&path, config).unwrap();
    for _ in 0..2 {
        let from = world.log().len();
        let mut program = world.start(&["--follow"], "");
        let began = Instant::now();
        while world
            .log()
            .split_off(from)
            .matches("events subscribed")
            .count()
            < 2
        {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{}",
                world.tail()
            );
            rest(Duration::from_millis(20)).await;
        }
        for practice in &world.practices {
            let tables: Vec<_> = practice
                .subscriptions()
                .into_iter()
                .map(|row| row.watch_table)
                .collect();
            assert_eq!(tables.len(), 3, "{tables:?}");
        }
        nothing(&settled(&world, Duration::from_secs(30)).await);
        let mut sent = 0;
        for n in 0..4 {
            // Not every look of an office is due at once.
            sent += rename_and_send(&world, &format!("Kept{from}x{n}")).await;
        }
        assert!(sent >= 2, "{sent} sent");
        for practice in &world.practices {
            practice.advance(Duration::from_secs(60));
            practice.fire_events().await;
        }
        nothing(&settled(&world, Duration::from_secs(20)).await);
        assert_eq!(interrupt(&mut program).await.unwrap().code(), Some(0));
    }
    assert!(!world.log().contains(PATH), "the path is a secret");
    nothing_leaked(&world);
}

/// Every row of every table of the state.
fn dump(world: &World) -> String {
    let db = rusqlite::Connection::open(world.state()).unwrap();
    let mut tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut text = String::new();
    for table in tables.map(Result::unwrap) {
        let mut query = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                text += &format!("{:?};", row.get_ref(column).unwrap());
            }
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_program_explains_is_what_it_then_asks_and_it_writes_nothing() {
    let world = World::new(plan(2)).await;
    let mut program = world.start(&["--probe"], "");
    let status = ended(&mut program, Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", world.tail());
    for office in &OFFICES[..2] {
        assert!(
            world
                .log()
                .contains(&format!("{office}:\n  answers at 127.0.0.1"))
        );
    }
    // Before the first pass, where there is no state, and none is made.
    let from = world.log().len();
    let mut program = world.start(&["--explain"], "");
    let status = ended(&mut program, Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", world.tail());
    let text = world.log().split_off(from);
    assert!(
        text.contains("main-st: the next pass reads\n  what"),
        "{text}"
    );
    assert!(
        text.contains("patients  ") && text.contains("whole list"),
        "{text}"
    );
    assert!(!world.state().exists(), "the state was made");

    // The first listing of all had several pages: the second proves it.
    for _ in 0..2 {
        let end = world.once("").await;
        assert_eq!(end.code(), Some(0), "{}", end.text);
    }
    let before = dump(&world);
    let rows = |world: &World| {
        let lists = ["/patients/Simple", "/appointments", "/recalls"];
        let asked = world.practices[0].requests();
        let read = |path: &str| lists.contains(&path);
        asked.iter().filter(|one| read(&one.path)).count()
    };
    let from = (world.log().len(), rows(&world));
    let mut program = world.start(&["--explain"], "");
    let status = ended(&mut program, Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", world.tail());
    let text = world.log().split_off(from.0);
    // Behind a complete listing: only what changed.
    assert!(text.contains("list of changes"), "{text}");
    assert_eq!(rows(&world), from.1, "rows were read");
    assert!(dump(&world) == before, "the state was written");

    // One that cannot be reached is said so, beside the other.
    world.practices[1]
        .faults()
        .rate(1, 1.0, &[odx_opendental::sim::Fault::ConnectionReset]);
    for look in ["--probe", "--explain"] {
        let from = world.log().len();
        let mut program = world.start(&[look], "");
        let status = ended(&mut program, Duration::from_secs(60)).await;
        let text = world.log().split_off(from);
        assert_eq!(status.code(), Some(3), "{text}");
        assert!(text.contains("elm-st: could not be asked"), "{text}");
        assert!(text.contains("main-st:"), "{text}");
    }
    nothing_leaked(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_begins_with_the_plan() {
    let world = World::new(Plan {
        patients: 10,
        ..Plan::default()
    })
    .await;
    let mut program = world.start(&["--dry-run"], "");
    let status = ended(&mut program, Duration::from_secs(30)).await;
    let log = world.log();
    let plan = log.find("main-st: the next pass reads").unwrap();
    let first = log.find("would create contact").unwrap();
    assert!(plan < first && status.code() == Some(0), "{}", world.tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_whose_address_is_taken_ends_the_program_before_anything_is_read() {
    let world = World::new(plan(1)).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = world.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    std::fs::write(
        &file,
        config.replace("127.0.0.1:0\"", &format!("{address}\"")),
    )
    .unwrap();
    let mut program = world.start(&["--follow"], "");
    let status = ended(&mut program, Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(1), "{}", world.tail());
    assert!(
        world.log().contains("cannot be listened on"),
        "{}",
        world.tail()
    );
    assert_eq!(world.practices[0].requests().len(), 0);
}

/// A patient's row as an event shows it, with a name that no table of the office has and a stamp that is newer than
/// any reading: only who applies the event itself can know it.
fn forged(world: &World, name: &str, minutes: i64) -> (i64, String) {
    let practice = &world.practices[0];
    let sent = practice.deliveries();
    let sent = sent
        .iter()
        .find(|one| one.event == "WatchTable: Patient")
        .unwrap();
    let mut rows: Vec<serde_json::Value> = serde_json::from_slice(sent.body()).unwrap();
    rows.truncate(1);
    let stamp = practice.now() + chrono::TimeDelta::minutes(minutes);
    rows[0]["FName"] = name.into();
    rows[0]["DateTStamp"] = stamp.format("%Y-%m-%d %H:%M:%S").to_string().into();
    let key = rows[0]["PatNum"].as_i64().unwrap();
    (key, serde_json::to_string(&rows).unwrap())
}

/// Posts it as the first office does. The status answered.
fn post(url: &str, body: &str) -> u16 {
    let authority = url.split('/').nth(2).unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let length = body.len();
    let head = format!(
        "POST /{PATH}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: customer0key\r\n\
         event-type: WatchTable: Patient\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

/// Kills the program between the answer and the CRM, over and over; how many events that were answered with 200
/// never came to the CRM.
async fn killed(kills: u64, rules: &str, rest_for: impl Fn(u64) -> u64) -> usize {
    let world = World::new(plan(1)).await;
    let mut program = follow(&world, "").await;
    nothing(&settled(&world, Duration::from_secs(30)).await);
    assert_eq!(rename_and_send(&world, "Known").await, 1);
    nothing(&settled(&world, Duration::from_secs(30)).await);
    assert_eq!(interrupt(&mut program).await.unwrap().code(), Some(0));
    // Long ago: what is forged from now on is not read over.
    world.practices[0].advance(Duration::from_secs(4 * 3600));
    for _ in 0..2 {
        assert_eq!(world.once("").await.code(), Some(0));
    }
    let mut lost = 0;
    for round in 0..kills {
        let from = world.log().len();
        let mut program = world.start(&["--follow"], rules);
        let url = address(&world, from).await;
        let name = format!("Killed{round}");
        let (key, body) = forged(&world, &name, i64::try_from(round).unwrap() + 1);
        let asked = world.practices[0].requests().len();
        assert_eq!(post(&url, &body), 200);
        // From the very moment of the answer to when it has long arrived.
        rest(Duration::from_millis(rest_for(round))).await;
        kill(&mut program);
        let end = world.once("").await;
        assert_eq!(end.code(), Some(0), "{}", end.text);
        let id = format!("od:main-st:{key}");
        let held = world.crm.contacts();
        let held = held
            .iter()
            .find(|held| held.record.external_id.to_string() == id)
            .unwrap();
        let told = held.record.first_name.expose() == &name;
        // A process that knows no names yet does not take the row, but reads whom it is about.
        let path = format!("/patients/{key}");
        let read = world.practices[0].requests()[asked..]
            .iter()
            .any(|request| request.path == path);
        lost += usize::from(!told && !read);
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_killed_between_the_answer_and_the_application_nothing_that_was_answered_is_lost() {
    let kills = 16;
    let lost = killed(kills, "", |round| round * round).await;
    println!("{kills} kills behind a 200, {lost} events lost");
    assert_eq!(lost, 0);
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_the_kills_notice_an_answer_before_the_commit() {
    let rule = "broken.receive";
    // The commit takes its time, as on a slow disk.
    let rules = format!("{rule}=return;receive.in_transaction=sleep(400)");
    let lost = killed(4, &rules, |_| 0).await;
    println!("without {rule}: {lost} of 4 events lost");
    assert!(lost > 0, "nobody noticed that {rule} is off");
}

/// The places of receiving, of which the matrix of single runs knows nothing.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_ended_at_every_place_of_receiving_nothing_is_lost_doubled_or_stale() {
    let places = PLACES.iter().filter(|place| place.starts_with("receive."));
    let mut count = 0;
    for place in places {
        let world = World::new(plan(1)).await;
        assert_eq!(world.once("").await.code(), Some(0));
        for hit in [1, 2, 4] {
            let skip = hit - 1;
            let count_off = if skip > 0 {
                format!("{skip}*off->")
            } else {
                String::new()
            };
            let mut program = follow(&world, &format!("{place}={count_off}return")).await;
            for n in 0..hit {
                rename_and_send(&world, &format!("At{hit}{n}")).await;
            }
            let end = ended(&mut program, Duration::from_secs(20)).await;
            let signal = std::os::unix::process::ExitStatusExt::signal(&end);
            assert_eq!(signal, Some(ABORT), "{place} at {hit}: {end:?}");
            for practice in &world.practices {
                practice.advance(Duration::from_secs(2 * 3600));
            }
            // The first run ends the pass that was cut off, the second reads what changed since.
            for _ in 0..2 {
                let end = world.once("").await;
                assert_eq!(end.code(), Some(0), "{place}: {}", end.text);
            }
            nothing(&wrong(&world));
            count += 1;
        }
    }
    assert_eq!(count, 9);
    println!("{count} cells of receiving: no findings");
}
