//! The only file that speaks with the mail server: one mail per connection, one
//! step at a time, so that it is always known how far it came.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use odx_core::Result;
use odx_core::outreach::{Address, SendError};

use super::config::SmtpSecurity;
use super::error::{Cause, Said, Stage, verdict};
use super::wire::Parts;

pub(super) struct Client {
    host: String,
    port: u16,
    security: SmtpSecurity,
    login: Option<Credentials>,
    timeout: Duration,
    connections: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Why a step failed.
enum Failure {
    /// A setting is wrong or the server lacks something. Nothing was sent.
    Setup(Cause),
    /// This was said, or nothing.
    At(Stage, Option<Said>),
}

/// Longest wait for a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

impl Client {
    pub(super) const fn new(
        host: String,
        port: u16,
        security: SmtpSecurity,
        login: Option<Credentials>,
        timeout: Duration,
    ) -> Self {
        Self {
            host,
            port,
            security,
            login,
            timeout,
            connections: AtomicU64::new(0),
        }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Sends one mail.
    pub(super) async fn send(&self, mail: &Parts, to: &Address) -> Result<(), SendError> {
        let mut stage = Stage::Connect;
        let steps = self.steps(mail, &mut stage);
        let end = tokio::time::timeout(self.timeout, steps).await;
        match end {
            Ok(Ok(mut server)) => {
                // It is taken. How the server says goodbye changes nothing.
                tokio::time::timeout(GOODBYE, server.quit()).await.ok();
                Ok(())
            }
            Ok(Err(Failure::Setup(cause))) => Err(SendError::Refused(cause.into())),
            Ok(Err(Failure::At(stage, said))) => Err(verdict(stage, said, to)),
            Err(_) => Err(verdict(stage, None, to)),
        }
    }

    async fn steps(&self, mail: &Parts, stage: &mut Stage) -> Result<AsyncSmtpConnection, Failure> {
        let mut server = self.open(stage).await?;
        *stage = Stage::From;
        let from = Mail::new(Some(mail.from.clone()), Vec::new());
        let fine = step(*stage, server.command(from)).await?;
        yes(*stage, &fine)?;
        *stage = Stage::To;
        let to = Rcpt::new(mail.to.clone(), Vec::new());
        let fine = step(*stage, server.command(to)).await?;
        yes(*stage, &fine)?;
        *stage = Stage::Data;
        let go = step(*stage, server.command(Data)).await?;
        if !go.has_code(354) {
            return Err(Failure::At(*stage, Some(said(&go))));
        }
        *stage = Stage::Body;
        let taken = step(*stage, server.message(&mail.bytes)).await?;
        if !taken.has_code(250) {
            return Err(Failure::At(*stage, Some(said(&taken))));
        }
        Ok(server)
    }

    /// A connection that is private and knows who we are.
    async fn open(&self, stage: &mut Stage) -> Result<AsyncSmtpConnection, Failure> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let hello = ClientId::default();
        let tls = || {
            TlsParameters::builder(self.host.clone())
                .build_rustls()
                .map_err(|_| Failure::Setup(Cause::Tls))
        };
        let at_once = match self.security {
            SmtpSecurity::Implicit => Some(tls()?),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let opened =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &hello, at_once, None);
        let mut connection = opened.await.map_err(|error| failure(*stage, &error))?;
        if self.security == SmtpSecurity::StartTls {
            if !connection.can_starttls() {
                return Err(Failure::Setup(Cause::NoTls));
            }
            let up = connection.starttls(tls()?, &hello);
            up.await.map_err(|error| failure(*stage, &error))?;
        }
        if let Some(login) = &self.login {
            *stage = Stage::Login;
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            step(*stage, connection.auth(&mechanisms, login)).await?;
        }
        Ok(connection)
    }

    /// Connects, logs in and leaves.
    pub(super) async fn probe(&self) -> Result<(), SendError> {
        let mut stage = Stage::Connect;
        let steps = async {
            let mut server = self.open(&mut stage).await?;
            step(Stage::From, server.command(Noop)).await?;
            server.quit().await.ok();
            Ok(())
        };
        match tokio::time::timeout(self.timeout, steps).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Failure::Setup(cause))) => Err(SendError::Refused(cause.into())),
            Ok(Err(Failure::At(Stage::Login, Some(said)))) if said.code >= 500 => {
                Err(SendError::Refused(Cause::Login(said.code).into()))
            }
            Ok(Err(Failure::At(_, said))) => Err(SendError::NotSent(
                said.map_or(Cause::Unreached, |said| Cause::Busy(said.code))
                    .into(),
            )),
            Err(_) => Err(SendError::NotSent(Cause::Unreached.into())),
        }
    }
}

async fn step(
    stage: Stage,
    command: impl Future<Output = Result<Response, LettreError>> + Send,
) -> Result<Response, Failure> {
    command.await.map_err(|error| failure(stage, &error))
}

/// Only a code of the two hundreds is a yes here.
fn yes(stage: Stage, response: &Response) -> Result<(), Failure> {
    let said = said(response);
    if (200..300).contains(&said.code) {
        Ok(())
    } else {
        Err(Failure::At(stage, Some(said)))
    }
}

fn failure(stage: Stage, error: &LettreError) -> Failure {
    if let Some(code) = error.status() {
        let words = std::error::Error::source(error).map(ToString::to_string);
        let said = Said {
            code: code.to_string().parse().unwrap_or(0),
            enhanced: words.as_deref().and_then(enhanced),
        };
        return Failure::At(stage, Some(said));
    }
    if error.is_tls() && stage <= Stage::Login {
        return Failure::Setup(Cause::Tls);
    }
    if error.is_client() && stage == Stage::Login {
        return Failure::Setup(Cause::NoLogin);
    }
    Failure::At(stage, None)
}

fn said(response: &Response) -> Said {
    Said {
        code: response.code().to_string().parse().unwrap_or(0),
        enhanced: response.first_line().and_then(enhanced),
    }
}

/// `5.1.1` at the beginning of what a server says.
fn enhanced(words: &str) -> Option<(u8, u16, u16)> {
    let mut parts = words.split_whitespace().next()?.split('.');
    let class = parts.next()?.parse().ok()?;
    let subject = parts.next()?.parse().ok()?;
    let detail = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((class, subject, detail))
}
