//! One read of an office: whole tables, taken from a reader and kept until they are
//! given out. Nothing of it counts before the reader says that all was read.

use std::collections::BTreeMap;

use crate::spool::{Rows, Spool};
use crate::table::{Field, Table};
use crate::wire::{Class, Failure, Report, Said};

/// A table that was read to its end.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) table: Table,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Rows,
    /// Rows that the reader itself could not make out: where, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    #[cfg_attr(
        not(feature = "exports"),
        allow(dead_code, reason = "only reports say something of themselves")
    )]
    pub(crate) report: Option<Report>,
}

/// Takes what a reader says.
#[derive(Debug, Default)]
pub(crate) struct Taker {
    parts: Vec<Part>,
    open: Option<Open>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Open {
    table: Table,
    header: Vec<String>,
    fields: usize,
    spool: Spool,
    rows: u64,
    unreadable: Vec<(String, String)>,
}

fn broken(what: &str) -> Failure {
    Failure::new(
        Class::Crashed,
        format!(
            "the reader broke off its own protocol: {what}; install the one that came with this program"
        ),
    )
}

impl Taker {
    pub(crate) fn take(&mut self, said: Said) -> Result<(), Failure> {
        match said {
            Said::Table {
                table,
                header,
                fields,
                ..
            } => {
                if self.open.is_some() {
                    return Err(broken("a table inside a table"));
                }
                self.open = Some(Open {
                    table,
                    header,
                    fields: fields.len(),
                    spool: spool(fields)?,
                    rows: 0,
                    unreadable: Vec::new(),
                });
            }
            Said::Rows { rows } => {
                let open = self
                    .open
                    .as_mut()
                    .ok_or_else(|| broken("rows of no table"))?;
                for cells in rows {
                    if cells.len() != open.fields {
                        return Err(broken("a row of another width"));
                    }
                    open.spool.push(&cells).map_err(state)?;
                    open.rows += 1;
                }
            }
            Said::Unreadable { place, why } => {
                let open = self
                    .open
                    .as_mut()
                    .ok_or_else(|| broken("a row of no table"))?;
                open.unreadable.push((place, why));
            }
            Said::End {
                table,
                rows,
                report,
            } => {
                let open = self
                    .open
                    .take()
                    .ok_or_else(|| broken("an end of no table"))?;
                if open.table != table || open.rows != rows {
                    return Err(broken("fewer rows came than were sent"));
                }
                self.parts.push(Part {
                    table,
                    header: open.header,
                    rows: open.spool.finish().map_err(state)?,
                    unreadable: open.unreadable,
                    report,
                });
            }
            Said::Note { what } => self.notes.push(what),
            Said::Done | Said::Failed(_) => {}
        }
        Ok(())
    }

    /// The tables, by which they are, and what a person should know.
    pub(crate) fn finish(self) -> Result<(BTreeMap<Table, Part>, Vec<String>), Failure> {
        if self.open.is_some() {
            return Err(broken("a table without its end"));
        }
        let mut parts = BTreeMap::new();
        for part in self.parts {
            if parts.insert(part.table, part).is_some() {
                return Err(broken("a table twice"));
            }
        }
        Ok((parts, self.notes))
    }
}

fn spool(fields: Vec<Field>) -> Result<Spool, Failure> {
    Spool::new(fields).map_err(state)
}

fn state(why: odx_core::Error) -> Failure {
    Failure::new(Class::Busy, why.chain())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(table: Table) -> Said {
        Said::Table {
            table,
            header: vec!["Chart #".into()],
            fields: vec![Field::Chart],
            unknown: Vec::new(),
        }
    }

    fn rows(n: usize) -> Said {
        Said::Rows {
            rows: vec![vec![Some("1".into())]; n],
        }
    }

    fn end(table: Table, rows: u64) -> Said {
        Said::End {
            table,
            rows,
            report: None,
        }
    }

    #[test]
    fn a_table_counts_once_its_end_agrees_with_its_rows() {
        let mut taker = Taker::default();
        for said in [table(Table::Recalls), rows(3), end(Table::Recalls, 3)] {
            taker.take(said).unwrap();
        }
        assert_eq!(taker.finish().unwrap().0[&Table::Recalls].rows.len(), 3);
    }

    #[test]
    fn rows_that_got_lost_are_no_table() {
        let mut taker = Taker::default();
        taker.take(table(Table::Recalls)).unwrap();
        taker.take(rows(3)).unwrap();
        let why = taker.take(end(Table::Recalls, 4)).unwrap_err();
        assert_eq!(why.class, Class::Crashed);
        let mut cut = Taker::default();
        cut.take(table(Table::Recalls)).unwrap();
        assert_eq!(cut.finish().unwrap_err().class, Class::Crashed);
        let mut wide = Taker::default();
        wide.take(table(Table::Recalls)).unwrap();
        let two = vec![vec![None, None]];
        assert!(wide.take(Said::Rows { rows: two }).is_err());
    }
}
