//! Whose row it is.
//!
//! Reports have no GUIDs, rows of the database have no names that can be trusted,
//! and chart numbers come back from a sheet without their zeros. [`People`] reads
//! every person once and then knows, of any row, whose it is: exactly one
//! person's, or nobody's.
//!
//! By [`Identity::Chart`] a person is a keyed digest of
//!
//! * chart number and day of birth, else
//! * last name, first name and day of birth, else
//! * the practice's GUID or number, where there is no day of birth.
//!
//! Over ODBC and from a report that is the same digest. A chart number is compared
//! in upper case, without blanks and, where it is only digits, without leading
//! zeros and without the `.0` of a numeric cell. A name is compared as
//! [`Name::folded`] says, without its initial, which not every template has. A
//! name that an encoding has spoilt (`Nguy?n`) is nobody's other name: without a
//! chart number it identifies nobody.
//!
//! Nobody is ever merged on a guess. Two people whose digest would be the same are
//! both refused, with what must be mended.

use chrono::NaiveDate;
use hmac::{Hmac, Mac as _};
use odx_core::{HouseholdKey, PatientKey, Secret};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::config::Identity;
use crate::convert::date::{self, Century};
use crate::convert::name::Name;
use crate::convert::privacy::Privacy;
use crate::convert::{Fault, hex};
use crate::table::{Field, Row, Table};

/// What one row says about who it is of.
struct Claim {
    key: [u8; 16],
    native: Option<String>,
    standing: Standing,
    charted: bool,
}

/// Whether a key is one person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Known,
    Clash,
    /// What is missing, and what mends it.
    Unidentified(Fault),
}

const NO_BIRTH: Fault = Fault(
    "birth_date",
    "is missing, and without it nobody knows whose row it is: fill it in, or add the column",
);
const NO_NAME: Fault = Fault("chart", "and name are both missing: fill one in");
const LOST_NAME: Fault = Fault(
    "patient_name",
    "has lost letters to an encoding and there is no chart number: give the patient one",
);
const NO_ID: Fault = Fault(
    "patient_guid",
    "and patient_id are both missing: add one, or let people be known by their chart",
);
const SAME_CHART: Fault = Fault(
    "chart",
    "and birth_date are those of another patient too: give one of them another chart number",
);
const SAME_NAME: Fault = Fault(
    "chart",
    "is missing and another patient has the same name and birth_date: give each a chart number",
);
const SEVERAL: Fault = Fault(
    "chart",
    "and birth_date do not say which of several patients it is: add both columns, or fill them in",
);

/// One person of [`People`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person(u32);

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This person's.
    Of(Person),
    /// It may be two people's. The row cannot be read until that is mended.
    Clash(Person, Fault),
    /// Nobody can tell. The row cannot be read until that is mended.
    Unidentified(Fault),
    /// A person's that no row of people showed: archived, or outside of the list.
    Unknown,
    /// A new patient's who is not on file yet.
    NotOnFile,
}

/// Makes digests under the office's secret.
#[derive(Clone)]
struct Digests(Hmac<Sha256>);

impl Digests {
    fn new(key: &Secret) -> Self {
        let key = key.expose().as_bytes();
        // As HMAC has it: a key that is longer than a block is hashed first.
        let mut block = [0; 64];
        let hashed = Sha256::digest(key);
        let short = if key.len() <= block.len() {
            key
        } else {
            &hashed
        };
        for (to, from) in block.iter_mut().zip(short) {
            *to = *from;
        }
        Self(Hmac::<Sha256>::new(&block.into()))
    }

    /// Of parts of any length: no two lists of parts are the same bytes.
    fn of(&self, kind: u8, parts: &[&str]) -> [u8; 16] {
        let mut mac = self.0.clone();
        mac.update(&[kind]);
        for part in parts {
            mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(whole) {
            *to = from;
        }
        half
    }

    /// Enough to find a person again within one read.
    fn short(&self, kind: u8, parts: &[&str]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.of(kind, parts);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

// What a digest is of. The first three are keys of people and stay for ever.
const BY_CHART: u8 = b'C';
const BY_NAME: u8 = b'N';
const BY_ID: u8 = b'I';
const NOBODY: u8 = b'?';
const GUID: u8 = b'g';
const ID: u8 = b'i';
const CHART: u8 = b'c';
const NAME: u8 = b'n';
const NAME_AND_BIRTH: u8 = b'b';
const OWN: u8 = b'o';

/// A chart number as it is compared.
fn chart(row: &Row) -> Option<String> {
    let text: String = row
        .get(Field::Chart)?
        .nfc()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .flat_map(char::to_uppercase)
        .collect();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let short = digits.trim_start_matches('0');
        return Some(if short.is_empty() { "0" } else { short }.to_owned());
    }
    (!text.is_empty()).then_some(text)
}

/// A number of the practice, without the `.0` of a numeric cell. 0 is none.
fn number(row: &Row, field: Field) -> Option<&str> {
    let text = row.get(field)?;
    let text = text.strip_suffix(".0").unwrap_or(text);
    (!text.trim_start_matches('0').is_empty()).then_some(text)
}

/// A GUID as it is compared. One of zeros is none.
fn guid(row: &Row, field: Field) -> Option<String> {
    let text = row.get(field)?.trim_matches(['{', '}']).to_lowercase();
    text.contains(|c: char| c.is_alphanumeric() && c != '0')
        .then_some(text)
}

/// How rows are read for who they are of.
#[derive(Clone)]
struct Reading {
    identity: Identity,
    digests: Digests,
    today: NaiveDate,
}

impl Reading {
    fn birth(&self, row: &Row) -> Option<String> {
        let text = row.get(Field::BirthDate)?;
        let day = date::date(text, Century::Past, self.today)??;
        Some(day.to_string())
    }

    /// Who a row of people says it is.
    fn claim(&self, row: &Row) -> Claim {
        let native = guid(row, Field::PatientGuid)
            .and_then(|_| row.get(Field::PatientGuid))
            .or_else(|| number(row, Field::PatientId));
        let id = guid(row, Field::PatientGuid)
            .or_else(|| number(row, Field::PatientId).map(str::to_owned));
        let chart = chart(row);
        let birth = self.birth(row);
        let name = Name::of(row);
        let [last, first, _] = name.folded();
        let charted = chart.is_some();
        let known = |key, native: Option<&str>| Claim {
            key,
            native: native.map(str::to_owned),
            standing: Standing::Known,
            charted,
        };
        let missing = match (self.identity, &chart, &birth) {
            (Identity::Id, _, _) => match &id {
                Some(id) => return known(self.digests.of(BY_ID, &[id]), native),
                None => NO_ID,
            },
            (_, Some(chart), Some(birth)) => {
                return known(self.digests.of(BY_CHART, &[chart, birth]), None);
            }
            (_, None, Some(_)) if name.is_empty() => NO_NAME,
            (_, None, Some(_)) if name.is_degraded() => LOST_NAME,
            (_, None, Some(birth)) => {
                return known(self.digests.of(BY_NAME, &[&last, &first, birth]), None);
            }
            (_, _, None) => NO_BIRTH,
        };
        if let Some(id) = &id {
            return known(self.digests.of(BY_ID, &[id]), None);
        }
        let cells: Vec<&str> = row
            .cells()
            .iter()
            .map(|cell| cell.as_deref().unwrap_or_default())
            .collect();
        Claim {
            key: self.digests.of(NOBODY, &cells),
            native: None,
            standing: Standing::Unidentified(missing),
            charted,
        }
    }

    /// What tells two people apart that have one key: the practice's own id, else
    /// the whole name and the day of birth.
    fn own(&self, row: &Row) -> u64 {
        if let Some(guid) = guid(row, Field::PatientGuid) {
            return self.digests.short(OWN, &[&guid]);
        }
        if let Some(id) = number(row, Field::PatientId) {
            return self.digests.short(OWN, &[id]);
        }
        let [last, first, middle] = Name::of(row).folded();
        let birth = self.birth(row).unwrap_or_default();
        self.digests.short(OWN, &[&last, &first, &middle, &birth])
    }

    /// Everything by which a person may be asked for.
    fn handles(&self, row: &Row) -> impl Iterator<Item = u64> {
        let name = Name::of(row);
        let [last, first, middle] = name.folded();
        let named = !name.is_empty() && !name.is_degraded();
        [
            guid(row, Field::PatientGuid).map(|guid| self.digests.short(GUID, &[&guid])),
            number(row, Field::PatientId).map(|id| self.digests.short(ID, &[id])),
            chart(row).map(|chart| self.digests.short(CHART, &[&chart])),
            named.then(|| self.digests.short(NAME, &[&last, &first, &middle])),
            self.birth(row)
                .filter(|_| named)
                .map(|birth| self.digests.short(NAME_AND_BIRTH, &[&last, &first, &birth])),
        ]
        .into_iter()
        .flatten()
    }

    /// By what a row asks for its guarantor. 0: it does not.
    fn guarantor(&self, row: &Row) -> u64 {
        if let Some(guid) = guid(row, Field::GuarantorGuid) {
            return self.digests.short(GUID, &[&guid]);
        }
        if let Some(id) = number(row, Field::GuarantorId) {
            return self.digests.short(ID, &[id]);
        }
        let name = Name::split(row.get(Field::GuarantorName).unwrap_or_default());
        if name.is_empty() || name.is_degraded() {
            return 0;
        }
        let [last, first, middle] = name.folded();
        self.digests.short(NAME, &[&last, &first, &middle])
    }
}

/// A row of people, as it was added.
struct Added {
    key: [u8; 16],
    own: u64,
    guarantor: u64,
    native: (u32, u32),
    privacy: Option<Privacy>,
    standing: Standing,
    charted: bool,
}

/// People, while their rows are being read: every row once, in any order.
pub(crate) struct Gathering {
    reading: Reading,
    added: Vec<Added>,
    natives: String,
    handles: Vec<[u32; 3]>,
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gathering({} rows)", self.added.len())
    }
}

impl Gathering {
    /// Reads one row: of the patients, or of a report of recalls where there is
    /// no list of patients. Several rows of one person are one person.
    pub(crate) fn add(&mut self, row: &Row) {
        let claim = self.reading.claim(row);
        let Ok(place) = u32::try_from(self.added.len()) else {
            return;
        };
        for handle in self.reading.handles(row) {
            self.handles.push(entry(handle, place));
        }
        let native = claim.native.unwrap_or_default();
        let start = u32::try_from(self.natives.len()).unwrap_or(u32::MAX);
        self.natives.push_str(&native);
        self.added.push(Added {
            key: claim.key,
            own: self.reading.own(row),
            guarantor: self.reading.guarantor(row),
            native: (start, u32::try_from(native.len()).unwrap_or(0)),
            privacy: Privacy::of(row),
            standing: claim.standing,
            charted: claim.charted,
        });
    }

    fn native(&self, row: &Added) -> &str {
        let (start, length) = (row.native.0 as usize, row.native.1 as usize);
        self.natives.get(start..start + length).unwrap_or_default()
    }

    /// Everyone has been read.
    pub(crate) fn finish(mut self) -> People {
        let mut order: Vec<u32> = (0..).take(self.added.len()).collect();
        order.sort_unstable_by_key(|place| {
            self.added
                .get(*place as usize)
                .map(|row| (row.key, row.own, row.guarantor, self.native(row)))
        });
        let mut people = People {
            reading: self.reading.clone(),
            keys: Vec::new(),
            households: Vec::new(),
            privacy: Vec::new(),
            natives: String::new(),
            ends: Vec::new(),
            flags: Vec::new(),
            handles: Vec::new(),
        };
        let mut guarantors: Vec<u64> = Vec::new();
        let mut person_of = vec![0_u32; self.added.len()];
        let mut owns: Vec<u64> = Vec::new();
        for place in order {
            let Some(row) = self.added.get(place as usize) else {
                continue;
            };
            if people.keys.last() != Some(&row.key) {
                people.keys.push(row.key);
                people.privacy.push(Privacy::default());
                people.flags.push(Flags::of(row));
                guarantors.push(row.guarantor);
                owns.push(row.own);
                if people.reading.identity == Identity::Id {
                    people.natives.push_str(self.native(row));
                    let end = u32::try_from(people.natives.len()).unwrap_or(u32::MAX);
                    people.ends.push(end);
                }
            }
            if let Some(privacy) = people.privacy.last_mut() {
                // Of contradictions the strictest; a row that cannot say is one.
                *privacy = privacy.and(row.privacy.unwrap_or_default());
            }
            if owns.last() != Some(&row.own)
                && let Some(flags) = people.flags.last_mut()
            {
                flags.clash = true;
            }
            if guarantors.last() != Some(&row.guarantor)
                && let Some(guarantor) = guarantors.last_mut()
            {
                *guarantor = 0;
            }
            if let Some(person) = person_of.get_mut(place as usize) {
                *person = u32::try_from(people.keys.len() - 1).unwrap_or(u32::MAX);
            }
        }
        for [_, _, place] in &mut self.handles {
            *place = person_of.get(*place as usize).copied().unwrap_or(u32::MAX);
        }
        self.handles.sort_unstable();
        self.handles.dedup();
        people.handles = self.handles;
        people.households = guarantors
            .iter()
            .zip(0_u32..)
            .map(|(guarantor, own)| match people.find(*guarantor) {
                Found::One(Person(person)) if *guarantor != 0 && people.is_known(person) => person,
                _ => own,
            })
            .collect();
        people.shrink();
        people
    }
}

fn entry(handle: u64, person: u32) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h] = handle.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
        person,
    ]
}

/// What is known about a person beside their key.
#[derive(Debug, Clone, Copy)]
struct Flags {
    clash: bool,
    charted: bool,
    missing: u8,
}

/// Why somebody may be unidentified; the place in here is what is kept.
const FAULTS: [Fault; 4] = [NO_BIRTH, NO_NAME, LOST_NAME, NO_ID];

impl Flags {
    fn of(row: &Added) -> Self {
        let missing = match row.standing {
            Standing::Unidentified(fault) => FAULTS.iter().position(|known| *known == fault),
            Standing::Known | Standing::Clash => None,
        };
        Self {
            clash: false,
            charted: row.charted,
            missing: missing
                .and_then(|place| u8::try_from(place).ok())
                .unwrap_or(u8::MAX),
        }
    }

    fn standing(self) -> Standing {
        match FAULTS.get(usize::from(self.missing)) {
            Some(fault) => Standing::Unidentified(*fault),
            None if self.clash => Standing::Clash,
            None => Standing::Known,
        }
    }
}

enum Found {
    None,
    One(Person),
    Several,
}

/// Everyone, flat: about 90 bytes a person.
pub(crate) struct People {
    reading: Reading,
    /// In order: the place of a key is the person.
    keys: Vec<[u8; 16]>,
    households: Vec<u32>,
    privacy: Vec<Privacy>,
    /// By [`Identity::Id`] the practice's own ids, one after the other.
    natives: String,
    ends: Vec<u32>,
    flags: Vec<Flags>,
    /// In order: half a digest, the other half, the person.
    handles: Vec<[u32; 3]>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "People({})", self.keys.len())
    }
}

impl People {
    /// Begins to read people. The key is a secret of the office, and must stay
    /// as it is once something was sent.
    pub(crate) fn gather(identity: Identity, key: &Secret, today: NaiveDate) -> Gathering {
        Gathering {
            reading: Reading {
                identity,
                digests: Digests::new(key),
                today,
            },
            added: Vec::new(),
            natives: String::new(),
            handles: Vec::new(),
        }
    }

    fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.households.shrink_to_fit();
        self.privacy.shrink_to_fit();
        self.natives.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.flags.shrink_to_fit();
        self.handles.shrink_to_fit();
    }

    /// How many there are, also those that cannot be told apart.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    fn is_known(&self, person: u32) -> bool {
        let flags = self.flags.get(person as usize);
        flags.is_some_and(|flags| flags.standing() == Standing::Known)
    }

    fn standing(&self, person: Person) -> Whose {
        let Some(flags) = self.flags.get(person.0 as usize) else {
            return Whose::Unknown;
        };
        match flags.standing() {
            Standing::Known => Whose::Of(person),
            Standing::Unidentified(fault) => Whose::Unidentified(fault),
            Standing::Clash if flags.charted => Whose::Clash(person, SAME_CHART),
            Standing::Clash => Whose::Clash(person, SAME_NAME),
        }
    }

    fn find(&self, handle: u64) -> Found {
        let [one, other, _] = entry(handle, 0);
        let start = self
            .handles
            .partition_point(|[a, b, _]| (*a, *b) < (one, other));
        let mut found = self
            .handles
            .iter()
            .skip(start)
            .take_while(|[a, b, _]| (*a, *b) == (one, other));
        match (found.next(), found.next()) {
            (None, _) => Found::None,
            (Some([_, _, person]), None) => Found::One(Person(*person)),
            _ => Found::Several,
        }
    }

    fn ask(&self, handle: u64) -> Option<Whose> {
        match self.find(handle) {
            Found::None => None,
            Found::One(person) => Some(self.standing(person)),
            Found::Several => Some(Whose::Unidentified(SEVERAL)),
        }
    }

    /// Whose a row is that was added.
    pub(crate) fn of_patient(&self, row: &Row) -> Whose {
        let claim = self.reading.claim(row);
        let place = self.keys.binary_search(&claim.key).ok();
        match place.and_then(|place| u32::try_from(place).ok()) {
            Some(place) => self.standing(Person(place)),
            None => match claim.standing {
                Standing::Unidentified(fault) => Whose::Unidentified(fault),
                Standing::Known | Standing::Clash => Whose::Unknown,
            },
        }
    }

    /// Whose a row of recalls or appointments is.
    ///
    /// By the practice's ids where it has them: over ODBC it has nothing else.
    /// Otherwise by chart number and day of birth, by name and day of birth where
    /// there is no chart number, and without a day of birth by a chart number
    /// that exactly one person has. An appointment may also have only a name:
    /// then exactly one person may have it, and no chart number either.
    pub(crate) fn whose(&self, table: Table, row: &Row) -> Whose {
        if table == Table::Patients {
            return self.of_patient(row);
        }
        let guid = guid(row, Field::PatientGuid);
        let id = number(row, Field::PatientId);
        if guid.is_some() || id.is_some() {
            let digests = &self.reading.digests;
            let by_guid = guid.and_then(|guid| self.ask(digests.short(GUID, &[&guid])));
            return by_guid
                .or_else(|| self.ask(digests.short(ID, &[id?])))
                .unwrap_or(Whose::Unknown);
        }
        if table == Table::Appointments && row.get(Field::PatientId).is_some() {
            return Whose::NotOnFile;
        }
        self.whose_by_name(table, row)
    }

    fn whose_by_name(&self, table: Table, row: &Row) -> Whose {
        let digests = &self.reading.digests;
        let chart = chart(row);
        let birth = self.reading.birth(row);
        let name = Name::of(row);
        let [last, first, middle] = name.folded();
        let named = !name.is_empty() && !name.is_degraded();
        match (chart, birth) {
            (Some(chart), Some(birth)) if self.reading.identity != Identity::Id => {
                let key = digests.of(BY_CHART, &[&chart, &birth]);
                if let Ok(place) = self.keys.binary_search(&key) {
                    return u32::try_from(place)
                        .map_or(Whose::Unknown, |place| self.standing(Person(place)));
                }
                // A list of people without chart numbers.
                let uncharted = |whose: &Whose| !self.is_charted(*whose);
                let same = digests.short(NAME_AND_BIRTH, &[&last, &first, &birth]);
                let found = named.then(|| self.ask(same)).flatten();
                found.filter(uncharted).unwrap_or(Whose::Unknown)
            }
            (Some(chart), _) => self
                .ask(digests.short(CHART, &[&chart]))
                .unwrap_or(Whose::Unknown),
            (None, Some(_)) if !named => {
                Whose::Unidentified(if name.is_empty() { NO_NAME } else { LOST_NAME })
            }
            (None, Some(birth)) => self
                .ask(digests.short(NAME_AND_BIRTH, &[&last, &first, &birth]))
                .unwrap_or(Whose::Unknown),
            (None, None) if table == Table::Appointments => {
                let found = self
                    .ask(digests.short(NAME, &[&last, &first, &middle]))
                    .filter(|whose| named && !self.is_charted(*whose));
                match found {
                    Some(Whose::Of(person)) => Whose::Of(person),
                    _ => Whose::NotOnFile,
                }
            }
            (None, None) => Whose::Unidentified(NO_BIRTH),
        }
    }

    fn is_charted(&self, whose: Whose) -> bool {
        let (Whose::Of(person) | Whose::Clash(person, _)) = whose else {
            return false;
        };
        let flags = self.flags.get(person.0 as usize);
        flags.is_some_and(|flags| flags.charted)
    }

    /// The key of a person.
    pub(crate) fn key(&self, person: Person) -> PatientKey {
        PatientKey::new(self.native(person.0))
    }

    /// The key of their guarantor, or their own.
    pub(crate) fn household(&self, person: Person) -> HouseholdKey {
        let guarantor = self.households.get(person.0 as usize).copied();
        HouseholdKey::new(self.native(guarantor.unwrap_or(person.0)))
    }

    /// Everything that any row of theirs asked for.
    pub(crate) fn privacy(&self, person: Person) -> Privacy {
        let known = self.privacy.get(person.0 as usize);
        known.copied().unwrap_or(Privacy::ALL)
    }

    fn native(&self, person: u32) -> String {
        let person = person as usize;
        if self.reading.identity == Identity::Id {
            let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
            let start = person.checked_sub(1).map_or(0, end);
            let text = self.natives.get(start..end(person)).unwrap_or_default();
            return text.to_owned();
        }
        hex(self.keys.get(person).map_or(&[], |key| key.as_slice()))
    }

    /// A key of something that hangs from people, under the same secret.
    pub(crate) fn digest(&self, kind: u8, parts: &[&str]) -> String {
        hex(&self.reading.digests.of(kind, parts))
    }

    /// How many bytes it holds.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.keys.capacity() * 16
            + self.households.capacity() * 4
            + self.privacy.capacity()
            + self.natives.capacity()
            + self.ends.capacity() * 4
            + self.flags.capacity() * size_of::<Flags>()
            + self.handles.capacity() * 12
    }
}

#[cfg(test)]
mod tests;
