//! What people answer to a text.

use std::borrow::Cow;

use super::words::{fold, spelled, tokens};

/// What an answer says about writing to its sender again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Never again. Suppress the number at once.
    OptOut,
    /// The number is somebody else's. Suppress it at once; no keyword lifts it.
    WrongNumber,
    /// Take a keyword stop back: of this sender and channel, nothing else.
    OptIn,
    /// They ask who writes.
    Help,
    /// It may be an opt-out, or something a person must know. Nothing more goes
    /// to the number until one has read it.
    Review,
    /// Nothing of all that. A yes is no consent either.
    None,
}

/// Whole messages, without blanks and hyphens.
const OPT_OUT: &[&str] = &[
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "UNSUBSCRIBED",
    "UNSUB",
    "CANCEL",
    "CANCELALL",
    "END",
    "ENDALL",
    "QUIT",
    "REVOKE",
    "OPTOUT",
    "OPTMEOUT",
    "REMOVE",
    "STOPP",
    "STOPT",
    "ALTO",
    "BAJA",
    "PARAR",
    "PARE",
    "PAREN",
    "DETENER",
    "DETENGASE",
    "CANCELAR",
    "NOMAS",
    "SALIR",
    "ARRET",
    "ARRETE",
    "ARRETER",
    "ARRETEZ",
    "DESABONNER",
    "DESINSCRIRE",
    "СТОП",
    "停止",
    "退订",
    "退訂",
    "取消",
];

const OPT_IN: &[&str] = &["START", "UNSTOP"];

const HELP: &[&str] = &["HELP", "INFO", "AYUDA", "AIDE"];

/// Whole messages that are a slip of the finger away from a stop.
const NEARLY_STOP: &[&str] = &[
    "SOTP", "STPO", "TSOP", "ST0P", "5TOP", "STOO", "STIP", "STOL", "DTOP", "ATOP", "SROP", "SYOP",
    "STP", "SOP", "STO", "STAHP", "STPP", "QIUT", "EDN",
];

/// Said beside a keyword without changing it.
const COURTESY: &[&str] = &[
    "PLEASE",
    "PLS",
    "PLZ",
    "THANKS",
    "THANK",
    "THX",
    "YOU",
    "NOW",
    "OK",
    "OKAY",
    "HI",
    "HELLO",
    "HEY",
    "SIR",
    "MAAM",
    "POR",
    "FAVOR",
    "GRACIAS",
    "SVP",
    "MERCI",
    "IMMEDIATELY",
    "ALL",
    "JUST",
];

/// Phrases that stop everything, word by word. A bar stands between choices.
const OPT_OUT_PHRASES: &[&str] = &[
    "STOP TEXTING|TEXTS|TEXT|MESSAGING|MESSAGES|MESSAGE|MESSAGGING|MSGS|CONTACTING|SENDING|SPAMMING|BOTHERING|HARASSING|WRITING|EMAILING|CALLING|REMINDERS|REMINDING",
    "STOP THE|THESE|THIS|THOSE|YOUR|ALL TEXTS|TEXT|TEXTING|MESSAGES|MESSAGE|MSGS|REMINDERS|SPAM|NOTIFICATIONS",
    "STOP IT",
    "TAKE ME|US|THIS|MY OFF|OUT|NUMBER|NAME|PHONE|CELL",
    "TAKE OFF MY|THIS NUMBER|NAME|PHONE",
    "REMOVE ME|US|MYSELF",
    "REMOVE MY|THIS|OUR NUMBER|NAME|PHONE|CELL|CONTACT|INFO|INFORMATION",
    "DELETE|ERASE|LOSE|FORGET MY|THIS NUMBER|PHONE|CONTACT|INFO",
    "DELETE ME",
    "DONT TEXT|MESSAGE|MSG|CONTACT|WRITE|SEND|BOTHER",
    "DO NOT TEXT|MESSAGE|MSG|CONTACT|WRITE|SEND|BOTHER",
    "NEVER TEXT|MESSAGE|CONTACT",
    "DONT|NOT WANT|NEED|WISH YOUR|THESE|ANY|THE|MORE|ANYMORE TEXTS|TEXT|MESSAGES|MESSAGE|REMINDERS",
    "DONT|NOT WANT|WISH TO RECEIVE|GET|BE",
    "QUIT|CEASE|END|DISCONTINUE TEXTING|TEXTS|MESSAGING|MESSAGES|SENDING|CONTACTING|WRITING",
    "QUIT|CEASE|END|DISCONTINUE THE|THESE|THIS|ALL TEXTS|MESSAGES|REMINDERS|TEXT|MESSAGE",
    "CANCEL THE|THESE|THIS|ALL|MY TEXTS|MESSAGES|REMINDERS|SUBSCRIPTION|NOTIFICATIONS",
    "NO MORE TEXTS|TEXT|MESSAGES|MESSAGE|MSGS|REMINDERS|CONTACT|SMS",
    "NO LONGER WISH|WANT|NEED",
    "LEAVE ME|US ALONE",
    "UNSUBSCRIBE ME|US|FROM|PLEASE|NOW",
    "WANT|LIKE|WISH|NEED|HOW TO|DO UNSUBSCRIBE",
    "HOW DO|CAN I UNSUBSCRIBE",
    "WANT|LIKE|WISH TO OPT OUT",
    "OPT ME|US OUT",
    "OPTING OUT",
    "REVOKE MY|CONSENT|PERMISSION",
    "NO ME MANDE|MANDEN|MANDES|ENVIE|ENVIEN|ENVIES|ESCRIBA|ESCRIBAN|ESCRIBAS|CONTACTE|CONTACTEN|TEXTEE|TEXTEEN|MOLESTE|MOLESTEN",
    "NO QUIERO RECIBIR|MAS|SUS|MENSAJES",
    "YA NO QUIERO",
    "NO MAS MENSAJES|TEXTOS",
    "DEJE|DEJEN|DEJA DE MANDAR|MANDARME|ENVIAR|ENVIARME|ESCRIBIR|ESCRIBIRME|MOLESTAR|MOLESTARME|TEXTEAR",
    "QUITEME|QUITENME|BORREME|BORRENME|SAQUEME|SAQUENME|ELIMINEME|ELIMINENME",
    "DAR|DARME|DEME|DENME DE BAJA",
    "BORRE|BORREN|ELIMINE|ELIMINEN MI|ESTE NUMERO",
    "NE PLUS|MENVOYEZ|ENVOYEZ|CONTACTEZ|ECRIRE|RECEVOIR",
    "ARRETEZ DE|VOS|LES|CES",
];

const WRONG_NUMBER_PHRASES: &[&str] = &[
    "WRONG NUMBER|PERSON|PHONE|CELL|NUM|GUY|LADY",
    "NUMERO EQUIVOCADO|INCORRECTO|ERRONEO",
    "PERSONA EQUIVOCADA|INCORRECTA",
    "TIENE|TIENEN EL NUMERO EQUIVOCADO",
    "MAUVAIS NUMERO",
    "NOT MY|HER|HIS|THEIR NUMBER|PHONE",
    "NO ONE|BODY HERE BY|WITH THAT NAME",
    "NO LONGER HAS|HAVE|USES THIS NUMBER|PHONE",
];

/// Words that put a message before a person, wherever they stand.
const REVIEW_WORDS: &[&str] = &[
    "CANCEL",
    "CANCELING",
    "CANCELLING",
    "CANCELLED",
    "CANCELED",
    "QUIT",
    "REVOKE",
    "REMOVE",
    "OPTOUT",
    "CEASE",
    "DESIST",
    "DISCONTINUE",
    "BAJA",
    "ALTO",
    "PARAR",
    "PARE",
    "PAREN",
    "DETENER",
    "CANCELAR",
    "SALIR",
    "ARRET",
    "ARRETE",
    "ARRETER",
    "ARRETEZ",
    "DESABONNER",
    "СТОП",
    "SPAM",
    "HARASSMENT",
    "HARASSING",
    "LAWYER",
    "ATTORNEY",
    "LAWSUIT",
    "SUE",
    "TCPA",
    "FCC",
    "DIED",
    "DECEASED",
    "DEAD",
    "FALLECIO",
    "MURIO",
];

const REVIEW_PHRASES: &[&str] = &[
    "OPT OUT",
    "OPTED OUT",
    "PASSED AWAY",
    "WHO IS|ARE THIS|YOU",
    "WHOS THIS",
    "NOT INTERESTED",
    "THIS ISNT|NOT",
    "THIS IS NOT",
    "DONT|NOT|NEVER CALL|EMAIL|TEXT|MESSAGE|CONTACT|SEND|WRITE",
    "NO ME LLAME|LLAMEN",
    "NO SOY",
    "NO MORE",
    "NO MAS",
    "NO LONGER",
    "GO AWAY",
    "GET LOST",
    "FUCK|PISS OFF|YOU",
    "DO NOT DISTURB",
    "LEFT|CHANGED THE|YOUR PRACTICE|OFFICE|DENTIST|DENTISTS",
    "YOUR LIST",
    "THE LIST",
];

/// Before a phrase, they turn it round.
const NEGATORS: &[&str] = &[
    "DONT", "NOT", "NEVER", "DIDNT", "WONT", "CANT", "DOESNT", "UNTIL",
];

/// Signs that may say stop without a word.
const SIGNS: &[char] = &['🛑', '🚫', '⛔', '✋', '🖕', '❌', '🙅'];

/// Says what an answer means. Pure, and quick for any length.
///
/// A whole message that is a keyword decides at once. Else phrases are looked
/// for, and last the words that may be meant: in doubt it is [`Reply::Review`].
/// A message that only quotes ours with a thumb up is [`Reply::None`].
///
/// ```
/// use odx_core::outreach::{Reply, classify};
/// assert_eq!(classify(" Stop! "), Reply::OptOut);
/// assert_eq!(classify("Can I stop by at 3?"), Reply::Review);
/// assert_eq!(classify("See you then"), Reply::None);
/// ```
pub fn classify(text: &str) -> Reply {
    let signed = text.contains(SIGNS);
    let folded = fold(text).to_uppercase();
    let words = spelled(tokens(&folded));
    let compact = words.concat();
    if compact.is_empty() {
        return if signed { Reply::Review } else { Reply::None };
    }
    if is_stop(&compact) {
        return Reply::OptOut;
    }
    if !signed && OPT_IN.contains(&compact.as_str()) {
        return Reply::OptIn;
    }
    if !signed && HELP.contains(&compact.as_str()) {
        return Reply::Help;
    }
    if is_reaction(&folded, &words) {
        return Reply::None;
    }

    // Our own last line, quoted: it is not their wish, but it may hide one.
    let (words, quoted) = without_our_words(words);
    let words: Vec<&str> = words.iter().map(Cow::as_ref).collect();
    if hit(WRONG_NUMBER_PHRASES, &words) == Hit::Yes {
        return Reply::WrongNumber;
    }
    let without_courtesy: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !COURTESY.contains(word))
        .collect();
    let courteous = is_stop(&without_courtesy.concat())
        || !without_courtesy.is_empty() && without_courtesy.iter().all(|word| is_stop(word));
    let phrase = hit(OPT_OUT_PHRASES, &words);
    if courteous || phrase == Hit::Yes || a_line_is_stop(&folded) {
        return Reply::OptOut;
    }

    let meant = |word: &&str| {
        REVIEW_WORDS.contains(word)
            // Not Christopher.
            || (word.contains("STOP") && !word.contains("RISTOP"))
            || word.starts_with("UNSUB")
    };
    let review = quoted
        || signed
        || phrase == Hit::Negated
        || words.iter().any(meant)
        || hit(REVIEW_PHRASES, &words) != Hit::No
        || NEARLY_STOP.contains(&compact.as_str())
        || shouts_end(text);
    if review { Reply::Review } else { Reply::None }
}

/// Whether a word, or a message without its blanks, is a stop by itself. Also
/// one that was held down: `STOOOPP`.
fn is_stop(compact: &str) -> bool {
    let mut squeezed: Vec<char> = compact.chars().collect();
    squeezed.dedup();
    OPT_OUT.contains(&compact) || squeezed == ['S', 'T', 'O', 'P']
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    No,
    /// It stands there after a word that turns it round.
    Negated,
    Yes,
}

/// Whether one of the phrases stands among the words.
fn hit(phrases: &[&str], words: &[&str]) -> Hit {
    let mut best = Hit::No;
    for phrase in phrases {
        let parts: Vec<&str> = phrase.split(' ').collect();
        for (start, window) in words.windows(parts.len()).enumerate() {
            let fits = |(part, word): (&&str, &&str)| part.split('|').any(|choice| choice == *word);
            if !parts.iter().zip(window).all(fits) {
                continue;
            }
            let before = words.iter().take(start).rev().take(2);
            if before.clone().any(|word| NEGATORS.contains(word)) {
                best = Hit::Negated;
            } else {
                return Hit::Yes;
            }
        }
    }
    best
}

/// The words without "reply STOP to opt out" and its like, and whether it stood
/// there.
fn without_our_words(words: Vec<Cow<'_, str>>) -> (Vec<Cow<'_, str>>, bool) {
    let ours = |at: usize, choices: &[&str]| {
        words
            .get(at)
            .is_some_and(|word| choices.contains(&word.as_ref()))
    };
    let found = (0..words.len()).find(|at| {
        ours(*at, &["REPLY", "TEXT", "TXT", "SEND", "RESPONDA", "ENVIE"])
            && ours(at + 1, &["STOP", "ALTO"])
    });
    let Some(from) = found else {
        return (words, false);
    };
    let mut until = from + 2;
    if ours(until, &["TO", "2", "PARA"]) {
        until += 1;
        if ours(until, &["OPT"]) && ours(until + 1, &["OUT"]) {
            until += 2;
        } else if ours(
            until,
            &["OPTOUT", "UNSUBSCRIBE", "END", "CANCEL", "QUIT", "STOP"],
        ) {
            until += 1;
        }
    }
    let mut words = words;
    words.drain(from..until);
    (words, true)
}

/// Whether one line by itself says stop, above a signature or a quoted message.
fn a_line_is_stop(folded: &str) -> bool {
    folded
        .lines()
        .filter(|line| !line.trim_start().starts_with('>'))
        .any(|line| is_stop(&spelled(tokens(line)).concat()))
}

/// What a phone sends when somebody likes a message of ours: a word, and the
/// message in quotes.
fn is_reaction(folded: &str, words: &[Cow<'_, str>]) -> bool {
    let liked = ["LIKED \"", "LOVED \"", "LAUGHED AT \"", "EMPHASIZED \""];
    let rest = liked
        .iter()
        .find_map(|start| folded.trim().strip_prefix(start));
    let quote = rest.and_then(|rest| rest.strip_suffix('"'));
    quote.is_some_and(|quote| !quote.contains('"'))
        && words
            .windows(2)
            .any(|pair| matches!(pair, [reply, stop] if reply == "REPLY" && stop == "STOP"))
}

/// Whether `END` stands there in capitals among words that do not.
fn shouts_end(text: &str) -> bool {
    text.chars().any(char::is_lowercase)
        && text
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word == "END")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn all(expected: Reply, texts: &[&str]) {
        for text in texts {
            assert_eq!(classify(text), expected, "{text}");
        }
    }

    #[test]
    fn every_vector_is_understood() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/inbound_keywords.json"))
                .unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let expected = match case["expect"].as_str().unwrap() {
                "opt_out" => Reply::OptOut,
                "wrong_number" => Reply::WrongNumber,
                "opt_in" => Reply::OptIn,
                "help" => Reply::Help,
                "review" => Reply::Review,
                _ => Reply::None,
            };
            assert_eq!(classify(text), expected, "{text}");
        }
        assert_eq!(cases.len(), 41);
    }

    #[test]
    fn keywords_count_in_other_languages_and_alphabets() {
        all(
            Reply::OptOut,
            &[
                "ALTO",
                "alto!",
                "Baja",
                "PARAR",
                "no más",
                "ARRÊT",
                "arrêt.",
                "Arrêtez",
                "ＳＴＯＰ",
                "𝐒𝐓𝐎𝐏",
                "S\u{200b}TOP",
                "ST\u{ad}OP",
                "\u{202e}STOP",
                "Ѕtор",
                "стоп",
                "退订",
            ],
        );
    }

    #[test]
    fn a_stop_is_a_stop_however_it_is_dressed() {
        all(
            Reply::OptOut,
            &[
                "STOP STOP STOP",
                "stop!!!!!!",
                "...stop...",
                "*STOP*",
                "🛑STOP🛑",
                "s.t.o.p",
                "S-T-O-P",
                "STOPPPP",
                "Stop please",
                "ok stop",
                "STOP, thanks",
                "#stop",
                "(stop)",
                "STOP\n\nSent from my phone",
                "please s t o p",
                "END!!",
                "opt   out",
                "Please unsubscribe me",
                "STOP\n> Reply STOP to opt out.",
                "I want to opt out",
                "quit texting me",
                "no more texts please",
                "leave me alone",
                "how do I unsubscribe",
                "opt out please",
                "please opt-out now",
                "Unsubscribe, thank you",
                "hi, please stop all",
                "I don’t want these messages",
                "DON'T TEXT ME",
                "stop messaging my phone",
            ],
        );
    }

    #[test]
    fn people_ask_to_be_left_alone_in_spanish() {
        all(
            Reply::OptOut,
            &[
                "no me mande más mensajes",
                "Por favor no me escriban",
                "quítenme de su lista",
                "quiero darme de baja",
                "ya no quiero recibir esto",
                "deje de molestarme",
            ],
        );
        all(
            Reply::WrongNumber,
            &["Número equivocado", "numero incorrecto amigo"],
        );
    }

    #[test]
    fn in_doubt_a_person_reads_it() {
        all(
            Reply::Review,
            &[
                "🛑",
                "please don't stop texting me",
                "sotp",
                "stpo",
                "ST0P",
                "Thanks! > Reply STOP to opt out",
                "I did not opt out",
                "who is this?",
                "STOP START",
                "START 🛑",
                "I will sue you",
                "She passed away in May",
                "Disliked “Hi Ana, time for a visit. Reply STOP to opt out.”",
                "please don't call me at work",
                "cancel my 3pm",
                "Can you remove my stitches",
                "Please END it all now",
                "nonstop ringing",
                "this is not Ana",
                "¿Puede cancelar mi cita?",
                "unsubscription",
                "fuck off",
                "I am no longer a patient",
                "not interested",
                "Please stop this",
                "please stop by the office",
            ],
        );
    }

    #[test]
    fn a_wrong_number_is_one_even_where_it_also_says_stop() {
        all(
            Reply::WrongNumber,
            &[
                "wrong number, stop texting me",
                "Sorry, WRONG   number!",
                "You have the wrong person",
                "not my number",
            ],
        );
    }

    #[test]
    fn ordinary_answers_hold_nobody_up() {
        all(
            Reply::None,
            &[
                "yes",
                "Y",
                "👍",
                "Thanks, Christopher",
                "see you at the end of the month",
                "Tuesday works",
                "Can I restart my plan?",
                "5",
                "Liked “Hi Ana, time for a visit. Reply STOP to opt out.”",
                "  ",
                "\u{200b}",
                "What are your hours",
                "my daughter starts school",
                "the weekend is fine",
            ],
        );
    }

    #[test]
    fn only_the_bare_word_opts_in() {
        all(Reply::OptIn, &["Start", "START!", " unstop ", "“START”"]);
        all(Reply::None, &["start the car", "when do we start"]);
    }

    #[test]
    fn ten_thousand_broken_answers_are_classified() {
        let corpus = [
            "STOP",
            "Please stop texting me",
            "Liked “Reply STOP to opt out”",
            "wrong number",
        ];
        let corpus = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
        for bytes in
            crate::testkit::Mutants::new(18, corpus, &["STOP", " ", ">", "“", "S T", "START"])
                .take(10_000)
        {
            let text = String::from_utf8_lossy(&bytes);
            let reply = classify(&text);
            let alone = text
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word.eq_ignore_ascii_case("stop"));
            let liked = text.trim_start().to_lowercase().starts_with("liked");
            assert!(
                !alone || liked || !matches!(reply, Reply::None | Reply::OptIn | Reply::Help),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_keyword_with_anything_round_it_is_an_opt_out(
            keyword in prop::sample::select(OPT_OUT),
            upper in any::<u32>(),
            before in "[ \t\n.,!?\"'“”‘’()*_~>#…🛑🙏😡👍-]{0,8}",
            after in "[ \t\n.,!?\"'“”‘’()*_~>#…🛑🙏😡👍-]{0,8}",
        ) {
            let mixed: String = keyword.chars().enumerate().map(|(at, letter)| {
                if upper >> (at % 32) & 1 == 1 { letter } else { letter.to_lowercase().next().unwrap() }
            }).collect();
            prop_assert_eq!(classify(&format!("{before}{mixed}{after}")), Reply::OptOut);
        }
    }
}
