//! Whoever carries messages: text and mail providers, each behind its feature.
//!
//! A gateway sends once, waits for nobody and repeats nothing. What is not sure is
//! in doubt: no answer but a 429, and no failure but a connection that was never
//! made, is proof that nothing was sent.

#![allow(clippy::result_large_err, reason = "the seam's error holds a stop")]

#[cfg(any(feature = "twilio", feature = "sendgrid", feature = "postmark"))]
mod line;
#[cfg(any(feature = "sendgrid", feature = "postmark", feature = "smtp"))]
mod mail;
#[cfg(any(
    feature = "twilio",
    feature = "sendgrid",
    feature = "postmark",
    feature = "smtp"
))]
mod settings;
#[cfg(any(
    feature = "twilio",
    feature = "sendgrid",
    feature = "postmark",
    feature = "smtp"
))]
mod stop;

#[cfg(feature = "postmark")]
pub mod postmark;
#[cfg(feature = "sendgrid")]
pub mod sendgrid;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(feature = "twilio")]
pub mod twilio;

#[cfg(any(feature = "sendgrid", feature = "postmark", feature = "smtp"))]
pub use mail::Baa;
#[cfg(feature = "postmark")]
pub use postmark::{PostmarkConfig, PostmarkGateway};
#[cfg(feature = "sendgrid")]
pub use sendgrid::{SendGridConfig, SendGridGateway};
#[cfg(feature = "smtp")]
pub use smtp::{SmtpConfig, SmtpGateway, SmtpSecurity};
#[cfg(feature = "twilio")]
pub use twilio::{TwilioConfig, TwilioGateway};
