use std::path::{Path, PathBuf};

use super::rig::fixture;

/// An office in a file, and ODBC's settings beside it.
pub(crate) struct Office {
    pub(crate) dir: tempfile::TempDir,
}

impl Office {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        super::rig::drivers(dir.path());
        let office = Self { dir };
        let schema = std::fs::read_to_string(fixture("schema.sql")).unwrap();
        office.run(&format!("BEGIN; {schema}; COMMIT"));
        office
    }

    pub(crate) fn run(&self, sql: &str) {
        rusqlite::Connection::open(self.file())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("dentrix.sqlite")
    }

    pub(crate) fn drivers(&self) -> &Path {
        self.dir.path()
    }

    /// Under the name of the vendor's driver. It holds all rows before it gives the
    /// first unless told otherwise.
    pub(crate) fn connection(&self) -> String {
        format!(
            "Driver={{c-treeACE ODBC Driver}};Database={};NoCreat=1;StepAPI=1;",
            self.file().display()
        )
    }

    /// The file cannot be written to.
    pub(crate) fn read_only(&self) -> String {
        format!(
            "Driver={{c-treeACE ODBC Driver}};Database=file:{}?mode=ro;NoCreat=1;StepAPI=1;",
            self.file().display()
        )
    }
}
