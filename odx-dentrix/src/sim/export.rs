//! Report exports, written as the vendor's reports and the people who save them
//! write them: titles, a header again on every page, a legend, totals.
//!
//! ```
//! use odx_dentrix::sim::export::{Export, Person, Practice, Recall};
//!
//! let practice = Practice {
//!     name: "Canyon View Dental".into(),
//!     people: vec![Person::new("Park", "Min-jun", "PA0116")],
//!     recalls: vec![Recall::new(0, "PROPHY", "2025-12-03".parse().unwrap())],
//!     ..Practice::default()
//! };
//! let csv = Export::default().recalls(&practice);
//! assert!(csv.ends_with(b"\"End of Report\"\r\n"));
//! ```

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Somebody on the patient list. Invented, so nothing of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Last name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
    /// Middle initial.
    pub middle_initial: String,
    /// What they like to be called.
    pub preferred: String,
    /// Chart number.
    pub chart: String,
    /// `Patient`, `Non-Patient`, `Inactive` or `Archived`.
    pub status: String,
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// `Female` or `Male`.
    pub gender: String,
    /// Last, First M; their own name when it is empty.
    pub guarantor: String,
    /// Home phone.
    pub home_phone: String,
    /// Work phone.
    pub work_phone: String,
    /// Mobile phone.
    pub mobile_phone: String,
    /// E-mail.
    pub email: String,
    /// Provider.
    pub provider: String,
    /// Last visit.
    pub last_visit: Option<NaiveDate>,
    /// Appointments missed.
    pub missed: u32,
    /// Privacy requests, the vendor's bits.
    pub privacy: u8,
}

impl Person {
    /// A patient of this name and chart number, and nothing else known.
    pub fn new(
        last: impl Into<String>,
        first: impl Into<String>,
        chart: impl Into<String>,
    ) -> Self {
        Self {
            last_name: last.into(),
            first_name: first.into(),
            chart: chart.into(),
            status: "Patient".into(),
            gender: "Female".into(),
            provider: "DDS1".into(),
            ..Self::default()
        }
    }

    /// Last, First M.
    pub fn name(&self) -> String {
        let name = format!(
            "{}, {} {}",
            self.last_name, self.first_name, self.middle_initial
        );
        name.trim_end().to_owned()
    }

    /// Privacy requests in the words of reports.
    pub fn privacy_words(&self) -> String {
        const WORDS: [(u8, &str); 6] = [
            (0x01, "No Phone Calls"),
            (0x02, "No Correspondence"),
            (0x04, "Disclosure Restrictions"),
            (0x08, "No E-mail"),
            (0x10, "No Text Message"),
            (0x20, "No Postcard"),
        ];
        let words = WORDS.iter().filter(|(bit, _)| self.privacy & bit != 0);
        words.map(|(_, word)| *word).collect::<Vec<_>>().join("; ")
    }
}

/// A line of the continuing care list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// Whose, by place among the people.
    pub patient: usize,
    /// When it is due.
    pub due: NaiveDate,
    /// Continuing care type.
    pub kind: String,
    /// A date, `+` or nothing.
    pub booked: String,
    /// The last contact made; `<None>` when it is empty.
    pub status: String,
    /// The visit that started the clock.
    pub prior: Option<NaiveDate>,
    /// Provider.
    pub provider: String,
    /// Note.
    pub note: String,
}

impl Recall {
    /// A recall of this patient, nothing booked and nobody contacted.
    pub fn new(patient: usize, kind: impl Into<String>, due: NaiveDate) -> Self {
        Self {
            patient,
            due,
            kind: kind.into(),
            booked: String::new(),
            status: String::new(),
            prior: None,
            provider: "HYG1".into(),
            note: String::new(),
        }
    }
}

/// A line of the appointment list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Whose, by place among the people.
    pub patient: usize,
    /// Day.
    pub day: NaiveDate,
    /// Time of day.
    pub time: NaiveTime,
    /// Length.
    pub minutes: u32,
    /// Reason.
    pub reason: String,
    /// Provider.
    pub provider: String,
    /// Operatory.
    pub operatory: String,
    /// `FIRM`, `Complete`, `Broken`, `Wait/Will Call`, `??????`.
    pub status: String,
    /// When it was last changed.
    pub changed: NaiveDate,
}

impl Appointment {
    /// An hour of this patient's, not yet confirmed.
    pub fn new(patient: usize, day: NaiveDate, time: NaiveTime) -> Self {
        Self {
            patient,
            day,
            time,
            minutes: 60,
            reason: "PROPHY".into(),
            provider: "HYG1".into(),
            operatory: "OP-1".into(),
            status: "??????".into(),
            changed: day,
        }
    }
}

/// A practice, as far as its reports show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Practice {
    /// What stands on top of every report.
    pub name: String,
    /// Its people.
    pub people: Vec<Person>,
    /// Its continuing care.
    pub recalls: Vec<Recall>,
    /// Its book.
    pub appointments: Vec<Appointment>,
}

/// What a report is saved as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Form {
    /// Every cell quoted, lines ended as on Windows.
    #[default]
    Csv,
    /// A page; people call it `.xls`.
    Html,
    /// A workbook, with real dates.
    Xlsx,
}

/// How its text becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// What it cannot hold becomes `?`, as the vendor's program has it.
    #[default]
    Windows1252,
    /// With a byte order mark.
    Utf8,
    /// Little endian, with a byte order mark.
    Utf16,
}

/// How a report is saved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Export {
    /// As what.
    pub form: Form,
    /// How its text becomes bytes.
    pub encoding: Encoding,
    /// Columns called otherwise: from, to.
    pub renamed: Vec<(String, String)>,
    /// Columns that come first, in this order.
    pub first: Vec<String>,
    /// Columns that are not there.
    pub dropped: Vec<String>,
    /// The share of the rows that is there: a view that was changed.
    pub share: f64,
    /// Only so many bytes were written.
    pub cut: Option<usize>,
    /// The last lines, which count the rows.
    pub footer: bool,
    /// When it was printed.
    pub printed: Option<NaiveDateTime>,
    /// After so many rows the titles and the header are there again.
    pub page: usize,
}

impl Default for Export {
    fn default() -> Self {
        Self {
            form: Form::default(),
            encoding: Encoding::default(),
            renamed: Vec::new(),
            first: Vec::new(),
            dropped: Vec::new(),
            share: 1.0,
            cut: None,
            footer: true,
            printed: None,
            page: 15,
        }
    }
}

const PEOPLE: [&str; 17] = [
    "Last Name",
    "First Name",
    "MI",
    "Preferred",
    "Chart #",
    "Status",
    "Birthdate",
    "Gender",
    "Guarantor",
    "Home Phone",
    "Work Phone",
    "Mobile Phone",
    "E-mail",
    "Prov1",
    "Last Visit",
    "Missed Appts",
    "Privacy Request",
];

const RECALLS: [&str; 14] = [
    "Due Date",
    "Patient Name",
    "Chart #",
    "Birthdate",
    "Type",
    "Appt?",
    "Status",
    "Prior Treat.",
    "Provider",
    "Home Phone",
    "Mobile Phone",
    "E-mail",
    "Privacy Request",
    "Note",
];

const APPOINTMENTS: [&str; 11] = [
    "Appt Date",
    "Time",
    "Length",
    "Patient Name",
    "Chart #",
    "Phone",
    "Reason",
    "Provider",
    "Op",
    "Status",
    "Last Changed",
];

enum Cell {
    Text(String),
    Day(NaiveDate),
}

fn text(text: impl ToString) -> Cell {
    Cell::Text(text.to_string())
}

fn day(day: Option<NaiveDate>) -> Cell {
    day.map_or_else(|| text(""), Cell::Day)
}

impl Cell {
    fn as_printed(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Day(day) => day.format("%m/%d/%Y").to_string(),
        }
    }
}

/// A report before it is saved.
struct Sheet {
    titles: Vec<Vec<String>>,
    again: Vec<Vec<String>>,
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
    footer: Vec<Vec<String>>,
}

fn line(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

impl Export {
    /// The continuing care list.
    pub fn recalls(&self, practice: &Practice) -> Vec<u8> {
        let nobody = Person::default();
        let recalls = self.thinned(&practice.recalls);
        let rows = recalls.iter().map(|recall| {
            let person = practice.people.get(recall.patient).unwrap_or(&nobody);
            let status = if recall.status.is_empty() {
                "<None>"
            } else {
                &recall.status
            };
            vec![
                Cell::Day(recall.due),
                text(person.name()),
                text(&person.chart),
                day(person.birth_date),
                text(&recall.kind),
                text(&recall.booked),
                text(status),
                day(recall.prior),
                text(&recall.provider),
                text(&person.home_phone),
                text(&person.mobile_phone),
                text(&person.email),
                text(person.privacy_words()),
                text(&recall.note),
            ]
        });
        let rows: Vec<_> = rows.collect();
        let people: std::collections::BTreeSet<_> =
            recalls.iter().map(|recall| recall.patient).collect();
        let footer = vec![
            Vec::new(),
            line(&["* Patient has a privacy request on file"]),
            vec![
                format!("Total Patients: {}", people.len()),
                format!("Total Records: {}", rows.len()),
            ],
            line(&["End of Report"]),
        ];
        self.save(practice, "Continuing Care List", &RECALLS, rows, footer)
    }

    /// The patient list.
    pub fn people(&self, practice: &Practice) -> Vec<u8> {
        let rows = self.thinned(&practice.people).into_iter().map(|person| {
            let guarantor = if person.guarantor.is_empty() {
                person.name()
            } else {
                person.guarantor.clone()
            };
            vec![
                text(&person.last_name),
                text(&person.first_name),
                text(&person.middle_initial),
                text(&person.preferred),
                text(&person.chart),
                text(&person.status),
                day(person.birth_date),
                text(&person.gender),
                text(guarantor),
                text(&person.home_phone),
                text(&person.work_phone),
                text(&person.mobile_phone),
                text(&person.email),
                text(&person.provider),
                day(person.last_visit),
                text(person.missed),
                text(person.privacy_words()),
            ]
        });
        let rows: Vec<_> = rows.collect();
        let footer = vec![Vec::new(), vec![format!("Total Patients: {}", rows.len())]];
        self.save(practice, "Patient List", &PEOPLE, rows, footer)
    }

    /// The appointment list.
    pub fn appointments(&self, practice: &Practice) -> Vec<u8> {
        let nobody = Person::default();
        let rows = self
            .thinned(&practice.appointments)
            .into_iter()
            .map(|appointment| {
                let person = practice.people.get(appointment.patient).unwrap_or(&nobody);
                let phones = [&person.mobile_phone, &person.home_phone, &person.work_phone];
                let phone = phones.into_iter().find(|phone| !phone.is_empty());
                vec![
                    Cell::Day(appointment.day),
                    text(appointment.time.format("%-I:%M %p")),
                    text(appointment.minutes),
                    text(person.name()),
                    text(&person.chart),
                    text(phone.map_or("", String::as_str)),
                    text(&appointment.reason),
                    text(&appointment.provider),
                    text(&appointment.operatory),
                    text(&appointment.status),
                    Cell::Day(appointment.changed),
                ]
            });
        let rows: Vec<_> = rows.collect();
        let footer = vec![
            Vec::new(),
            vec![format!("Total Appointments: {}", rows.len())],
        ];
        self.save(practice, "Appointment List", &APPOINTMENTS, rows, footer)
    }

    fn thinned<'a, T>(&self, all: &'a [T]) -> Vec<&'a T> {
        let mut kept = 0.0;
        let keep = |_: &&T| {
            kept += self.share;
            let keep = kept >= 1.0;
            if keep {
                kept -= 1.0;
            }
            keep
        };
        all.iter().filter(keep).collect()
    }

    fn save(
        &self,
        practice: &Practice,
        title: &str,
        columns: &[&str],
        rows: Vec<Vec<Cell>>,
        footer: Vec<Vec<String>>,
    ) -> Vec<u8> {
        let place = |name: &String| columns.iter().position(|column| column == name);
        let mut order: Vec<usize> = self.first.iter().filter_map(place).collect();
        order.extend(
            (0..columns.len())
                .filter(|place| !order.contains(place))
                .collect::<Vec<_>>(),
        );
        order.retain(|place| {
            let name = columns.get(*place).copied().unwrap_or_default();
            !self.dropped.iter().any(|dropped| dropped == name)
        });
        let called = |place: &usize| {
            let name = columns.get(*place).copied().unwrap_or_default();
            let renamed = self.renamed.iter().find(|(from, _)| from == name);
            renamed.map_or(name, |(_, to)| to).to_owned()
        };
        let rows = rows.into_iter().map(|row| {
            let mut row: Vec<Option<Cell>> = row.into_iter().map(Some).collect();
            let cells = order.iter().filter_map(|place| row.get_mut(*place)?.take());
            cells.collect()
        });
        let mut titles = vec![line(&[&practice.name]), line(&[title])];
        if let Some(printed) = self.printed {
            let printed = printed.format("Printed: %m/%d/%Y %-I:%M:%S %p").to_string();
            titles.push(vec![printed, "Page 1".into()]);
        }
        titles.push(Vec::new());
        let sheet = Sheet {
            titles,
            again: vec![line(&[&practice.name]), line(&[title, "", "Page 2"])],
            header: order.iter().map(called).collect(),
            rows: rows.collect(),
            footer: if self.footer { footer } else { Vec::new() },
        };
        let mut bytes = match self.form {
            Form::Csv => self.encoded(&csv(&sheet, self.page)),
            Form::Html => self.encoded(&html(&sheet, title, self.encoding)),
            Form::Xlsx => xlsx(&sheet),
        };
        bytes.truncate(self.cut.unwrap_or(bytes.len()));
        bytes
    }

    fn encoded(&self, text: &str) -> Vec<u8> {
        match self.encoding {
            Encoding::Windows1252 => text.chars().map(windows_1252).collect(),
            Encoding::Utf8 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            Encoding::Utf16 => {
                let units = std::iter::once(0xfeff).chain(text.encode_utf16());
                units.flat_map(u16::to_le_bytes).collect()
            }
        }
    }
}

/// The characters of 0x80 to 0x9f; a blank where there is none.
const SPECIAL: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

fn windows_1252(c: char) -> u8 {
    match u8::try_from(u32::from(c)) {
        Ok(byte) if !(0x80..0xa0).contains(&byte) => byte,
        _ => (0x80..)
            .zip(SPECIAL.chars())
            .find(|(_, special)| *special == c)
            .map_or(b'?', |(byte, _)| byte),
    }
}

fn csv(sheet: &Sheet, page: usize) -> String {
    let mut text = String::new();
    let mut put = |cells: &[String]| {
        let quoted = cells
            .iter()
            .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
        text.push_str(&quoted.collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    };
    sheet.titles.iter().for_each(|title| put(title));
    put(&sheet.header);
    for (number, row) in sheet.rows.iter().enumerate() {
        if page > 0 && number > 0 && number % page == 0 {
            put(&[]);
            sheet.again.iter().for_each(|title| put(title));
            put(&sheet.header);
        }
        put(&row.iter().map(Cell::as_printed).collect::<Vec<_>>());
    }
    sheet.footer.iter().for_each(|line| put(line));
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
}

fn html(sheet: &Sheet, title: &str, encoding: Encoding) -> String {
    let charset = match encoding {
        Encoding::Windows1252 => "windows-1252",
        Encoding::Utf8 => "utf-8",
        Encoding::Utf16 => "utf-16",
    };
    let row = |tag: &str, cells: &[String]| {
        let cells = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let mut text = format!(
        "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset={charset}\"></head><body><h2>{}</h2><table border=1>",
        escaped(title)
    );
    text.push_str(&row("th", &sheet.header));
    for cells in &sheet.rows {
        text.push_str(&row(
            "td",
            &cells.iter().map(Cell::as_printed).collect::<Vec<_>>(),
        ));
    }
    for cells in sheet.footer.iter().filter(|cells| !cells.is_empty()) {
        text.push_str(&row("td", cells));
    }
    text.push_str("</table></body></html>");
    text
}

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const TYPES: &str = "http://schemas.openxmlformats.org/package/2006/content-types";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const KIND: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

fn xlsx(sheet: &Sheet) -> Vec<u8> {
    let mut rows = String::new();
    let mut number = 0;
    let mut put = |cells: Vec<Cell>| {
        number += 1;
        rows.push_str(&format!("<row r=\"{number}\">"));
        for (column, cell) in cells.iter().enumerate() {
            let place = format!(
                "{}{number}",
                char::from(b'A' + u8::try_from(column % 26).unwrap_or_default())
            );
            rows.push_str(&match cell {
                Cell::Text(text) => format!(
                    "<c r=\"{place}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>",
                    escaped(text)
                ),
                Cell::Day(day) => {
                    let serial = (*day - NaiveDate::default()).num_days() + 25_569;
                    format!("<c r=\"{place}\" s=\"1\"><v>{serial}</v></c>")
                }
            });
        }
        rows.push_str("</row>");
    };
    let plain = |cells: &[String]| cells.iter().map(text).collect::<Vec<_>>();
    sheet.titles.iter().for_each(|title| put(plain(title)));
    put(plain(&sheet.header));
    for row in &sheet.rows {
        let copy = |cell: &Cell| match cell {
            Cell::Text(text) => Cell::Text(text.clone()),
            Cell::Day(day) => Cell::Day(*day),
        };
        put(row.iter().map(copy).collect());
    }
    sheet.footer.iter().for_each(|line| put(plain(line)));
    let parts = [
        (
            "[Content_Types].xml",
            format!(
                "{XML}<Types xmlns=\"{TYPES}\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default \
                 Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" \
                 ContentType=\"{KIND}.sheet.main+xml\"/><Override PartName=\"/xl/worksheets/sheet1.xml\" \
                 ContentType=\"{KIND}.worksheet+xml\"/><Override PartName=\"/xl/styles.xml\" ContentType=\"{KIND}.styles+xml\"/></Types>"
            ),
        ),
        (
            "_rels/.rels",
            format!(
                "{XML}<Relationships xmlns=\"{PACKAGE}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" \
                 Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "{XML}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Report\" sheetId=\"1\" \
                 r:id=\"rId1\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "{XML}<Relationships xmlns=\"{PACKAGE}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/worksheet\" \
                 Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId2\" Type=\"{OFFICE}/styles\" \
                 Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "{XML}<styleSheet xmlns=\"{MAIN}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\" \
                 applyNumberFormat=\"1\"/></cellXfs></styleSheet>"
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            format!("{XML}<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>"),
        ),
    ];
    zip(&parts)
}

/// A zip that packs nothing.
fn zip(parts: &[(&str, String)]) -> Vec<u8> {
    let le = |number: usize| u32::try_from(number).unwrap_or_default().to_le_bytes();
    let short = |number: usize| u16::try_from(number).unwrap_or_default().to_le_bytes();
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in parts {
        let at = file.len();
        let (crc, size) = (crc32(content.as_bytes()).to_le_bytes(), le(content.len()));
        // Version, flags, method, time and day, then what both records share.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend([crc, size, size].concat());
        common.extend([short(name.len()), [0; 2]].concat());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(content.as_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(le(at));
        directory.extend(name.as_bytes());
    }
    let at = file.len();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([short(parts.len()), short(parts.len())].concat());
    file.extend([le(directory.len()), le(at)].concat());
    file.extend([0; 2]);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
