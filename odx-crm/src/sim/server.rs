//! A mail server in a few lines (RFC 5321, 4954), on loopback and without TLS.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpStep {
    /// The greeting.
    Greeting,
    /// `EHLO`.
    Hello,
    /// `AUTH`.
    Login,
    /// `MAIL FROM`.
    From,
    /// `RCPT TO`.
    To,
    /// `DATA`.
    Data,
    /// The whole mail has come, and is not yet taken.
    Body,
    /// The mail is taken, and that is not yet said.
    Taken,
}

/// A way to misbehave, at one step of the next conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpFault {
    /// Says this instead: a code and words.
    Say(SmtpStep, String),
    /// Closes the connection.
    Cut(SmtpStep),
    /// Says nothing more, and keeps the connection.
    Silence(SmtpStep),
}

impl SmtpFault {
    const fn step(&self) -> SmtpStep {
        match self {
            Self::Say(step, _) | Self::Cut(step) | Self::Silence(step) => *step,
        }
    }
}

/// A mail that was taken.
#[derive(Clone)]
#[non_exhaustive]
pub struct Took {
    /// Whom it came from, as was said to the server.
    pub from: String,
    /// Whom it goes to, as was said to the server.
    pub to: Vec<String>,
    /// The mail as it came, dots undone.
    pub raw: String,
}

impl fmt::Debug for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Took").finish_non_exhaustive()
    }
}

impl Took {
    /// The headers, unfolded, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        let head = self.raw.split("\r\n\r\n").next().unwrap_or_default();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in head.split("\r\n") {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(": ") {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        headers
    }

    /// The header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers()
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

#[derive(Default)]
struct State {
    took: Vec<Took>,
    faults: VecDeque<SmtpFault>,
    login: Option<String>,
}

/// A mail server. Stops when dropped.
pub struct MailServer {
    state: Arc<Mutex<State>>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MailServer {
    /// Answers on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Those of opening a port.
    pub async fn serve() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let held = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let held = Arc::clone(&held);
                // A conversation that breaks off is the client's to notice.
                tokio::spawn(async move { talk(stream, &held).await.ok() });
            }
        });
        Ok(Self { state, port, task })
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Takes mail from this user only.
    pub fn require_login(&self, user: &str, password: &str) {
        locked(&self.state).login = Some(STANDARD.encode(format!("\0{user}\0{password}")));
    }

    /// The next conversation meets this fault, after those already planned.
    pub fn fail_next(&self, fault: SmtpFault) {
        locked(&self.state).faults.push_back(fault);
    }

    /// The mails it took.
    pub fn took(&self) -> Vec<Took> {
        locked(&self.state).took.clone()
    }
}

/// Says it, or what the fault says instead. False: the conversation is over.
async fn say(
    stream: &mut BufReader<TcpStream>,
    fault: Option<&SmtpFault>,
    step: SmtpStep,
    words: &str,
) -> io::Result<bool> {
    let words = match fault.filter(|fault| fault.step() == step) {
        None => words,
        Some(SmtpFault::Say(_, words)) => words,
        Some(SmtpFault::Cut(_)) => return Ok(false),
        Some(SmtpFault::Silence(_)) => {
            let mut rest = String::new();
            while stream.read_line(&mut rest).await? > 0 {}
            return Ok(false);
        }
    };
    stream.write_all(format!("{words}\r\n").as_bytes()).await?;
    stream.flush().await?;
    Ok(words.starts_with(['2', '3']))
}

async fn talk(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let (fault, login) = {
        let mut state = locked(state);
        (state.faults.pop_front(), state.login.clone())
    };
    let fault = fault.as_ref();
    let mut stream = BufReader::new(stream);
    if !say(&mut stream, fault, SmtpStep::Greeting, "220 sim ESMTP").await? {
        return Ok(());
    }
    let mut known = login.is_none();
    let mut from = String::new();
    let mut to: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let upper = line.to_ascii_uppercase();
        let address = || {
            let inside = line
                .split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'));
            inside
                .map(|(address, _)| address.to_owned())
                .unwrap_or_default()
        };
        let (step, words) = if upper.starts_with("EHLO") {
            (SmtpStep::Hello, "250-sim\r\n250-8BITMIME\r\n250 AUTH PLAIN")
        } else if let Some(given) = line.strip_prefix("AUTH PLAIN ") {
            known = login.as_deref() == Some(given);
            let fine = if known {
                "235 2.7.0 fine"
            } else {
                "535 5.7.8 no"
            };
            (SmtpStep::Login, fine)
        } else if upper.starts_with("MAIL FROM:") {
            from = address();
            let fine = if known {
                "250 2.1.0 ok"
            } else {
                "530 5.7.0 log in first"
            };
            (SmtpStep::From, fine)
        } else if upper.starts_with("RCPT TO:") {
            to.push(address());
            (SmtpStep::To, "250 2.1.5 ok")
        } else if upper == "DATA" {
            if !say(&mut stream, fault, SmtpStep::Data, "354 go on").await? {
                return Ok(());
            }
            let raw = body(&mut stream).await?;
            if fault.is_some_and(|fault| fault.step() == SmtpStep::Body) {
                say(&mut stream, fault, SmtpStep::Body, "").await?;
                return Ok(());
            }
            locked(state).took.push(Took {
                from: from.clone(),
                to: std::mem::take(&mut to),
                raw,
            });
            (SmtpStep::Taken, "250 2.0.0 taken")
        } else if upper == "QUIT" {
            stream.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else {
            (SmtpStep::Hello, "250 ok")
        };
        let on = say(&mut stream, fault, step, words).await?;
        if !on
            && fault
                .is_some_and(|fault| fault.step() == step && !matches!(fault, SmtpFault::Say(..)))
        {
            return Ok(());
        }
    }
}

/// A mail up to its dot.
async fn body(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut raw = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(raw);
        }
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
