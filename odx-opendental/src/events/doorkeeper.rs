//! Who may deliver: the secret of the path, and whose key it is.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use odx_core::{Error, ErrorKind, Result, Secret, SourceId};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tokio::time::Instant;

/// Below this a path is guessed.
const SHORTEST_PATH: usize = 16;
/// Wrong keys a second that are only refused. Beyond, each costs a connection.
const TRIES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

type Digest = [u8; 32];

fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Refuses a path that can be guessed, or that is not one segment of plain signs.
pub(crate) fn check_path(path: &Secret) -> Result<()> {
    let segment = path.expose();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if segment.len() >= SHORTEST_PATH && segment.bytes().all(plain) {
        return Ok(());
    }
    let what = format!(
        "the receiver's path must be at least {SHORTEST_PATH} letters, digits, - or _ that nobody guesses: \
         `openssl rand -hex 16` makes one"
    );
    Err(Error::new(ErrorKind::Config, what))
}

/// Knows digests, not keys.
pub(super) struct Doorkeeper {
    path: Digest,
    keys: Vec<(Digest, SourceId)>,
    wrong: Mutex<Option<(Instant, u32)>>,
}

impl Doorkeeper {
    pub(super) fn new(
        path: &Secret,
        offices: impl IntoIterator<Item = (SourceId, Secret)>,
    ) -> Result<Self> {
        let refuse = |what: String| Err(Error::new(ErrorKind::Config, what));
        check_path(path)?;
        let mut keys: Vec<(Digest, SourceId)> = Vec::new();
        for (source, key) in offices {
            let key = key.expose().trim();
            if key.is_empty() || key.contains(|sign: char| sign.is_whitespace()) {
                return refuse(format!(
                    "the customer key of {source} is empty or holds blanks: paste it as the developer portal shows it"
                ));
            }
            let key = digest(key.as_bytes());
            if let Some((_, other)) = keys.iter().find(|(known, _)| *known == key) {
                return refuse(format!(
                    "{other} and {source} have the same customer key: an event would not say whose it is"
                ));
            }
            keys.push((key, source));
        }
        if keys.is_empty() {
            return refuse("the receiver has no office to receive for".to_owned());
        }
        Ok(Self {
            path: digest(path.expose().as_bytes()),
            keys,
            wrong: Mutex::default(),
        })
    }

    pub(super) fn is_the_path(&self, segment: &str) -> bool {
        digest(segment.as_bytes()).ct_eq(&self.path).into()
    }

    /// The office whose customer key the request carries, bare, as documented.
    /// Takes as long for a wrong key as for a right one.
    pub(super) fn office(&self, headers: &HeaderMap) -> Option<&SourceId> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let key = given.next().map_or(&b""[..], |value| value.as_bytes());
        let alone = given.next().is_none();
        let key = digest(key.trim_ascii());
        let mut found = Choice::from(0);
        let mut place = 0_u64;
        for (number, (known, _)) in (0_u64..).zip(&self.keys) {
            let same = key.ct_eq(known);
            place.conditional_assign(&number, same);
            found |= same;
        }
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let (_, source) = self.keys.get(place)?;
        (alone && bool::from(found)).then_some(source)
    }

    /// Another wrong key. True: too many of late.
    pub(super) fn refuse(&self) -> bool {
        let now = Instant::now();
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match *wrong {
            Some((since, count)) if now.duration_since(since) < WINDOW => count.saturating_add(1),
            _ => {
                *wrong = Some((now, 1));
                1
            }
        };
        if let Some((_, known)) = &mut *wrong {
            *known = count;
        }
        if count == TRIES + 1 {
            tracing::warn!(
                "many deliveries with a wrong key: somebody guesses, or a key was changed"
            );
        }
        count > TRIES
    }
}
