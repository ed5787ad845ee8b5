//! What somebody means who answers a text.

/// What a reply asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "the whole classifier says more than the keywords")]
pub(super) enum Reply {
    /// No more texts.
    OptOut,
    /// Somebody else's number.
    WrongNumber,
    /// A keyword stop is taken back.
    OptIn,
    /// Who is this? The provider answers that.
    Help,
    /// A person must read it.
    Review,
    /// Nothing that changes anything.
    None,
}

/// The only place where a text is read. Plain keywords, alone in their message;
/// a message with one of them in it is for a person to read.
pub(super) fn reply(text: &str) -> Reply {
    const STOP: [&str; 9] = [
        "STOP",
        "STOPALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPTOUT",
        "ARRET",
    ];
    let bare: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect();
    match bare.as_str() {
        word if STOP.contains(&word) => Reply::OptOut,
        "START" | "UNSTOP" => Reply::OptIn,
        "HELP" | "INFO" => Reply::Help,
        "WRONGNUMBER" | "WRONGPERSON" => Reply::WrongNumber,
        text if text.contains("STOP") || text.contains("CANCEL") || text.contains("WRONG") => {
            Reply::Review
        }
        _ => Reply::None,
    }
}
