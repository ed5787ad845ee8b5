//! One request from arrival to answer: log, hooks, faults, keys, throttle, route.

use super::answer::{Answer, HTML, Refusal, TEXT};
use super::faults::Fault;
use super::formats;
use super::log::RequestLog;
use super::modes::Health;
use super::practice::Practice;
use super::query;
use super::routes;
use super::server::{Door, ROOT, wait};
use super::settings::{Permission, Settings, Throttle, ThrottleTime, throttle_interval};
use super::sql;

/// What matters of a request.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// How the answer ends on the wire.
pub(crate) enum Ending {
    Whole,
    Reset,
    Half,
}

pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) ending: Ending,
}

const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>\
    <form action=\"/login\" method=\"post\"><input name=\"user\"><input name=\"password\" \
    type=\"password\"></form></body></html>";

pub(crate) async fn handle(practice: &Practice, door: &Door, head: Head) -> Outcome {
    let office = &*practice.inner;
    let pairs = query::decode(&head.query, office.settings.plus_is_blank);
    let (entry, ticket) = office.log.begin(RequestLog {
        index: 0,
        mode: door.mode,
        method: head.method.clone(),
        path: head
            .path
            .strip_prefix(ROOT)
            .unwrap_or(&head.path)
            .to_owned(),
        query: pairs.clone().unwrap_or_default(),
        sql: sql::statement(&head),
        at: practice.now(),
        status: 0,
        rows: 0,
        fault: None,
    });
    practice.advance(office.settings.tick);
    door.faults.before_answer(&entry, practice);
    office.faults.before_answer(&entry, practice);
    let fault = door.faults.take(entry.index);
    let fault = fault.or_else(|| office.faults.take(entry.index));
    if !door.wait_while_hanging().await {
        return Outcome {
            answer: Answer::empty(500),
            ending: Ending::Reset,
        };
    }

    if let Some(Fault::Slow(time)) = &fault {
        wait(*time).await;
    }
    let mut ending = Ending::Whole;
    let writes = head.method != "GET";
    let replaced = match fault.as_ref() {
        // Nothing reached the office, so nothing is written.
        Some(Fault::ConnectionReset) if writes => {
            ending = Ending::Reset;
            Some(Answer::empty(400))
        }
        other => other.and_then(replacement),
    };
    let answer = match replaced {
        Some(answer) => answer,
        None => {
            let repeat_first = matches!(fault, Some(Fault::RepeatFirstPage));
            let answer = answer(practice, door, &head, pairs.as_deref(), repeat_first).await;
            match &fault {
                Some(Fault::ConnectionReset | Fault::LostReply) => ending = Ending::Reset,
                Some(Fault::TruncatedBody) => ending = Ending::Half,
                _ => {}
            }
            spoil(answer, fault.as_ref())
        }
    };
    let (status, rows) = match ending {
        Ending::Reset => (0, 0),
        _ => (answer.status, answer.rows),
    };
    office.log.finish(ticket, entry.index, status, rows, fault);
    Outcome { answer, ending }
}

/// Faults that answer in place of the office.
fn replacement(fault: &Fault) -> Option<Answer> {
    match fault {
        Fault::Status(status) => Some(Answer::empty(*status)),
        Fault::StatusRetryAfter(status, time) => Some(Answer {
            retry_after: Some(time.as_secs()),
            ..Answer::empty(*status)
        }),
        Fault::Http400Text(text) => Some(Answer {
            content_type: Some(TEXT),
            body: text.clone().into_bytes(),
            ..Answer::empty(400)
        }),
        // apispecification, status codes: not finished within 60 s
        Fault::GatewayTimeout504 => Some(Answer::empty(504)),
        Fault::Unauthorized401 => Some(Answer::empty(401)),
        Fault::HtmlLogin200 => Some(Answer {
            content_type: Some(HTML),
            body: LOGIN_PAGE.into(),
            ..Answer::empty(200)
        }),
        Fault::EmptyBody => Some(Answer::empty(200)),
        _ => None,
    }
}

/// Faults that damage the office's answer.
fn spoil(mut answer: Answer, fault: Option<&Fault>) -> Answer {
    match fault {
        Some(Fault::HalfJson) => answer.body.truncate(answer.body.len() / 2),
        Some(Fault::WrongContentType) => answer.content_type = Some(TEXT),
        Some(Fault::StatusAfter(status)) => return Answer::empty(*status),
        Some(Fault::Http400TextAfter(text)) => {
            return Answer {
                content_type: Some(TEXT),
                body: text.clone().into_bytes(),
                ..Answer::empty(400)
            };
        }
        _ => {}
    }
    answer
}

async fn answer(
    practice: &Practice,
    door: &Door,
    head: &Head,
    pairs: Option<&[(String, String)]>,
    repeat_first: bool,
) -> Answer {
    let settings = &practice.settings_in(door.mode);
    let refuse = |refusal: Refusal| refusal.answer(settings.error_shape);
    if let Err(refusal) = may_enter(settings, head) {
        return refuse(refusal);
    }
    if let Err(throttled) = throttle(practice, settings).await {
        return throttled;
    }
    // apispecification, status codes: eConnector not running; the wording is ours
    if door.health() == Health::ConnectorOff {
        return refuse(Refusal::bad("eConnector not running at the office."));
    }
    // apiimplementation: a missing or different Content-Type is a 400, on GET too
    let kind = head.content_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return refuse(Refusal::bad("Content-Type must be application/json"));
    }
    let Some(pairs) = pairs else {
        return refuse(Refusal::bad("The URL is malformed"));
    };
    let Some(path) = head.path.strip_prefix(ROOT) else {
        return refuse(Refusal::not_found("Resource not found"));
    };
    let sent = routes::Sent {
        method: &head.method,
        path,
        pairs,
        body: &head.body,
    };
    routes::answer(practice, settings, sent, repeat_first)
        .map(|answer| formats::applied(practice, settings, &head.method, pairs, answer))
        .unwrap_or_else(refuse)
}

// apisetup: `ODFHIR {DeveloperKey}/{CustomerKey}`; apipermissions: every GET is Read All
fn may_enter(settings: &Settings, head: &Head) -> Result<(), Refusal> {
    let expected = format!(
        "ODFHIR {}/{}",
        settings.developer_key, settings.customer_key
    );
    if head.authorization.as_deref() != Some(expected.as_str()) {
        return Err(Refusal::unauthorized("Invalid API key"));
    }
    // A write names the permission it needs itself; see `write_routes`.
    if head.method == "GET" && !settings.permissions.contains(&Permission::ReadAll) {
        return Err(Refusal::unauthorized("Permission is missing: ReadAll"));
    }
    Ok(())
}

// apiimplementation, Throttling: what an early request gets is not documented
async fn throttle(practice: &Practice, settings: &Settings) -> Result<(), Answer> {
    if settings.throttle == Throttle::None {
        return Ok(());
    }
    let interval = throttle_interval(&settings.permissions);
    let hold = settings.throttle == Throttle::Hold;
    let gate = &practice.inner.gate;
    let early = match settings.throttle_time {
        ThrottleTime::Virtual => {
            let elapsed = practice.clock().elapsed();
            gate.on_virtual(elapsed, interval, hold)
        }
        ThrottleTime::Real => gate.on_real(interval, hold),
    };
    if early.is_zero() {
        return Ok(());
    }
    let seconds = early.as_secs() + u64::from(early.subsec_nanos() > 0);
    match settings.throttle {
        Throttle::None => Ok(()),
        Throttle::Hold => {
            match settings.throttle_time {
                ThrottleTime::Virtual => practice.advance(early),
                ThrottleTime::Real => wait(early).await,
            }
            Ok(())
        }
        Throttle::TooMany { retry_after } => Err(Answer {
            retry_after: retry_after.then_some(seconds),
            ..Answer::empty(429)
        }),
        Throttle::BadRequestText => Err(Refusal::bad(
            "Requests are limited for this API key. Please wait.",
        )
        .answer(settings.error_shape)),
    }
}
