//! Invented people: names, numbers and addresses that belong to nobody.

use fastrand::Rng;

pub(crate) const WOMEN: [&str; 32] = [
    "Mary",
    "Zoë",
    "María",
    "Aisha",
    "Siobhán",
    "Keisha",
    "Linh",
    "Yuki",
    "Priya",
    "Elena",
    "Chloé",
    "Nadia",
    "Fatima",
    "Grace",
    "Mei",
    "Renée",
    "Olga",
    "Ingrid",
    "Tamika",
    "Rosa",
    "Hannah",
    "Leilani",
    "Ana Sofía",
    "Dolores",
    "Svetlana",
    "Amara",
    "Ruth",
    "Eun-ji",
    "Noor",
    "Beatriz",
    "Emma",
    "Mary-Kate",
];

pub(crate) const MEN: [&str; 32] = [
    "James",
    "José",
    "Wei",
    "Mohammed",
    "Dmitri",
    "Kwame",
    "Jürgen",
    "Luis",
    "Andrés",
    "Tomasz",
    "Hiroshi",
    "Raj",
    "Seán",
    "DeShawn",
    "Minh",
    "Pavel",
    "Ángel",
    "Björn",
    "Omar",
    "Patrick",
    "Jean-Luc",
    "Mateo",
    "Tyrone",
    "Eli",
    "Sanjay",
    "Kai",
    "Nikolai",
    "François",
    "Emeka",
    "William",
    "Joe",
    "D'Andre",
];

pub(crate) const FAMILIES: [&str; 48] = [
    "O'Brien",
    "García",
    "Núñez",
    "D'Angelo",
    "Smith",
    "Nguyen",
    "Müller",
    "Peña",
    "Okafor",
    "Washington",
    "Kowalski",
    "Patel",
    "Johnson",
    "Kim",
    "Van der Berg",
    "St. John",
    "Al-Hassan",
    "Yamamoto",
    "Fernández-López",
    "Ivanov",
    "Williams",
    "McDonald",
    "Nakai",
    "Kealoha",
    "Schäfer",
    "Hernandez",
    "Chen",
    "Singh",
    "Łukasik",
    "O’Connor",
    "Begay",
    "Brown",
    "Rossi",
    "Dvořák",
    "Tran",
    "Goldberg",
    "Haddad",
    "Lindström",
    "Mbeki",
    "Jones",
    "Castañeda",
    "de la Cruz",
    "Park",
    "Petrov",
    "Abdi",
    "Lee",
    "Baker-Reyes",
    "Çelik",
];

pub(crate) const NICKNAMES: [&str; 8] =
    ["Joe", "Bobbie", "Lucky", "Sam", "Pepe", "Kit", "Mo", "Ana"];

const STREETS: [&str; 12] = [
    "Satin Heights",
    "Elm St",
    "SE Invented Ave",
    "Maple Ct",
    "N Sample Rd",
    "Oak Blvd",
    "Birchwood Ln",
    "Placeholder Way",
    "Cedar Pl",
    "River Rd",
    "5th Ave NW",
    "Example Dr",
];

/// City, state and the first three digits of its codes.
const PLACES: [(&str, &str, &str); 8] = [
    ("Salem", "OR", "973"),
    ("Portland", "OR", "972"),
    ("Eugene", "OR", "974"),
    ("Vancouver", "WA", "986"),
    ("Tacoma", "WA", "984"),
    ("San José", "CA", "951"),
    ("Boise", "ID", "837"),
    ("Newark", "NJ", "071"),
];

const AREA_CODES: [&str; 18] = [
    "503", "971", "541", "206", "360", "253", "415", "510", "212", "646", "718", "773", "312",
    "702", "602", "303", "512", "305",
];

const PLACEHOLDERS: [&str; 9] = [
    "0000000000",
    "(000)000-0000",
    "999-999-9999",
    "none",
    "N/A",
    "555-0143",
    "call mom",
    "1234567",
    "(503)555-01",
];

pub(crate) fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    rng.choice(from.iter()).copied().unwrap_or("")
}

pub(crate) struct Home {
    pub(crate) address: String,
    pub(crate) address2: String,
    pub(crate) city: &'static str,
    pub(crate) state: &'static str,
    pub(crate) zip: String,
}

pub(crate) fn home(rng: &mut Rng) -> Home {
    let (city, state, prefix) = rng
        .choice(PLACES.iter())
        .copied()
        .unwrap_or(("Salem", "OR", "973"));
    let mut zip = format!("{prefix}{:02}", rng.u8(1..99));
    if rng.u8(0..10) == 0 {
        zip.push_str(&format!("-{:04}", rng.u16(1..9999)));
    }
    Home {
        address: format!("{} {}", rng.u16(1..9900), pick(rng, &STREETS)),
        address2: if rng.u8(0..6) == 0 {
            format!("Apt {}", rng.u8(1..99))
        } else {
            String::new()
        },
        city,
        state,
        zip,
    }
}

/// A number from the range set aside for fiction, typed in one of many ways;
/// now and then something that is no number at all.
pub(crate) fn phone(rng: &mut Rng) -> String {
    if rng.u8(0..40) == 0 {
        return pick(rng, &PLACEHOLDERS).to_owned();
    }
    let area = pick(rng, &AREA_CODES);
    let line = format!("01{:02}", rng.u8(0..100));
    match rng.u8(0..20) {
        0..=8 => format!("({area})555-{line}"),
        9..=11 => format!("({area}) 555-{line}"),
        12..=13 => format!("{area}-555-{line}"),
        14..=15 => format!("{area}555{line}"),
        16 => format!("{area}.555.{line}"),
        17 => format!("1-{area}-555-{line}"),
        18 => format!("+1 {area} 555 {line}"),
        _ => format!("({area})555-{line} x{}", rng.u8(1..99)),
    }
}

/// One address, rarely two, rarely a broken one.
pub(crate) fn email(rng: &mut Rng, first: &str, last: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let host = pick(rng, &["example.com", "example.org", "example.net"]);
    let one = format!("{}.{}{}@{host}", plain(first), plain(last), rng.u16(1..999));
    match rng.u8(0..30) {
        // patientedit: several addresses, separated by commas
        0 | 1 => format!("{one}, {}.home@example.net", plain(last)),
        2 => format!("{one},{}@example.org", plain(first)),
        3 => format!("{}(at)example.com", plain(first)),
        _ => one,
    }
}

/// Nine digits in a group that was never issued.
pub(crate) fn ssn(rng: &mut Rng) -> String {
    format!("666{:06}", rng.u32(0..1_000_000))
}

/// Every staff note starts with this, so that a test can search for it.
pub const NOTE_CANARY: &str = "staff-note-canary";

const REMARKS: [&str; 10] = [
    "nervous about needles",
    "prefers mornings",
    "ask about night guard",
    "owes for the crown, be gentle",
    "latex allergy",
    "husband also due",
    "do not call before 10",
    "insurance changed, get card",
    "left message with daughter",
    "moved away? returned mail",
];

pub(crate) fn note(rng: &mut Rng) -> String {
    format!(
        "{NOTE_CANARY}-{:05} {}",
        rng.u32(0..100_000),
        pick(rng, &REMARKS)
    )
}
