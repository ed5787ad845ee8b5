//! A practice and a CRM that cost little themselves: rows come from arithmetic,
//! so that a million patients need no memory.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{Request, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::Failure;

/// Rows in a page, as the vendor's remote API gives them.
const PAGE: u32 = 100;

#[derive(Debug)]
struct Other {
    people: u32,
    requests: AtomicU64,
    writes: AtomicU64,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "Offset", default)]
    offset: u32,
    #[serde(rename = "DateTStamp")]
    since: Option<String>,
    #[serde(rename = "PrefName")]
    preference: Option<String>,
}

/// Answers until standard input ends; a line asks for the counts.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(people: u32) -> Result<(), Failure> {
    let other = Arc::new(Other {
        people,
        requests: AtomicU64::new(0),
        writes: AtomicU64::new(0),
    });
    let empty = || async { json("[]".to_owned()) };
    let app = Router::new()
        .route("/api/v1/patients/Simple", get(patients))
        .route("/api/v1/recalls", get(recalls))
        .route("/api/v1/preferences", get(preferences))
        .route(
            "/api/v1/securityperms",
            get(|| async { json(PERMISSIONS.to_owned()) }),
        )
        .route("/api/v1/{list}", get(empty))
        .route("/crm/suppressions", get(empty))
        .route("/crm/{entity}/batch", post(batch))
        .route("/crm/{entity}/{id}", put(one))
        .layer(middleware::from_fn_with_state(Arc::clone(&other), count))
        .with_state(Arc::clone(&other));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while lines.next_line().await?.is_some() {
        let requests = other.requests.swap(0, Ordering::Relaxed);
        let writes = other.writes.swap(0, Ordering::Relaxed);
        println!("[{requests},{writes}]");
    }
    served.abort();
    Ok(())
}

const PERMISSIONS: &str = r#"[{"Permission": "ApiReadAll", "HasPermission": "true"}, {"Permission": "ApiComm", "HasPermission": "true"}]"#;

async fn count(
    State(other): State<Arc<Other>>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    other.requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A page of rows, spelled as the documentation's examples are.
fn page(other: &Other, asked: &Asked, mut row: impl FnMut(&mut String, u32)) -> Response {
    let mut body = String::with_capacity(140 * 1024);
    body.push('[');
    let people = if asked.since.is_some() {
        0
    } else {
        other.people
    };
    for place in asked.offset..people.min(asked.offset.saturating_add(PAGE)) {
        if place > asked.offset {
            body.push(',');
        }
        row(&mut body, place + 1);
    }
    body.push(']');
    json(body)
}

async fn patients(State(other): State<Arc<Other>>, Query(asked): Query<Asked>) -> Response {
    page(&other, &asked, |body, n| {
        // Two in three are heads of their household, every third hangs from the one before.
        let head = if n % 3 == 0 { n - 1 } else { n };
        let (exchange, line) = (200 + n / 10_000 % 700, n % 10_000);
        write!(
            body,
            r#"{{"serverDateTime":"2026-06-01 09:05:42","PatNum":{n},"LName":"Last{head}","FName":"First{n}","MiddleI":"","Preferred":"","PatStatus":"Patient","Gender":"Male","Position":"Single","Birthdate":"1976-05-{day:02}","SSN":"","Address":"{n} Elm St","Address2":"","City":"Salem","State":"OR","Zip":"97301","HmPhone":"","WkPhone":"(503)456-7890","WirelessPhone":"(503){exchange}-{line:04}","Guarantor":{head},"Email":"name{n}@web.example","EstBalance":40.11,"PriProv":1,"priProvAbbr":"DOC1","SecProv":0,"secProvAbbr":"","FeeSched":0,"BillingType":"Standard Account","ImageFolder":"Smith{n}","FamFinUrgNote":"","ChartNumber":"","MedicaidID":"{n:09}","BalTotal":40.11,"EmployerNum":1,"DateFirstVisit":"2021-08-19","ClinicNum":1,"clinicAbbr":"Southside","Premed":"false","Ward":"","PreferConfirmMethod":"None","PreferContactMethod":"None","PreferRecallMethod":"None","Language":"","AdmitDate":"0001-01-01","siteDesc":"","DateTStamp":"2025-07-26 14:22:55","SuperFamily":0,"TxtMsgOk":"Yes","SecDateEntry":"2021-01-04"}}"#,
            day = n % 28 + 1,
        )
        .ok();
    })
}

async fn recalls(State(other): State<Arc<Other>>, Query(asked): Query<Asked>) -> Response {
    page(&other, &asked, |body, n| {
        write!(
            body,
            r#"{{"serverDateTime":"2026-06-01 09:05:42","RecallNum":{n},"PatNum":{n},"DateDueCalc":"{year}-{month:02}-{day:02}","DateDue":"{year}-{month:02}-{day:02}","DatePrevious":"2025-03-09","RecallInterval":"6m1d","RecallStatus":0,"recallStatus":"","Note":"","IsDisabled":"false","DateTStamp":"2025-07-21 10:05:47","RecallTypeNum":1,"DisableUntilBalance":0.0,"DisableUntilDate":"0001-01-01","DateScheduled":"0001-01-01","Priority":"Normal","TimePatternOverride":""}}"#,
            year = 2025 + n % 2,
            month = n % 12 + 1,
            day = n % 28 + 1,
        )
        .ok();
    })
}

async fn preferences(Query(asked): Query<Asked>) -> Response {
    let name = asked.preference.unwrap_or_default();
    json(format!(
        r#"[{{"PrefNum":1,"PrefName":"{name}","ValueString":"25.2.10.0"}}]"#
    ))
}

async fn one(State(other): State<Arc<Other>>, _: Path<(String, String)>, _: Bytes) -> StatusCode {
    other.writes.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    external_id: &'a str,
}

async fn batch(State(other): State<Arc<Other>>, _: Path<String>, body: Bytes) -> Response {
    let Ok(batch) = serde_json::from_slice::<Batch<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let count = u64::try_from(batch.items.len()).unwrap_or_default();
    other.writes.fetch_add(count, Ordering::Relaxed);
    let mut answer = String::from("{\"results\":[");
    for (place, item) in batch.items.iter().enumerate() {
        if place > 0 {
            answer.push(',');
        }
        write!(
            answer,
            r#"{{"external_id":"{}","status":200}}"#,
            item.external_id
        )
        .ok();
    }
    answer.push_str("]}");
    json(answer)
}
