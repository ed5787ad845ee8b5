//! Carries what operators are told: a webhook, a mail, a ping. No patient data
//! ever comes here.

use odx_core::http::{Client, ClientSettings, Method};
use odx_core::model::Email;
use odx_core::outreach::{Address, Message, MessageGateway as _, Purpose};
use odx_core::{Error, ErrorKind, IdempotencyKey, Phi, Result, Secret};
use odx_crm::gateway::SmtpGateway;
use url::Url;

/// One client for all of it.
pub(crate) struct Post {
    client: Client,
}

/// The address is checked when the file is read; a key in it is never shown.
fn url(address: &Secret) -> Result<Url> {
    Url::parse(address.expose())
        .map_err(|_| Error::new(ErrorKind::Config, "the address cannot be used"))
}

impl Post {
    pub(crate) fn new() -> Result<Self> {
        let settings = ClientSettings::new(concat!("odx/", env!("CARGO_PKG_VERSION")))
            .with_timeout(std::time::Duration::from_secs(15));
        Ok(Self {
            client: Client::new(settings)?,
        })
    }

    async fn answered(&self, request: odx_core::http::RequestBuilder) -> Result<()> {
        let reply = self.client.send(request).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("it answered {}", reply.status.as_u16()),
        ))
    }

    /// Says that all is well. Nothing is said besides.
    pub(crate) async fn ping(&self, to: &Secret) -> Result<()> {
        let request = self.client.request(Method::GET, url(to)?);
        self.answered(request).await
    }

    /// Posts a JSON object.
    pub(crate) async fn hook(&self, to: &Secret, body: &serde_json::Value) -> Result<()> {
        let request = self
            .client
            .request(Method::POST, url(to)?)
            .header("content-type", "application/json")
            .body(body.to_string());
        self.answered(request).await
    }
}

/// Sends a mail of our own: no message to a patient.
pub(crate) async fn mail(
    gateway: &SmtpGateway,
    to: &Email,
    (title, text): (&str, &str),
) -> Result<()> {
    let address = Address::Email(to.clone());
    let key = IdempotencyKey::of_parts(&["operators", title, to.address().expose()]);
    // What a mail is for keeps recalls away from a provider without an agreement; here is no patient in it.
    let mut message = Message::new(key, Purpose::Review, address, Phi::new(text.to_owned()));
    message.subject = Some(Phi::new(title.to_owned()));
    message.practice = "odx".to_owned();
    gateway.send(&message).await.map(drop).map_err(|why| {
        let what = why.to_string();
        Error::new(ErrorKind::Unavailable, format!("the mail server: {what}"))
    })
}
