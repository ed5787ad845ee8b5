//! Reads settings so that every mistake is found at once, each with its place.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use odx_core::Secret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Every mistake found so far.
pub(crate) struct Mistakes<'a> {
    text: &'a str,
    list: RefCell<Vec<(usize, String)>>,
}

impl<'a> Mistakes<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            list: RefCell::default(),
        }
    }

    /// One more: `what` is wrong here and how to mend it. Values are not quoted
    /// by anybody who calls this for a key.
    pub(crate) fn add(&self, at: &Range<usize>, what: impl Into<String>) {
        self.list.borrow_mut().push((at.start, what.into()));
    }

    /// In the order of the file, each with its place.
    pub(crate) fn into_lines(self) -> Vec<String> {
        let mut list = self.list.into_inner();
        list.sort();
        list.dedup();
        list.into_iter()
            .map(|(at, what)| {
                let before = self.text.get(..at).unwrap_or(self.text);
                let line = before.matches('\n').count() + 1;
                let column = before
                    .rsplit('\n')
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .count()
                    + 1;
                format!("line {line}, column {column}: {what}")
            })
            .collect()
    }
}

/// A table of the file, read key by key.
pub(crate) struct Section<'a, 'i> {
    name: String,
    table: &'a DeTable<'i>,
    span: Range<usize>,
    mistakes: &'a Mistakes<'a>,
    read: RefCell<BTreeSet<&'static str>>,
}

/// A value that was there, and where.
pub(crate) type Found<T> = Option<(T, Range<usize>)>;

impl<'a, 'i> Section<'a, 'i> {
    pub(crate) fn new(
        name: impl Into<String>,
        table: &'a DeTable<'i>,
        span: Range<usize>,
        mistakes: &'a Mistakes<'a>,
    ) -> Self {
        Self {
            name: name.into(),
            table,
            span,
            mistakes,
            read: RefCell::default(),
        }
    }

    pub(crate) const fn span(&self) -> &Range<usize> {
        &self.span
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else if key.is_empty() {
            self.name.clone()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// A mistake about this key.
    pub(crate) fn wrong(&self, at: &Range<usize>, key: &str, what: &str) {
        self.mistakes.add(at, format!("{} {what}", self.path(key)));
    }

    pub(crate) fn missing(&self, key: &str, remedy: &str) {
        self.mistakes.add(
            &self.span,
            format!("{} is missing: {remedy}", self.path(key)),
        );
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.read.borrow_mut().insert(key);
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self, key: &'static str) -> Found<String> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text.to_string(), value.span())),
            _ => {
                self.wrong(&value.span(), key, "must be text in quotes");
                None
            }
        }
    }

    pub(crate) fn required(&self, key: &'static str, remedy: &str) -> Found<String> {
        if self.value(key).is_none() {
            self.missing(key, remedy);
        }
        self.text(key)
    }

    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<(String, Range<usize>)>> {
        let value = self.value(key)?;
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(&value.span(), key, "must be a list of texts in quotes");
            return None;
        };
        Some(
            list.iter()
                .filter_map(|item| match item.get_ref() {
                    DeValue::String(text) => Some((text.to_string(), item.span())),
                    _ => {
                        self.wrong(&item.span(), key, "must hold texts in quotes only");
                        None
                    }
                })
                .collect(),
        )
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &'static str, known: &[(&str, T)]) -> Option<T> {
        let (text, at) = self.text(key)?;
        let found = known.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.wrong(&at, key, &format!("must be {}", listed(known)));
        }
        found.map(|(_, value)| *value)
    }

    /// A list of some of a few words, each once.
    pub(crate) fn words<T: Copy>(&self, key: &'static str, known: &[(&str, T)]) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        if texts.is_empty() {
            let what = format!("is empty: name {}", listed(known));
            self.wrong(self.span(), key, &what);
        }
        let mut seen = BTreeSet::new();
        let mut values = Vec::new();
        for (text, at) in texts {
            match known.iter().find(|(word, _)| *word == text) {
                Some((word, _)) if !seen.insert(*word) => {
                    self.wrong(&at, key, "names something twice");
                }
                Some((_, value)) => values.push(*value),
                None => self.wrong(&at, key, &format!("must hold {} only", listed(known))),
            }
        }
        Some(values)
    }

    /// Tables below this one, by names that the file chooses.
    pub(crate) fn tables(self) -> Vec<(String, Section<'a, 'i>)> {
        let mut tables = Vec::new();
        for (name, value) in self.table {
            let key = name.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(table) => {
                    let path = self.path(&format!("\"{key}\""));
                    let inner = Section::new(path, table, value.span(), self.mistakes);
                    tables.push((key.to_owned(), inner));
                }
                _ => self.wrong(&value.span(), key, "must be a table"),
            }
        }
        tables
    }

    /// Lists of texts, by names that the file chooses, each with the place of its
    /// name.
    pub(crate) fn lists(&self) -> Vec<(String, Range<usize>, Vec<String>)> {
        let mut lists = Vec::new();
        for (name, value) in self.table {
            let key = name.get_ref().as_ref();
            let texts = match value.get_ref() {
                DeValue::Array(list) => list
                    .iter()
                    .map(|item| match item.get_ref() {
                        DeValue::String(text) => Some(text.to_string()),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            };
            match texts {
                Some(texts) => lists.push((key.to_owned(), name.span(), texts)),
                None => {
                    let key = format!("\"{key}\"");
                    self.wrong(&value.span(), &key, "must be a list of texts in quotes");
                }
            }
        }
        lists
    }

    /// A whole number within bounds.
    pub(crate) fn number(
        &self,
        key: &'static str,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let fine = number.filter(|number| bounds.contains(number));
        if fine.is_none() {
            self.wrong(
                &value.span(),
                key,
                &format!(
                    "must be a whole number from {} to {}",
                    bounds.start(),
                    bounds.end()
                ),
            );
        }
        fine
    }

    /// Yes or no.
    pub(crate) fn flag(&self, key: &'static str) -> Found<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some((*flag, value.span())),
            _ => {
                self.wrong(&value.span(), key, "must be true or false, without quotes");
                None
            }
        }
    }

    /// A share from 0 to 1.
    pub(crate) fn share(&self, key: &'static str) -> Option<f64> {
        let value = self.value(key)?;
        let share = match value.get_ref() {
            DeValue::Float(share) => share.as_str().parse::<f64>().ok(),
            DeValue::Integer(share) => share.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let fine = share.filter(|share| (0.0..=1.0).contains(share));
        if fine.is_none() {
            self.wrong(&value.span(), key, "must be a share from 0.0 to 1.0");
        }
        fine
    }

    /// A duration such as `15m`, not shorter than `least`.
    pub(crate) fn duration(&self, key: &'static str, least: Duration) -> Option<Duration> {
        let (text, at) = self.text(key)?;
        match humantime::parse_duration(&text) {
            Ok(duration)
                if duration >= least && duration <= Duration::from_secs(366 * 24 * 3600) =>
            {
                Some(duration)
            }
            Ok(_) => {
                self.wrong(
                    &at,
                    key,
                    &format!(
                        "must be from {} to a year",
                        humantime::format_duration(least)
                    ),
                );
                None
            }
            Err(_) => {
                self.wrong(
                    &at,
                    key,
                    "is no duration: write one such as \"200ms\", \"90s\", \"15m\" or \"24h\"",
                );
                None
            }
        }
    }

    /// A secret: itself, the name of an environment variable, or a file.
    pub(crate) fn secret(&self, key: &'static str, needed: bool) -> Option<Secret> {
        let Some(value) = self.value(key) else {
            if needed {
                self.missing(
                    key,
                    "give it as text, as { env = \"NAME\" } or as { file = \"PATH\" }",
                );
            }
            return None;
        };
        let at = value.span();
        let secret = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Table(table) => {
                let inner = Section::new(self.path(key), table, at.clone(), self.mistakes);
                let secret = match (inner.text("env"), inner.text("file")) {
                    (Some((name, at)), None) => std::env::var(&name)
                        .map_err(|_| {
                            self.mistakes.add(
                                &at,
                                format!(
                                    "{}: the environment variable {name} is not set",
                                    self.path(key)
                                ),
                            )
                        })
                        .ok(),
                    (None, Some((path, at))) => std::fs::read_to_string(&path)
                        .map(|text| text.trim().to_owned())
                        .map_err(|why| {
                            let why = why.kind();
                            self.mistakes.add(
                                &at,
                                format!(
                                    "{}: the file {path} cannot be read: {why}",
                                    self.path(key)
                                ),
                            );
                        })
                        .ok(),
                    _ => {
                        self.wrong(
                            &at,
                            key,
                            "must be text, { env = \"NAME\" } or { file = \"PATH\" }",
                        );
                        None
                    }
                };
                inner.finish();
                secret?
            }
            _ => {
                self.wrong(
                    &at,
                    key,
                    "must be text, { env = \"NAME\" } or { file = \"PATH\" }",
                );
                return None;
            }
        };
        if secret.trim().is_empty() {
            self.wrong(&at, key, "is empty");
            return None;
        }
        Some(Secret::new(secret))
    }

    /// A table below this one.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a, 'i>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(
                self.path(key),
                table,
                value.span(),
                self.mistakes,
            )),
            _ => {
                self.wrong(&value.span(), key, "must be a table");
                None
            }
        }
    }

    /// Tables below this one, `[[key]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong(&value.span(), key, &format!("must be written as [[{key}]]"));
            return Vec::new();
        };
        list.iter()
            .enumerate()
            .filter_map(|(n, item)| match item.get_ref() {
                DeValue::Table(table) => Some(Section::new(
                    format!("{}[{}]", self.path(key), n + 1),
                    table,
                    item.span(),
                    self.mistakes,
                )),
                _ => {
                    self.wrong(&item.span(), key, &format!("must be written as [[{key}]]"));
                    None
                }
            })
            .collect()
    }

    /// Whatever was not read is a mistake: most often a misspelt name.
    pub(crate) fn finish(self) {
        let read = self.read.borrow();
        for (name, _) in self.table {
            if !read.contains(name.get_ref().as_ref()) {
                let known = read.iter().copied().collect::<Vec<_>>().join(", ");
                self.mistakes.add(
                    &name.span(),
                    format!(
                        "{} is no setting; here belong: {known}",
                        self.path(name.get_ref())
                    ),
                );
            }
        }
    }
}

/// `"a", "b" or "c"`
fn listed<T>(known: &[(&str, T)]) -> String {
    let mut words: Vec<_> = known
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() {
        return last;
    }
    format!("{} or {last}", words.join(", "))
}
