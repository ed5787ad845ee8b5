//! Content hashes and idempotency keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::id::{ExternalId, OfficeId};

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(
                DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'),
            ));
        }
    }
    text
}

/// SHA-256 of a record's canonical JSON: sorted keys, no blanks, no nulls, NFC.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of these canonical bytes.
    pub fn of(canonical: &[u8]) -> Self {
        Self(Sha256::digest(canonical).into())
    }

    /// `sha256:` and 64 hex digits, as it stands on the wire.
    pub fn to_wire(self) -> String {
        format!("sha256:{}", hex(&self.0))
    }

    /// What the ledger keeps: the content under one version of the policy, so
    /// that a policy that changed its mind is heard.
    pub fn under(self, policy_version: u32) -> LedgerHash {
        let mut hasher = Sha256::new();
        hasher.update(policy_version.to_be_bytes());
        hasher.update(self.0);
        LedgerHash::first_half(hasher.finalize().into())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_wire())
    }
}

/// 128 bits: enough to tell two states of one record apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LedgerHash([u8; 16]);

impl LedgerHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::first_half(Sha256::digest(bytes).into())
    }

    /// The hash of these parts, none of which can pass for a piece of another.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        Self::first_half(hasher.finalize().into())
    }

    fn first_half(full: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&full[..16]);
        Self(half)
    }

    /// As stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// Says to a receiver that remembers keys: you have seen this very change.
///
/// Built from the record, how often it changed before, and its content, so a
/// value that goes A, B, A gets three keys and a repeat gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of the `generation`th applied change of a record.
    pub fn new(
        office: &OfficeId,
        entity: &str,
        id: &ExternalId,
        op: &str,
        generation: u64,
        hash: ContentHash,
    ) -> Self {
        let text = format!(
            "v1|{office}|{entity}|{id}|{op}|{generation}|{}",
            hash.to_wire()
        );
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(text)))
    }

    /// The key of something that has no external id, such as what a practice
    /// is told: the same parts, in the same order, make the same key.
    pub fn of_parts(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update("parts|");
        for part in parts {
            // With its length, so that no two lists of parts read alike.
            hasher.update(format!("{}:{part}|", part.len()));
        }
        Self(URL_SAFE_NO_PAD.encode(hasher.finalize()))
    }

    /// Reads back what a store kept. Builds nothing.
    pub fn from_kept(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// 43 letters, digits, `-` and `_`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
