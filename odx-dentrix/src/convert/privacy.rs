//! Who must not be contacted, and how.

use odx_core::model::{Channel, Origin, Permission, Statement};

use crate::table::{Field, Row};

/// Privacy requests: a mask of one byte. Ones can only be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Privacy(u8);

impl Privacy {
    /// No phone calls.
    pub(crate) const NO_PHONE: Self = Self(0x01);
    /// No correspondence.
    pub(crate) const NO_LETTER: Self = Self(0x02);
    /// Disclosure restrictions.
    pub(crate) const DISCLOSURE: Self = Self(0x04);
    /// No e-mail.
    pub(crate) const NO_EMAIL: Self = Self(0x08);
    /// No text message.
    pub(crate) const NO_TEXT: Self = Self(0x10);
    /// No postcard.
    pub(crate) const NO_POSTCARD: Self = Self(0x20);
    /// All of them.
    pub(crate) const ALL: Self = Self(0x3f);

    /// What a row says. None: its table has no such column, and then nobody
    /// knows, which is never the same as no request.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        row.has(Field::Privacy)
            .then(|| row.get(Field::Privacy).map_or(Self(0), Self::read))
    }

    /// A mask, or words. The mask is of bits, also where its tables print 10 and
    /// 20 for the last two: those are hexadecimal. What is not known, a bit or a
    /// word, is every request there is; so is `*`, which says only that there
    /// are some.
    pub(crate) fn read(text: &str) -> Self {
        let text = text.trim();
        let number = text.strip_suffix(".0").unwrap_or(text);
        if let Ok(number) = number.parse::<i64>() {
            // A signed byte: -1 is all of its bits.
            return i8::try_from(number)
                .map(i8::cast_unsigned)
                .or_else(|_| u8::try_from(number))
                .map_or(Self::ALL, Self::mask);
        }
        let words = text
            .split([';', ',', '/', '|', '\n', '\r'])
            .map(crate::columns::folded)
            .filter(|word| !word.is_empty());
        let mut found = None;
        for word in words {
            let one = Self::word(&word);
            found = Some(found.map_or(one, |found: Self| found.and(one)));
        }
        found.unwrap_or(Self::ALL)
    }

    /// A mask as the database keeps it.
    pub(crate) const fn mask(bits: u8) -> Self {
        if bits & !Self::ALL.0 == 0 {
            Self(bits)
        } else {
            Self::ALL
        }
    }

    fn word(word: &str) -> Self {
        match word {
            "nophonecalls" | "nophonecall" | "nophone" | "nocalls" => Self::NO_PHONE,
            "nocorrespondence" | "noletters" | "noletter" => Self::NO_LETTER,
            "disclosurerestrictions" | "disclosurerestriction" => Self::DISCLOSURE,
            "noemail" | "noemails" => Self::NO_EMAIL,
            "notextmessage" | "notextmessages" | "notext" | "notexts" | "nosms" => Self::NO_TEXT,
            "nopostcard" | "nopostcards" => Self::NO_POSTCARD,
            "none" => Self(0),
            _ => Self::ALL,
        }
    }

    /// The requests of both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All of these are among them.
    pub(crate) const fn has(self, these: Self) -> bool {
        self.0 & these.0 == these.0
    }

    #[cfg(test)]
    /// As one byte.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Held from every outside system: the person is treated as put away.
    pub(crate) const fn is_held(self) -> bool {
        self.has(Self::DISCLOSURE)
    }

    /// What was said about being contacted. No request says nothing: it is not
    /// a yes.
    ///
    /// "No correspondence" means letters in the practice's program, which is
    /// older than texts. It is read in the strict way, as nothing written:
    /// somebody who wants no mail from the practice is not served by the same
    /// words on a screen, and a call is still open. A postcard is nothing that
    /// odx sends.
    pub(crate) fn statements(self) -> Vec<Statement> {
        let written = self.has(Self::NO_LETTER) || self.is_held();
        [
            (Channel::Sms, written || self.has(Self::NO_TEXT)),
            (Channel::Email, written || self.has(Self::NO_EMAIL)),
            (Channel::Voice, self.is_held() || self.has(Self::NO_PHONE)),
        ]
        .into_iter()
        .filter(|(_, denied)| *denied)
        .map(|(channel, _)| Statement {
            channel,
            permission: Permission::Denied,
            origin: Origin::Practice,
            on: None,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use odx_core::model::{ConsentState, consent};
    use proptest::prelude::*;

    use super::*;

    const CHANNELS: [Channel; 3] = [Channel::Sms, Channel::Email, Channel::Voice];

    fn denied(privacy: Privacy) -> Vec<Channel> {
        let list = privacy.statements();
        let denied = |channel: &Channel| consent(&list, *channel) == ConsentState::Denied;
        CHANNELS.into_iter().filter(denied).collect()
    }

    #[test]
    fn privacy_is_a_mask_of_bits_and_not_a_list_of_values() {
        use Channel::*;
        for (text, is) in [
            ("0", &[][..]),
            ("1", &[Voice][..]),
            ("8", &[Email][..]),
            ("16", &[Sms][..]),
            ("32", &[][..]),
            ("9", &[Email, Voice][..]),
            ("24", &[Sms, Email][..]),
            ("2", &[Sms, Email][..]),
            ("4", &CHANNELS[..]),
            ("63", &CHANNELS[..]),
            // Not hexadecimal where it is a number: 10 is 2 and 8.
            ("10", &[Sms, Email][..]),
            ("20", &CHANNELS[..]),
            ("8.0", &[Email][..]),
        ] {
            assert_eq!(denied(Privacy::read(text)), is, "{text}");
        }
        assert!(Privacy::read("20").is_held());
        assert!(!Privacy::read("59").is_held());
    }

    #[test]
    fn what_is_not_known_is_every_request() {
        for text in [
            "*",
            "64",
            "128",
            "255",
            "-1",
            "-128",
            "-106",
            "256",
            "99999",
            "No Pigeons",
            "No E-mail; No Pigeons",
            "x",
            "yes",
            "no",
            ";",
            "0x10",
        ] {
            assert_eq!(Privacy::read(text), Privacy::ALL, "{text}");
        }
    }

    #[test]
    fn the_words_of_reports_are_the_bits() {
        for (text, is) in [
            ("No Phone Calls", Privacy::NO_PHONE),
            ("No Correspondence", Privacy::NO_LETTER),
            ("Disclosure Restrictions", Privacy::DISCLOSURE),
            ("No E-mail", Privacy::NO_EMAIL),
            ("No Text Message", Privacy::NO_TEXT),
            ("No Postcard", Privacy::NO_POSTCARD),
            ("NO EMAIL, no text message", Privacy::mask(0x18)),
            ("<None>", Privacy::mask(0)),
        ] {
            assert_eq!(Privacy::read(text), is, "{text}");
        }
    }

    #[test]
    fn a_table_without_the_column_says_nothing_and_an_empty_cell_says_none() {
        let row =
            |field, text: Option<&str>| Row::new(Arc::from([field]), vec![text.map(str::to_owned)]);
        assert_eq!(Privacy::of(&row(Field::Chart, Some("1"))), None);
        for empty in [None, Some(""), Some("   ")] {
            assert_eq!(
                Privacy::of(&row(Field::Privacy, empty)),
                Some(Privacy::mask(0))
            );
        }
    }

    proptest! {
        #[test]
        fn one_more_request_never_allows_anything(bits: u8, bit in 0u32..8) {
            let before = Privacy::mask(bits);
            let after = Privacy::mask(bits | 1 << bit);
            for channel in denied(before) {
                prop_assert!(denied(after).contains(&channel));
            }
            prop_assert!(after.is_held() || !before.is_held());
            prop_assert_eq!(Privacy::read(&bits.to_string()), before);
            prop_assert_eq!(Privacy::read(&bits.cast_signed().to_string()), before);
        }

        #[test]
        fn nothing_is_ever_granted(text in ".{0,20}") {
            let said = Privacy::read(&text).statements();
            prop_assert!(said.iter().all(|said| said.permission == Permission::Denied));
        }

        #[test]
        fn two_requests_together_are_at_least_each(one in 0u8..64, other in 0u8..64) {
            let both = Privacy::mask(one).and(Privacy::mask(other));
            prop_assert!(both.has(Privacy::mask(one)) && both.has(Privacy::mask(other)));
            prop_assert_eq!(both.bits(), one | other);
        }
    }
}
