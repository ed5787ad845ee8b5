//! `[receiver]`: where the offices' events come in.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use odx_core::clock::{Clock as _, SystemClock};
use odx_core::engine::Stop;
use odx_core::serve::{ServeLimits, Tls, listen, serve, serve_tls};
use odx_core::store::StateStore;
use odx_core::{Result, Secret, SourceId};
use odx_opendental::{
    Declaration, OpenDental, Receiver, ReceiverCounts, ReceiverSettings, SubscriptionReport,
    Workstation,
};
use tokio::net::TcpListener;
use url::Url;

use crate::calls::{CallCounts, Calls, Line, Switchboard};
use crate::progress::Screen;
use crate::section::{Mistakes, Section};

/// Where to listen, unless the file says otherwise.
const AT_HOME: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8044);
/// A shorter path may be guessed, and so may one of a few different characters.
const SHORTEST: usize = 24;
const DIFFERENT: usize = 8;
/// An office that did not answer is asked again so soon.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// Counts are told no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// An office that sends events: where the file says so, its key, its id.
pub(crate) type Sending = (Range<usize>, Secret, String);

/// A checked `[receiver]`.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    path: Secret,
    tls: Option<Tls>,
    /// Where offices reach it.
    url: Option<Url>,
}

/// The office that has this key already.
pub(crate) fn same_key<'a>(sending: &'a [Sending], key: &Secret) -> Option<&'a str> {
    let same = sending
        .iter()
        .find(|(_, known, _)| known.expose() == key.expose());
    same.map(|(_, _, office)| office.as_str())
}

/// Whoever sends or calls needs a receiver, and a receiver needs somebody.
pub(crate) fn needed(
    receiver: Option<&Range<usize>>,
    sending: &[Sending],
    calling: &[Range<usize>],
    mistakes: &Mistakes<'_>,
) {
    match receiver {
        None => {
            for (at, _, office) in sending {
                mistakes.add(
                    at,
                    format!(
                        "events of office {office} have no way in: write [receiver] with a path, or events = false"
                    ),
                );
            }
            for at in calling {
                mistakes.add(
                    at,
                    "calls of providers or of the crm have no way in: write [receiver] with a path",
                );
            }
        }
        Some(at) if sending.is_empty() && calling.is_empty() => mistakes.add(
            at,
            "receiver has no office to receive for: set events = true in an [office.source], webhook_token in an \
             [office.sink], or what a provider's calls are checked by; or remove it",
        ),
        Some(_) => {}
    }
}

/// Reads the section, or adds what is wrong with it.
pub(crate) fn read(section: Section<'_, '_>) -> Option<Door> {
    let address = match section.text("listen") {
        None => Some((AT_HOME, section.span().clone())),
        Some((text, at)) => text
            .parse()
            .map_err(|_| {
                section.wrong(
                    &at,
                    "listen",
                    "is no address: write one such as \"127.0.0.1:8044\"",
                );
            })
            .ok()
            .map(|address| (address, at)),
    };
    let path = section.secret("path", true).filter(|path| {
        let fine = cannot_be_guessed(path.expose());
        if !fine {
            section.wrong(
                section.span(),
                "path",
                "can be guessed: it must be at least 24 letters, digits, - or _ that nobody guesses; \
                 `openssl rand -hex 16` makes one",
            );
        }
        fine
    });
    let url = section.text("url").and_then(|(text, at)| {
        let url = Url::parse(&text).ok();
        let declared = url.clone().zip(path.clone());
        let wrong = match declared.map(|(url, path)| Declaration::new(url, path).validate()) {
            None => Some(
                "is no url: write where offices reach this, such as \"https://odx.example.com\""
                    .to_owned(),
            ),
            Some(Err(why)) => Some(format!("cannot be used: {}", why.chain())),
            Some(Ok(())) => None,
        };
        if let Some(wrong) = wrong.filter(|_| path.is_some()) {
            section.wrong(&at, "url", &wrong);
        }
        url
    });
    let certificate = section.text("tls_certificate");
    let key = section.text("tls_key");
    let tls = match (certificate, key) {
        (Some((certificate, at)), Some((key, _))) => {
            Tls::from_files(PathBuf::from(certificate), PathBuf::from(key))
                .map_err(|why| {
                    let what = format!("and tls_key cannot be used: {}", why.chain());
                    section.wrong(&at, "tls_certificate", &what);
                })
                .ok()
        }
        (Some((_, at)), None) => {
            section.wrong(&at, "tls_certificate", "needs tls_key beside it");
            None
        }
        (None, Some((_, at))) => {
            section.wrong(&at, "tls_key", "needs tls_certificate beside it");
            None
        }
        (None, None) => {
            if let Some((address, at)) = &address
                && !address.ip().is_loopback()
            {
                section.wrong(
                    at,
                    "listen",
                    "can be reached from elsewhere, and plain http would show keys and patients: listen on 127.0.0.1 \
                     behind a proxy that has tls, or set tls_certificate and tls_key",
                );
            }
            None
        }
    };
    section.finish();
    Some(Door {
        address: address?.0,
        path: path?,
        tls,
        url,
    })
}

fn cannot_be_guessed(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let different: std::collections::BTreeSet<_> = path.bytes().collect();
    path.len() >= SHORTEST && different.len() >= DIFFERENT && path.bytes().all(plain)
}

/// A door that listens.
pub(crate) struct Open {
    door: Door,
    listener: TcpListener,
    receiver: Option<Receiver>,
    board: Switchboard,
}

impl Door {
    /// What an office is to be subscribed to, if the file says where it reaches
    /// this program. The machine that sends is the one named there, else chosen.
    pub(crate) fn declaration(&self, workstation: Option<&str>) -> Option<Declaration> {
        let declaration = Declaration::new(self.url.clone()?, self.path.clone());
        Some(match workstation {
            Some(name) => declaration.with_workstation(Workstation::Named(name.to_owned())),
            None => declaration,
        })
    }

    /// Where calls about an office come in, as whoever calls spells it. It holds
    /// the secret path. None: the file does not say where this is reached.
    pub(crate) fn calls_at(&self, calls: Calls, office: &str) -> Option<Secret> {
        let url = self.url.as_ref()?.as_str().trim_end_matches('/');
        let (path, kind) = (self.path.expose(), calls.name());
        Some(Secret::new(format!("{url}/{path}/{kind}/{office}")))
    }

    /// Listens for these offices: for events, each with the key that its events
    /// carry, and for calls.
    pub(crate) async fn open(
        self,
        offices: Vec<(SourceId, Secret)>,
        lines: Vec<Line>,
        store: Arc<dyn StateStore>,
        screen: Screen,
    ) -> Result<Open> {
        let settings = ReceiverSettings::new(self.path.clone());
        let receiver = if offices.is_empty() {
            None
        } else {
            Some(Receiver::new(settings, offices, Arc::clone(&store))?)
        };
        let (path, url) = (self.path.clone(), self.url.clone());
        let board = Switchboard::open(path, url, lines, store, screen).await?;
        let listener = listen(self.address)?;
        Ok(Open {
            door: self,
            listener,
            receiver,
            board,
        })
    }
}

impl Open {
    /// Takes events in until `stop`, and tells how many came.
    pub(crate) async fn serve(self, screen: Screen, stop: Stop) -> Result<()> {
        let Self {
            door,
            listener,
            receiver,
            board,
        } = self;
        // Port 0 is any that is free.
        let address = listener.local_addr().unwrap_or(door.address);
        let scheme = if door.tls.is_some() { "https" } else { "http" };
        screen.line(&format!(
            "receiver: listens on {scheme}://{address}/<path>/"
        ));
        let events = receiver.as_ref().map(Receiver::router);
        let router = events.unwrap_or_default().merge(board.router());
        let limits = ServeLimits::default();
        let ends = stop.clone();
        let serving = async {
            match door.tls {
                Some(tls) => serve_tls(listener, tls, router, limits, stop).await,
                None => serve(listener, router, limits, stop).await,
            }
        };
        let counts = || {
            let events = receiver.as_ref().map(Receiver::counts);
            (events.unwrap_or_default(), board.counts())
        };
        let mut telling = Telling::default();
        let watching = async {
            while !ends.is_set() {
                telling.look(counts(), &screen);
                tokio::select! {
                    () = SystemClock.sleep(Duration::from_secs(1)) => {}
                    () = ends.wait() => {}
                }
            }
        };
        let (served, ()) = tokio::join!(serving, watching);
        telling.tell(counts(), &screen);
        served
    }
}

/// What came in: deliveries, and calls.
type Came = (ReceiverCounts, CallCounts);

/// What was last told of the counts, and when.
#[derive(Default)]
struct Telling {
    told: Came,
    at: Option<Instant>,
}

impl Telling {
    fn look(&mut self, came: Came, screen: &Screen) {
        // The first one at once: whoever sets this up waits for it.
        if self.at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.tell(came, screen);
        }
    }

    fn tell(&mut self, came: Came, screen: &Screen) {
        if came == self.told {
            return;
        }
        if came.0 != self.told.0 {
            screen.line(&sentence(&came.0));
        }
        if came.1 != self.told.1 {
            screen.line(&format!("receiver: {}", came.1));
        }
        self.told = came;
        self.at = Some(Instant::now());
    }
}

/// In words. No patient data.
fn sentence(counts: &ReceiverCounts) -> String {
    let ReceiverCounts {
        received,
        repeated,
        refused,
        unusable,
        failed,
        ..
    } = counts;
    format!(
        "receiver: {received} deliveries stored, {repeated} known already, {refused} without a good key, {unusable} \
         unusable, {failed} not stored"
    )
}

/// Sees to the subscriptions of an office, now and every `every`, until `stop`.
pub(crate) async fn subscribe(
    name: &str,
    source: &OpenDental,
    declaration: &Declaration,
    every: Duration,
    (screen, stop): (&Screen, &Stop),
) {
    let mut told = String::new();
    while !stop.is_set() {
        let (line, wait) = match source.ensure_subscriptions(declaration).await {
            Ok(report) => (subscribed(name, &report), every),
            Err(why) => (
                format!(
                    "{name}: the subscriptions could not be looked at: {}",
                    why.chain()
                ),
                every.min(AGAIN),
            ),
        };
        if line != told {
            screen.line(&line);
            told = line;
        }
        tokio::select! {
            () = SystemClock.sleep(wait) => {}
            () = stop.wait() => {}
        }
    }
}

fn subscribed(name: &str, report: &SubscriptionReport) -> String {
    let SubscriptionReport {
        created,
        repaired,
        unchanged,
        workstation,
        findings,
        ..
    } = report;
    let by = workstation
        .as_ref()
        .map_or_else(String::new, |machine| format!(", sent by {machine}"));
    let mut line = format!(
        "{name}: events subscribed: {} new, {} repaired, {} as they were{by}",
        created.len(),
        repaired.len(),
        unchanged.len()
    );
    for finding in findings {
        line.push_str(&format!("\n{name}: {finding}"));
    }
    line
}
