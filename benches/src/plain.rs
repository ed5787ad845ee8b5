//! The loop that everybody writes first: read a page, keep it, send it. No
//! cursor that survives a crash, no retry, no ledger worth the name, no
//! household, no consent. What it keeps is what it needs to send nothing twice.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::Failure;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Patient {
    pat_num: i64,
    l_name: String,
    f_name: String,
    pat_status: String,
    birthdate: String,
    wireless_phone: String,
    guarantor: i64,
    email: String,
    txt_msg_ok: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recall {
    recall_num: i64,
    pat_num: i64,
    date_due: String,
    is_disabled: String,
}

#[derive(Serialize)]
struct Contact {
    external_id: String,
    first_name: String,
    last_name: String,
    phone: String,
    email: String,
    household: String,
    born: String,
    consent: String,
    status: String,
}

#[derive(Serialize)]
struct Task {
    external_id: String,
    contact: String,
    due: String,
    status: &'static str,
    title: &'static str,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn sync(url: &str, state: &Path, batch: usize) -> Result<(), Failure> {
    // Plain HTTP on loopback: no certificates needed, but the client wants to know whose.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a second TLS provider")?;
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let mut db = Connection::open(state)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "normal")?;
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS sent (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL);",
    )?;
    let since: Option<String> = db
        .query_row("SELECT value FROM mark", [], |row| row.get(0))
        .optional()?;
    let mut sync = Sync {
        http,
        url,
        batch,
        db: &mut db,
    };
    let since = since.map_or(String::new(), |since| format!("&DateTStamp={since}"));
    sync.list("patients/Simple", &since, "contacts", |row: Patient| {
        let id = format!("od:bench:{}", row.pat_num);
        let contact = Contact {
            external_id: id.clone(),
            first_name: row.f_name,
            last_name: row.l_name,
            phone: row.wireless_phone,
            email: row.email,
            household: row.guarantor.to_string(),
            born: row.birthdate,
            consent: row.txt_msg_ok,
            status: row.pat_status,
        };
        (id, contact)
    })
    .await?;
    sync.list("recalls", "", "tasks", |row: Recall| {
        let id = format!("odrecall:bench:{}", row.recall_num);
        let task = Task {
            external_id: id.clone(),
            contact: format!("od:bench:{}", row.pat_num),
            due: row.date_due,
            status: if row.is_disabled == "true" {
                "cancelled"
            } else {
                "open"
            },
            title: "recall visit",
        };
        (id, task)
    })
    .await?;
    db.execute(
        "INSERT INTO mark VALUES ('since', '2026-01-01%2000:00:00') ON CONFLICT DO NOTHING",
        [],
    )?;
    Ok(())
}

struct Sync<'a> {
    http: reqwest::Client,
    url: &'a str,
    batch: usize,
    db: &'a mut Connection,
}

impl Sync<'_> {
    async fn list<R: for<'de> Deserialize<'de>, T: Serialize>(
        &mut self,
        path: &str,
        query: &str,
        entity: &str,
        convert: impl Fn(R) -> (String, T) + Send,
    ) -> Result<(), Failure> {
        let mut offset = 0;
        loop {
            let url = format!("{}/api/v1/{path}?Offset={offset}{query}", self.url);
            let body = self
                .http
                .get(url)
                .header("Authorization", "ODFHIR developer/customer")
                .send()
                .await?
                .error_for_status()?
                .bytes()
                .await?;
            let (rows, news) = self.keep(&body, &convert)?;
            self.send(entity, &news).await?;
            if rows < 100 {
                return Ok(());
            }
            offset += rows;
        }
    }

    /// Keeps a page. Returns its length, and what is new or different in it.
    fn keep<R: for<'de> Deserialize<'de>, T: Serialize>(
        &mut self,
        body: &[u8],
        convert: impl Fn(R) -> (String, T),
    ) -> Result<(usize, Vec<(String, String)>), Failure> {
        let rows: Vec<R> = serde_json::from_slice(body)?;
        let count = rows.len();
        let mut news = Vec::new();
        let page = self.db.transaction()?;
        {
            let mut known = page.prepare_cached("SELECT body FROM sent WHERE id = ?1")?;
            let mut keep = page.prepare_cached("INSERT OR REPLACE INTO sent VALUES (?1, ?2)")?;
            for row in rows {
                let (id, record) = convert(row);
                let body = serde_json::to_string(&record)?;
                let same = known
                    .query_row([&id], |row| {
                        Ok(row.get_ref(0)?.as_str().is_ok_and(|known| known == body))
                    })
                    .optional()?;
                if same != Some(true) {
                    keep.execute(params![id, body])?;
                    news.push((id, body));
                }
            }
        }
        page.commit()?;
        Ok((count, news))
    }

    async fn send(&mut self, entity: &str, news: &[(String, String)]) -> Result<(), Failure> {
        for group in news.chunks(self.batch) {
            let request = if let [(id, body)] = group {
                let id = id.replace(':', "%3A");
                self.http
                    .put(format!("{}/crm/{entity}/{id}", self.url))
                    .body(body.clone())
            } else {
                let bodies: Vec<&str> = group.iter().map(|(_, body)| body.as_str()).collect();
                self.http
                    .post(format!("{}/crm/{entity}/batch", self.url))
                    .body(format!("{{\"items\":[{}]}}", bodies.join(",")))
            };
            let answer = request
                .header("Authorization", "Bearer token")
                .header("Content-Type", "application/json")
                .send()
                .await?
                .error_for_status()?;
            answer.bytes().await?;
        }
        Ok(())
    }
}
