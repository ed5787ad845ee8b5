//! `[office.source]` of a Dentrix office.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use odx_core::{Office, OfficeId, Secret, SourceId};
use odx_dentrix::columns::{Columns, folded};
use odx_dentrix::table::{Field, Table};
use odx_dentrix::{Dentrix, ExportSettings, Identity, OdbcSettings, Program, SYSTEM, Way};

use super::{Around, Source};
use crate::config::Seen;
use crate::section::Section;

/// The program that reads for this one, in a process of its own.
const READER: &str = "dentrix-reader";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Odbc,
    Exports,
}

pub(super) fn read(
    section: Section<'_, '_>,
    around: &Around<'_>,
    seen: &mut Seen,
) -> Option<Source> {
    let mode = section.word("mode", &[("odbc", Mode::Odbc), ("exports", Mode::Exports)]);
    if mode.is_none() && section.text("mode").is_none() {
        section.missing(
            "mode",
            "write \"odbc\" where the vendor's program gave a connection, or \"exports\" for a folder of reports",
        );
    }
    let reader = reader(&section);
    let identity = section.word(
        "identity",
        &[("chart", Identity::Chart), ("id", Identity::Id)],
    );
    let identity_key = section.secret("identity_key", false);
    let recall_types = recall_types(&section);
    let area_code = section.text("area_code").map(|(code, at)| {
        if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
            section.wrong(&at, "area_code", "must be three digits in quotes");
        }
        code
    });
    let thin = section.share("thin");
    let columns = section.section("columns").map(columns).unwrap_or_default();
    let office = around.id.map_or("unnamed", OfficeId::as_str);
    let limit = section.duration("wall_limit", Duration::from_secs(1));
    // Without a mode the settings of both are settings: one mistake is enough.
    let odbc =
        (mode != Some(Mode::Exports)).then(|| odbc(&section, mode.is_some(), limit, office, seen));
    let exports =
        (mode != Some(Mode::Odbc)).then(|| exports(&section, mode.is_some(), limit, office, seen));
    let span = section.span().clone();
    let built = (|| {
        let way = match mode? {
            Mode::Odbc => Way::Odbc(odbc.flatten()?),
            Mode::Exports => Way::Exports(exports.flatten()?),
        };
        let limit = match &way {
            Way::Odbc(odbc) => odbc.wall_limit,
            Way::Exports(exports) => exports.wall_limit,
            _ => return None,
        };
        let id = around.id?;
        let office = Office::new(id.clone(), around.name?, around.zone?);
        let source = SourceId::new(SYSTEM, id.as_str()).ok()?;
        let program = Program::new(reader?).with_wall_limit(limit);
        let mut builder = Dentrix::builder(source, office, way, Arc::new(program));
        for columns in columns {
            builder = builder.with_columns(columns);
        }
        if let Some(identity) = identity {
            builder = builder.with_identity(identity);
        }
        if let Some(key) = identity_key {
            builder = builder.with_identity_key(key);
        }
        if let Some(types) = recall_types {
            builder = builder.with_recall_types(types);
        }
        if let Some(code) = area_code {
            builder = builder.with_area_code(code);
        }
        if let Some(share) = thin {
            builder = builder.with_thin(share);
        }
        let source = builder
            .clone()
            .build()
            .map_err(|why| section.wrong(&span, "", &why.to_string()))
            .ok()?;
        Some(Source {
            source: Arc::new(source),
            events: None,
            dentrix: Some(builder),
        })
    })();
    section.finish();
    built
}

/// Where the reader is. Without one nothing can be read, and that is better known
/// before anything is begun.
fn reader(section: &Section<'_, '_>) -> Option<PathBuf> {
    let given = section.text("reader");
    let home = std::env::current_exe().ok();
    let home = home.as_deref().and_then(Path::parent);
    let (path, at) = match &given {
        Some((path, at)) => (Path::new(path), at),
        None => (Path::new(READER), section.span()),
    };
    let bare = path.components().count() == 1 && path.is_relative();
    let beside = home.filter(|_| bare).map(|home| home.join(path));
    let elsewhere = (!bare || given.is_some()).then(|| path.to_owned());
    let places: Vec<_> = beside.into_iter().chain(elsewhere).collect();
    let found = places.iter().find_map(|place| {
        let mut program = place.clone().into_os_string();
        program.push(std::env::consts::EXE_SUFFIX);
        [place.clone(), PathBuf::from(program)]
            .into_iter()
            .find(|place| place.is_file())
    });
    let Some(found) = found else {
        let place = places.first().map_or(path, PathBuf::as_path);
        let what = format!(
            "has no program at {}: put {READER} beside this program, in the build whose bitness is that of the office's \
             ODBC driver, or write reader = \"PATH\"",
            place.display()
        );
        section.wrong(at, "reader", &what);
        return None;
    };
    Some(std::path::absolute(&found).unwrap_or(found))
}

fn recall_types(section: &Section<'_, '_>) -> Option<Vec<String>> {
    let texts = section.texts("recall_types")?;
    if texts.is_empty() {
        section.wrong(
            section.span(),
            "recall_types",
            "names no type: leave it out to heed them all",
        );
    }
    for (text, at) in &texts {
        if text.trim().is_empty() {
            section.wrong(at, "recall_types", "holds an empty name");
        }
    }
    let names = texts.into_iter().map(|(text, _)| text.trim().to_owned());
    Some(names.collect())
}

fn odbc(
    section: &Section<'_, '_>,
    needed: bool,
    limit: Option<Duration>,
    office: &str,
    seen: &mut Seen,
) -> Option<OdbcSettings> {
    let second = Duration::from_secs(1);
    let connection = section.secret("connection", needed);
    let login = section.duration("login_timeout", second);
    let query = section.duration("query_timeout", second);
    let rows = section.number("max_rows", 1..=u32::MAX);
    let tutorial = section
        .flag("allow_tutorial")
        .is_some_and(|(allow, _)| allow);
    let calls = calls(section);
    let sql = section.section("sql").map(sql).unwrap_or_default();
    let connection = connection?;
    if !tutorial && tutorial_database(&connection) {
        section.wrong(
            section.span(),
            "connection",
            "names the tutorial database, whose patients are samples: have the vendor's program register the live one, or \
             set allow_tutorial = true for a test",
        );
    }
    let same = |(known, _): &&(Secret, String)| known.expose() == connection.expose();
    if let Some((_, other)) = seen.databases.iter().find(same) {
        let what = format!("is also that of office {other}: one database would be told twice");
        section.wrong(section.span(), "connection", &what);
    }
    seen.databases.push((connection.clone(), office.to_owned()));
    let mut settings = OdbcSettings::new(connection);
    if let Some(login) = login {
        settings.login_timeout = login;
    }
    if let Some(query) = query {
        settings.query_timeout = query;
    }
    if let Some(limit) = limit {
        settings.wall_limit = limit;
    }
    if settings.wall_limit < settings.query_timeout {
        section.wrong(
            section.span(),
            "wall_limit",
            "is shorter than query_timeout: a slow statement would end the reader before it is given up; make it the longer",
        );
    }
    if let Some(rows) = rows {
        settings.max_rows = rows.into();
    }
    if let Some(calls) = calls {
        settings.allowed_calls = calls;
    }
    settings.allow_tutorial = tutorial;
    settings.sql.extend(sql);
    Some(settings)
}

/// The vendor's own name for its sample practice.
fn tutorial_database(connection: &Secret) -> bool {
    let text = connection.expose().to_ascii_lowercase();
    text.contains("tutorsql")
}

fn calls(section: &Section<'_, '_>) -> Option<Vec<String>> {
    let texts = section.texts("allowed_calls")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut calls = Vec::new();
    for (text, at) in texts {
        let fine = text.split_once('.').is_some_and(|(owner, name)| {
            [owner, name]
                .iter()
                .all(|part| !part.is_empty() && part.chars().all(plain))
        });
        if fine {
            calls.push(text.to_ascii_lowercase());
        } else {
            section.wrong(
                &at,
                "allowed_calls",
                "holds no procedure with its owner: write one such as \"admin.sp_getallpatientrecalls\"",
            );
        }
    }
    Some(calls)
}

fn sql(section: Section<'_, '_>) -> Vec<(Table, String)> {
    let mut all = Vec::new();
    for table in Table::ALL {
        if let Some((text, at)) = section.text(table.name()) {
            if text.trim().is_empty() {
                let what = "is empty: leave it out for the vendor's own object";
                section.wrong(&at, table.name(), what);
            }
            all.push((table, text));
        }
    }
    section.finish();
    all
}

fn exports(
    section: &Section<'_, '_>,
    needed: bool,
    limit: Option<Duration>,
    office: &str,
    seen: &mut Seen,
) -> Option<ExportSettings> {
    let folder = section.text("folder");
    if folder.is_none() && needed {
        section.missing(
            "folder",
            "name the folder in which the reports arrive, such as 'C:\\Exports'",
        );
    }
    let settle = section.duration("settle", Duration::from_secs(1));
    let age = section.duration("max_age", Duration::from_secs(60));
    let archive = part(section, "archive");
    let quarantine = part(section, "quarantine");
    let encoding = section.text("encoding");
    let footer = section.flag("require_footer");
    let (folder, at) = folder?;
    if folder.trim().is_empty() {
        section.wrong(&at, "folder", "is empty");
        return None;
    }
    let folder = PathBuf::from(folder);
    if let Some((_, other)) = seen.folders.iter().find(|(known, _)| *known == folder) {
        let what = format!(
            "is also that of office {other}: give every office a folder of its own, or nobody knows whose a report is"
        );
        section.wrong(&at, "folder", &what);
    }
    seen.folders.push((folder.clone(), office.to_owned()));
    let mut settings = ExportSettings::new(folder);
    if let Some(settle) = settle {
        settings.settle = settle;
    }
    if let Some(age) = age {
        settings.max_age = age;
    }
    if let Some((archive, _)) = &archive {
        settings.archive.clone_from(archive);
    }
    if let Some((quarantine, _)) = &quarantine {
        settings.quarantine.clone_from(quarantine);
    }
    if settings.archive == settings.quarantine {
        let at = quarantine.or(archive).map_or(at, |(_, at)| at);
        let what = "is also the archive: what was read and what was not must lie apart";
        section.wrong(&at, "quarantine", what);
    }
    if let Some((encoding, _)) = encoding {
        settings.encoding = encoding;
    }
    if let Some((footer, _)) = footer {
        settings.require_footer = footer;
    }
    if let Some(limit) = limit {
        settings.wall_limit = limit;
    }
    Some(settings)
}

/// A folder inside the one that is watched.
fn part(section: &Section<'_, '_>, key: &'static str) -> Option<(String, Range<usize>)> {
    let (name, at) = section.text(key)?;
    let outside = name.contains(['/', '\\', ':']) || matches!(name.trim(), "" | "." | "..");
    if outside {
        let what = "must be the name of a folder inside the one that is watched, such as \"done\"";
        section.wrong(&at, key, what);
        return None;
    }
    Some((name, at))
}

/// Names that this office's columns have, before those that are known anyway.
fn columns(section: Section<'_, '_>) -> Vec<Columns> {
    let mut all = Vec::new();
    for table in Table::ALL {
        if let Some(inner) = section.section(table.name()) {
            all.push(names(&inner, table));
        }
    }
    section.finish();
    all
}

fn names(section: &Section<'_, '_>, table: Table) -> Columns {
    let mut columns = Columns::default_for(table);
    let mut claimed = BTreeSet::new();
    for (key, at, names) in section.lists() {
        let known: Vec<Field> = columns.names.keys().copied().collect();
        let Some(field) = known.iter().copied().find(|field| field.name() == key) else {
            let known: Vec<_> = known.iter().map(|field| field.name()).collect();
            let what = format!("is no field; here belong: {}", known.join(", "));
            section.wrong(&at, &key, &what);
            continue;
        };
        let mut own: Vec<String> = Vec::new();
        for name in names {
            let folded_name = folded(&name);
            if folded_name.is_empty() {
                section.wrong(&at, &key, "holds a name without letters or digits");
            } else if !claimed.insert(folded_name.clone()) {
                section.wrong(&at, &key, "holds a name that stands here already");
            } else {
                // A name that the office gives to one field is no other's any more.
                for others in columns.names.values_mut() {
                    others.retain(|other| folded(other) != folded_name);
                }
                own.push(name);
            }
        }
        if let Some(default) = columns.names.get_mut(&field) {
            own.append(default);
            *default = own;
        }
    }
    columns
}
