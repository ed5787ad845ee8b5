//! What the file may say, and what it is told when it is wrong.

mod dentrix;

use odx_core::testkit::Mutants;

use super::*;

const GOOD: &str = r#"
state = "odx.sqlite"
poll = "15m"
sweep = "24h"
retry_max = "5m"
[[office]]
id = "main-st"
name = "Main Street Dental"
time_zone = "America/New_York"
[office.source]
kind = "opendental"
base_urls = ["http://127.0.0.1:30223/api/v1", "https://api.opendental.com/api/v1"]
developer_key = "dev"
customer_key  = "main"
interval = "1s"
[office.sink]
kind = "rest"
base_url = "https://crm.example.com/v1"
token = "t0ken"
external_ids = "scoped"
batch = 1
[office.policy]
due_soon_days = 30
"#;

#[test]
fn the_configuration_of_the_readme_is_read() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.offices.len(), 1);
    assert_eq!(config.schedule.poll, Duration::from_secs(900));
}

const RECEIVER: &str = "[receiver]\npath = \"q7RbV2mXc90TkLpZq7RbV2mX\"\n";

/// An office that sends, and `receiver` behind it.
fn sends(receiver: &str) -> String {
    let office = GOOD.replace("interval = \"1s\"", "interval = \"1s\"\nevents = true");
    format!("{office}\n{receiver}")
}

#[test]
fn offices_that_send_are_behind_one_receiver() {
    let config = parse(&sends(RECEIVER)).unwrap();
    assert!(config.door.is_some());
    let (source, key) = config.offices[0].sends().unwrap();
    assert_eq!(
        (source.to_string().as_str(), key.expose()),
        ("od:main-st", "main")
    );
    // By default nobody sends, and nobody listens.
    let config = parse(GOOD).unwrap();
    assert!(config.door.is_none() && config.offices[0].sends().is_none());
}

#[test]
fn every_mistake_about_the_receiver_names_its_remedy() {
    let with = |line: &str| sends(&format!("{RECEIVER}{line}\n"));
    let path = |path: &str| sends(&RECEIVER.replace("q7RbV2mXc90TkLpZq7RbV2mX", path));
    for (text, what) in [
        (sends(""), "have no way in: write [receiver] with a path"),
        (
            format!("{GOOD}\n{RECEIVER}"),
            "receiver has no office to receive for: set events = true",
        ),
        (sends("[receiver]\n"), "receiver.path is missing"),
        (path("c4nary"), "receiver.path can be guessed"),
        (path("c4nary/c4nary/c4nary/c4nary"), "openssl rand -hex 16"),
        (path("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "can be guessed"),
        (with("listen = \"c4nary\""), "receiver.listen is no address"),
        (
            with("listen = \"0.0.0.0:8044\""),
            "listen on 127.0.0.1 behind a proxy that has tls, or set tls_certificate",
        ),
        (
            with("listen = \"[::]:8044\""),
            "can be reached from elsewhere",
        ),
        (
            with("tls_key = \"c4nary\""),
            "needs tls_certificate beside it",
        ),
        (with("tls_certificate = \"c\""), "needs tls_key beside it"),
        (
            with("tls_certificate = \"/no/c.pem\"\ntls_key = \"/no/k.pem\""),
            "tls_certificate and tls_key cannot be used",
        ),
        (with("port = 8044"), "receiver.port is no setting"),
        (with("url = \"c4nary\""), "receiver.url is no url"),
        (
            with("url = \"http://c4nary.example.com\""),
            "receiver.url cannot be used",
        ),
        (
            sends(RECEIVER).replace("events = true", "events = \"c4nary\""),
            "events must be true or false",
        ),
    ] {
        let told = parse(&text).unwrap_err().join("\n");
        assert!(told.contains(what), "{what} not in\n{told}");
        assert!(!told.contains("c4nary"), "{told}");
    }
}

#[test]
fn two_offices_that_send_have_two_keys() {
    // Another way to the same office: told apart by nothing.
    let changes = [("main-st", "elm-st"), (":30223", ":30224")];
    let office = second(&changes).replace("interval = \"1s\"", "events = true");
    let told = parse(&format!("{office}\n{RECEIVER}"))
        .unwrap_err()
        .join("\n");
    assert!(
        told.contains("an event would not say whose it is"),
        "{told}"
    );
    let two = format!("{office}\n{RECEIVER}").replacen("\"main\"", "\"elm\"", 1);
    assert_eq!(parse(&two).unwrap().offices.len(), 2);
}

fn second(changes: &[(&str, &str)]) -> String {
    let at = GOOD.find("[[office]]").unwrap();
    let mut other = GOOD[at..].to_owned();
    for (from, to) in changes {
        other = other.replace(from, to);
    }
    format!("{GOOD}\n{other}")
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let bad = GOOD
        .replace("\"15m\"", "\"soon\"")
        .replace("\"24h\"", "\"1s\"")
        .replace("America/New_York", "Main Street")
        .replace("kind = \"rest\"", "kind = \"fax\"")
        .replace("\"scoped\"", "\"short\"")
        .replace("batch = 1", "batch = 0\nbacth = 3")
        .replace(
            "developer_key = \"dev\"",
            "developer_key = { env = \"ODX_NO_SUCH_VARIABLE\" }",
        )
        .replace("due_soon_days = 30", "due_soon_days = \"30\"");
    let lines = parse(&bad).unwrap_err();
    let text = lines.join("\n");
    for (place, what) in [
        ("line 3, column 8", "poll is no duration"),
        ("line 4, column 9", "sweep must be from 2s"),
        ("line 9, column 13", "time_zone is no zone"),
        ("line 13,", "ODX_NO_SUCH_VARIABLE is not set"),
        ("line 17, column 8", "kind is not known"),
        ("line 20, column 16", "external_ids must be"),
        ("line 21, column 9", "batch must be a whole number from 1"),
        ("line 22, column 1", "bacth is no setting"),
        ("line 24, column 17", "due_soon_days must be a whole number"),
    ] {
        let found = lines
            .iter()
            .any(|line| line.starts_with(place) && line.contains(what));
        assert!(found, "{place} {what} not in\n{text}");
    }
    assert_eq!(lines.len(), 9, "{text}");
}

#[test]
fn a_key_is_never_quoted() {
    let bad = GOOD
        .replace("\"t0ken\"", "[\"c4nary\"]")
        .replace("\"dev\"", "\"c4nary\" c4nary");
    let text = parse(&bad).unwrap_err().join("\n");
    assert!(!text.contains("c4nary"), "{text}");
}

/// Wherever a key may end up by mistake: under a wrong name, of a wrong type, in a broken line, as another value.
/// (Names of settings are quoted: they are what is misspelt.)
#[test]
fn s3_a_key_in_the_wrong_place_is_never_quoted() {
    for (from, to) in [
        ("token = \"t0ken\"", "tokne = \"c4nary\""),
        ("token = \"t0ken\"", "token = \"c4nary"),
        ("token = \"t0ken\"", "token = c4nary"),
        ("token = \"t0ken\"", "token = { env = [\"c4nary\"] }"),
        ("token = \"t0ken\"", "token = \"c4nary\\n\""),
        (
            "token = \"t0ken\"",
            "token = \"c4nary\"\ntoken = \"c4nary\"",
        ),
        ("\"opendental\"", "\"c4nary\""),
        ("\"America/New_York\"", "\"c4nary\""),
        ("\"scoped\"", "\"c4nary\""),
        ("\"1s\"", "\"c4nary\""),
        ("\"15m\"", "\"c4nary\""),
        ("batch = 1", "batch = \"c4nary\""),
        ("https://crm.example.com/v1", "c4nary"),
        (
            "https://crm.example.com/v1",
            "https://user:c4nary@crm.example.com/v1",
        ),
        (
            "https://crm.example.com/v1",
            "http://crm.example.com/v1?key=c4nary",
        ),
        (
            "https://api.opendental.com/api/v1",
            "http://api.opendental.com/?c4nary",
        ),
        ("\"dev\"", "\"c4nary\\n\""),
        ("\"main\"", "7c4nary"),
        ("id = \"main-st\"", "id = \"c4nary/\""),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let Err(mistakes) = parse(&GOOD.replace(from, to)) else {
            panic!("{to} is taken");
        };
        let text = mistakes.join("\n");
        assert!(!text.contains("c4nary"), "{to}: {text}");
    }
}

#[test]
fn two_offices_may_share_a_crm_account_with_scoped_ids_only() {
    let fine = second(&[("main-st", "elm-st"), ("\"main\"", "\"elm\"")]);
    assert_eq!(parse(&fine).unwrap().offices.len(), 2);
    let mixed = fine.replace("\"scoped\"", "\"bare\"");
    let text = parse(&mixed).unwrap_err().join("\n");
    assert!(text.contains("bare ids would mix their patients"), "{text}");
    let twice = second(&[]);
    let text = parse(&twice).unwrap_err().join("\n");
    assert!(
        text.contains("is used twice") && text.contains("told twice"),
        "{text}"
    );
}

#[test]
fn plain_http_to_the_outside_is_refused() {
    let bad = GOOD
        .replace("https://crm", "http://crm")
        .replace("https://api", "http://api");
    let lines = parse(&bad).unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn an_empty_file_is_told_what_it_needs() {
    assert!(parse("").unwrap_err()[0].contains("[[office]]"));
}

#[test]
fn ten_thousand_broken_configurations_are_read_or_told_where_they_are_wrong() {
    let corpus = format!("{}/../fuzz/corpus/config", env!("CARGO_MANIFEST_DIR"));
    let words = [
        "[[office]]",
        "[office.sink]",
        "\"0s\"",
        "batch = 1000",
        "{ env = ",
    ];
    Mutants::feed(corpus, &words, |mutant| {
        if let Err(mistakes) = parse(&String::from_utf8_lossy(mutant)) {
            assert!(!mistakes.is_empty(), "refused without a word");
        }
    })
    .unwrap();
}

/// Everything there is about messages.
const MESSAGES: &str = r#"
reactivation_days = 540
reactivation_until_days = 1500
reactivation_inactive = false
reviews = true
review_hours = 48
review_delay_minutes = 30
tell = ["due_now", "overdue"]
tell_each_segment = true
only_kinds = ["Prophy", "Perio", "Ortho"]
adult_years = 18
task_title = "Visit due"
chart_link = "https://bridge.example/chart/{id}"
booking_link = "https://book.example"
review_link = "https://review.example"
routing = true
[office.policy.kinds."Perio"]
due_soon_days = 14
[office.policy.kinds."Ortho"]
ignore = true
[office.tags]
"pat_status:Patient" = ["odx-active"]
"recall_status:Texted" = []
[office.messages]
mode = "live"
by = "gateways"
purposes = ["recall", "reactivation", "review"]
channels = ["sms", "email"]
window = ["09:00", "19:30"]
household = "each"
household_days = 5
review_days = 90
per_day = 1
per_week = 2
recall_text_without_yes = true
yes_is_written = true
recall_without_crm_list = true
allow_only = ["od:main-st:12"]
first_days = 5
first_cap = 10
floor = 20
factor = 4
profile = "standard"
practice_name = "Main Street Dental"
practice_phone = "503-555-0100"
booking_link = "https://book.example/{token}"
review_link = "https://review.example"
unsubscribe_link = "https://book.example/no/{token}"
postal_address = "1 Main Street, Portland OR 97201"
[office.messages.clinics."3"]
practice_name = "Main Street East"
[[office.messages.template]]
id = "recall-text"
version = 2
purpose = "recall"
channel = "sms"
text = "{{ practice_name }}: time for your visit. {{ booking_link }} Reply STOP to opt out."
[office.messages.texts]
kind = "twilio"
account_sid = "AC00000000000000000000000000000001"
api_key_sid = "SK00000000000000000000000000000001"
api_key_secret = "s3cret-of-texts"
messaging_service_sid = "MG00000000000000000000000000000001"
auth_token = "s3cret-of-calls"
content_retention = "as_account"
address_retention = "minimal"
timeout = "20s"
[office.messages.mail]
kind = "sendgrid"
api_key = "s3cret-of-mail"
from = "hello@mainstreet.example"
baa = "confirmed"
recall_group = 7
"#;

const RECEIVER_URL: &str =
    "[receiver]\npath = \"q7RbV2mXc90TkLpZq7RbV2mX\"\nurl = \"https://odx.example.com\"\n";

fn messages() -> String {
    format!("{GOOD}{MESSAGES}{RECEIVER_URL}")
}

fn told(text: &str) -> String {
    match parse(text) {
        Ok(_) => String::new(),
        Err(lines) => lines.join("\n"),
    }
}

#[test]
fn everything_about_messages_is_read() {
    let config = parse(&messages()).unwrap_or_else(|lines| panic!("{}", lines.join("\n")));
    let office = &config.offices[0];
    let policy = office.policy.settings();
    assert!(policy.kinds["Ortho"].ignored && policy.tell_each_segment);
    assert_eq!(policy.kinds["Perio"].windows.unwrap().due_soon_days, 14);
    assert_eq!(policy.reactivation.unwrap().until_days, Some(1500));
    assert!(policy.tags.get("recall_status:Texted").unwrap().is_empty());
    let outreach = office.messages.as_ref().unwrap().all();
    let settings = outreach.settings();
    assert_eq!(outreach.gateways().len(), 2);
    assert_eq!((settings.gate.per_week, settings.guard.first_cap), (2, 10));
    assert!(settings.gate.recall_text_without_yes && settings.gate.yes_is_written);
    assert_eq!(
        settings.clinics["3"].name.as_deref(),
        Some("Main Street East")
    );
    let line = office.line();
    assert_eq!(line.gateways[0].id().as_str(), "texts:main-st");
    assert_eq!(line.gateways[1].id().as_str(), "mail:main-st");
}

#[test]
fn nothing_reaches_anybody_unless_the_file_says_live() {
    for (mode, live, dry) in [
        ("mode = \"live\"", true, true),
        ("mode = \"plan\"", false, true),
        ("mode = \"off\"", false, false),
        ("", false, true),
    ] {
        let reaches = |run| {
            let text = messages().replace("mode = \"live\"", mode);
            let mut config = parse(&text).unwrap();
            let said = config.offices.remove(0).messages.unwrap();
            said.outreach(run).is_some()
        };
        assert_eq!(
            (reaches(Mode::Live), reaches(Mode::DryRun)),
            (live, dry),
            "{mode}"
        );
    }
    assert!(parse(GOOD).unwrap().offices[0].messages.is_none());
}

#[test]
fn sequences_of_the_crm_are_one_setting_and_carry_everything_then() {
    let crm = "[office.messages]\nby = \"crm\"\nmode = \"live\"\n";
    let off = told(&format!("{GOOD}{crm}"));
    assert!(
        off.contains("set enrollments = true in [office.sink]"),
        "{off}"
    );
    let on = GOOD.replace("batch = 1", "batch = 1\nenrollments = true");
    let config = parse(&format!("{on}{crm}")).unwrap();
    assert!(config.offices[0].sink.enrolls());
    assert!(!parse(GOOD).unwrap().offices[0].sink.enrolls());
    let both = told(&messages().replace("by = \"gateways\"", "by = \"crm\""));
    assert!(both.contains("this gateway would carry nothing"), "{both}");
}

#[test]
fn offices_with_one_sender_are_let_be() {
    let one = format!("{GOOD}{MESSAGES}");
    let at = one.find("[[office]]").unwrap();
    let other = one[at..]
        .replace("main-st", "elm-st")
        .replace("customer_key  = \"main\"", "customer_key = \"elm\"");
    let config = parse(&format!("{one}{other}{RECEIVER_URL}")).unwrap();
    let senders = config.offices.iter().map(OfficeSetup::line);
    let senders: Vec<_> = senders
        .map(|line| line.gateways[0].sender().to_owned())
        .collect();
    assert_eq!(senders[0], senders[1]);
}

#[test]
fn postmark_and_a_mail_server_are_read_too() {
    let postmark = "kind = \"postmark\"\nserver_token = \"s3cret\"\ncallback_user = \"odx\"\n\
                    callback_password = \"s3cret\"\ntransactional_stream = \"out\"\nbroadcast_stream = \"cast\"";
    let smtp = "kind = \"smtp\"\nhost = \"mail.example\"\nport = 465\nsecurity = \"implicit\"\nuser = \"u\"\n\
                password = \"s3cret\"\ntimeout = \"60s\"";
    let sendgrid = "kind = \"sendgrid\"\napi_key = \"s3cret-of-mail\"";
    for mail in [postmark, smtp] {
        let text = messages()
            .replace(sendgrid, mail)
            .replace("recall_group = 7\n", "");
        assert_eq!(told(&text), "");
    }
}

#[test]
fn every_mistake_about_messages_has_its_place_and_quotes_no_secret() {
    let place = |line: &str| {
        let text = messages();
        let at = text.find(line).unwrap_or_else(|| panic!("{line}"));
        text[..at].matches('\n').count() + 1
    };
    for (from, to, what) in [
        (
            "reviews = true\n",
            "",
            "policy.review_hours needs reviews = true beside it",
        ),
        (
            "reactivation_days = 540\n",
            "",
            "needs reactivation_days beside it",
        ),
        (
            "reactivation_until_days = 1500",
            "reactivation_until_days = 7",
            "far bound of reactivation",
        ),
        (
            "review_delay_minutes = 30",
            "review_delay_minutes = 2880",
            "nobody would ever be asked",
        ),
        (
            "\"due_now\", \"overdue\"",
            "\"due_now\", \"c4nary\"",
            "tell must hold \"due_soon\"",
        ),
        ("\"due_now\", \"overdue\"", "", "tell is empty"),
        (
            "\"due_now\", \"overdue\"",
            "\"overdue\", \"overdue\"",
            "names something twice",
        ),
        (
            "only_kinds = [\"Prophy\", \"Perio\", \"Ortho\"]",
            "only_kinds = []",
            "only_kinds names no kind",
        ),
        (
            "adult_years = 18",
            "adult_years = 0",
            "adult_years must be a whole number from 1",
        ),
        ("\"Visit due\"", "\"\"", "task_title must be one line"),
        (
            "bridge.example/chart/{id}",
            "bridge.example/{patient}",
            "chart_link is no address",
        ),
        (
            "ignore = true",
            "ignore = true\ndue_soon_days = 3",
            "it can have no days of its own",
        ),
        (
            "due_soon_days = 14",
            "due_soon = 14",
            "kinds.\"Perio\".due_soon is no setting",
        ),
        (
            "\"pat_status:Patient\"",
            "\"Patient\"",
            "has no field: write field:value",
        ),
        ("\"odx-active\"", "\"vip\"", "must begin with odx-"),
        (
            "[\"odx-active\"]",
            "\"odx-active\"",
            "must be a list of texts",
        ),
        (
            "mode = \"live\"",
            "mode = \"c4nary\"",
            "messages.mode must be \"off\", \"plan\" or \"live\"",
        ),
        (
            "by = \"gateways\"",
            "by = \"c4nary\"",
            "messages.by must be \"gateways\" or \"crm\"",
        ),
        (
            "\"sms\", \"email\"",
            "\"fax\"",
            "channels must hold \"sms\" or \"email\" only",
        ),
        (
            "\"09:00\", \"19:30\"",
            "\"19:30\", \"09:00\"",
            "window cannot be used",
        ),
        (
            "\"09:00\", \"19:30\"",
            "\"9\"",
            "window must be two times of the day",
        ),
        (
            "household = \"each\"",
            "household = \"c4nary\"",
            "household must be",
        ),
        (
            "per_day = 1",
            "per_day = 0",
            "per_day must be a whole number from 1",
        ),
        (
            "od:main-st:12",
            "od:elm-st:12",
            "allow_only names no patient of this office",
        ),
        ("first_cap = 10", "first_cap = 0", "first_cap must be"),
        (
            "profile = \"standard\"",
            "profile = \"c4nary\"",
            "profile must be",
        ),
        (
            "review_link = \"https://review.example\"\nunsub",
            "unsub",
            "not_set: the template uses review_link",
        ),
        (
            "practice_phone = \"503-555-0100\"\n",
            "",
            "not_set: the template uses practice_phone",
        ),
        (
            "Reply STOP to opt out.\"",
            "\"",
            "template[1].text cannot be sent: missing_opt_out",
        ),
        (
            "time for your visit",
            "time for your root canal",
            "clinical_term",
        ),
        (
            "{{ booking_link }}",
            "{{ last_name }}",
            "template[1].text cannot be sent",
        ),
        ("version = 2\n", "", "template[1].version is missing"),
        (
            "id = \"recall-text\"",
            "id = \"a b\"",
            "the id of a template has up to 64 letters",
        ),
        (
            "channel = \"sms\"\ntext",
            "channel = \"sms\"\nfile = \"/no/file\"\ntext",
            "keep one of them",
        ),
        (
            "kind = \"twilio\"",
            "kind = \"c4nary\"",
            "texts.kind is not known",
        ),
        (
            "account_sid = \"AC0",
            "account_sid = \"c4nary",
            "the account sid must be AC",
        ),
        (
            "api_key_secret = \"s3cret-of-texts\"\n",
            "",
            "texts.api_key_secret is missing",
        ),
        (
            "auth_token = \"s3cret-of-calls\"",
            "reports = true",
            "reports need auth_token",
        ),
        (
            "timeout = \"20s\"",
            "timeout = \"c4nary\"",
            "texts.timeout is no duration",
        ),
        (
            "kind = \"sendgrid\"",
            "kind = \"c4nary\"",
            "mail.kind is not known",
        ),
        (
            "from = \"hello@mainstreet.example\"",
            "from = \"c4nary\"",
            "mail.from is no address for mail",
        ),
        (
            "baa = \"confirmed\"",
            "baa = \"no\"",
            "mail.baa must be \"confirmed\" for recalls by mail",
        ),
        (
            "recall_group = 7",
            "event_key = \"c4nary\"",
            "must be a P-256 key",
        ),
        (
            "recall_group = 7",
            "api_secret = \"c4nary\"",
            "mail.api_secret is no setting",
        ),
        (
            "url = \"https://odx.example.com\"\n",
            "",
            "auth_token needs to know where the provider calls",
        ),
        (
            RECEIVER_URL,
            "",
            "auth_token has no way in: write [receiver]",
        ),
    ] {
        assert!(messages().contains(from), "{from}");
        let told = told(&messages().replacen(from, to, 1));
        assert!(told.contains(what), "{to}: {what} not in\n{told}");
        for secret in ["s3cret", "c4nary", "q7RbV2"] {
            assert!(!told.contains(secret), "{to}: {told}");
        }
    }
    // And the place is that of the value.
    let told = told(&messages().replace("time for your visit", "time for your root canal"));
    let line = place("text = \"{{ practice_name }}");
    assert!(
        told.starts_with(&format!("line {line}, column 8: ")),
        "{told}"
    );
}

#[test]
fn a_crm_that_calls_needs_a_way_in_and_a_token_of_its_own() {
    let calls = |token: &str, receiver: &str| {
        let sink = format!("batch = 1\nwebhook_token = \"{token}\"");
        told(&format!("{}{receiver}", GOOD.replace("batch = 1", &sink)))
    };
    let long = "c4nary-c4nary-c4nary-c4nary";
    assert_eq!(calls(long, RECEIVER), "");
    let short = calls("c4nary", RECEIVER);
    assert!(short.contains("webhook_token can be guessed") && !short.contains("c4nary"));
    let nowhere = calls(long, "");
    assert!(nowhere.contains("of the crm have no way in") && !nowhere.contains("c4nary"));
}

#[test]
fn a_template_of_a_file_is_read_and_a_finding_stands_at_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recall.txt");
    let with = |words: &str| {
        std::fs::write(&path, words).unwrap();
        let text = "text = \"{{ practice_name }}: time for your visit. {{ booking_link }} Reply STOP to opt out.\"";
        assert!(messages().contains(text));
        told(&messages().replace(text, &format!("file = {:?}", path.to_str().unwrap())))
    };
    assert_eq!(
        with("{{ practice_name }}: time for your visit. Reply STOP to opt out."),
        ""
    );
    let told = with("Time for your visit.");
    assert!(
        told.contains("missing_sender") && told.contains("missing_opt_out"),
        "{told}"
    );
}
