//! An endpoint that keeps what it gets and answers what it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::*;

#[derive(Clone)]
pub(super) struct Call {
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn rows(&self) -> Vec<Value> {
        let Value::Array(rows) = serde_json::from_slice(&self.body).unwrap() else {
            panic!("a database event is a list");
        };
        rows
    }
}

#[derive(Clone)]
pub(super) struct Receiver {
    port: u16,
    status: Arc<Mutex<u16>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            status: Arc::new(Mutex::new(200)),
            calls: Arc::default(),
        };
        let app = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/secret/", self.port)
    }

    pub(super) fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    /// What came since the last time this was asked.
    pub(super) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

async fn take(State(receiver): State<Receiver>, request: Request) -> Response {
    let target = request.uri().to_string();
    let headers = request.headers().clone();
    let body = to_bytes(request.into_body(), 8 << 20).await;
    let mut response = Response::new(Body::empty());
    let status = match body {
        Ok(body) => {
            receiver.calls.lock().unwrap().push(Call {
                target,
                headers,
                body: body.into(),
            });
            *receiver.status.lock().unwrap()
        }
        Err(_) => 413,
    };
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// A subscription of every machine to one table, five seconds apart.
pub(super) fn watching(receiver: &Receiver, table: &str) -> SubscriptionRow {
    SubscriptionRow {
        end_point_url: receiver.url(),
        workstation: "FRONTDESK".to_owned(),
        watch_table: table.to_owned(),
        polling_seconds: 5,
        ..SubscriptionRow::default()
    }
}

pub(super) const NEXT: Duration = Duration::from_secs(5);
