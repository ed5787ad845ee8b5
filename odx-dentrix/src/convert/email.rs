//! E-mail addresses as staff typed them.

use odx_core::model::Email;

/// What is odd about an e-mail field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmailIssue {
    /// Nothing there.
    Missing,
    /// Nothing of what is there is an address.
    Invalid,
    /// More than one address: the first is used.
    Several,
}

impl EmailIssue {
    /// As it stands in reports.
    #[cfg(test)]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Several => "several",
        }
    }
}

/// The addresses of a field, in order, and what is odd about it. What only
/// stands for "none" is dropped.
pub(crate) fn emails(text: &str) -> (Vec<Email>, Option<EmailIssue>) {
    let text = text.trim();
    if text.is_empty() {
        return (Vec::new(), Some(EmailIssue::Missing));
    }
    let valid: Vec<Email> = text
        .split([';', ',', ' ', '\t', '\r', '\n'])
        .filter(|part| !is_nobody(part))
        .filter_map(|part| Email::parse(part).ok())
        .collect();
    let issue = match valid.len() {
        0 => Some(EmailIssue::Invalid),
        1 => None,
        _ => Some(EmailIssue::Several),
    };
    (valid, issue)
}

/// `noemail@` is nobody, wherever it is said to live.
fn is_nobody(part: &str) -> bool {
    part.split_once('@').is_some_and(|(local, _)| {
        let local: String = local.chars().filter(char::is_ascii_alphanumeric).collect();
        matches!(
            &*local.to_ascii_lowercase(),
            "noemail" | "donotemail" | "noaddress" | "declined" | "refused"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Option<&'static str>) {
        let (valid, issue) = emails(text);
        let valid = valid.iter().map(|email| email.address().expose().clone());
        (valid.collect(), issue.map(EmailIssue::name))
    }

    #[test]
    fn the_first_of_several_addresses_counts() {
        for text in [
            "minjun@example.com; mj.park@example.net",
            "minjun@example.com,mj.park@example.net",
            "minjun@example.com mj.park@example.net",
        ] {
            let (valid, issue) = read(text);
            assert_eq!(valid, ["minjun@example.com", "mj.park@example.net"]);
            assert_eq!(issue, Some("several"));
        }
        let (valid, issue) = read("none; mj.park@example.net");
        assert_eq!((valid.len(), issue), (1, None));
    }

    #[test]
    fn what_stands_for_none_is_none() {
        for text in ["none", "n/a", "declined", "noemail@example.com", "no email"] {
            assert_eq!(read(text), (Vec::new(), Some("invalid")), "{text}");
        }
        assert_eq!(read("  "), (Vec::new(), Some("missing")));
        assert_eq!(read("ava.stjames@example").1, Some("invalid"));
    }
}
