//! Edits of the office's setup. Each tells the other workstations by a signal, which is how a
//! client learns that what it keeps of the setup is old.
// apisignalods; ITypes: Defs, Prefs, RecallTypes, Providers, Operatories

use super::clock::stamp;
use super::more_tables::{DeletedObjectRow, OperatoryRow, SignalRow};
use super::practice::{Practice, must};
use super::store::Filter;
use super::tables::{DefinitionRow, PreferenceRow, ProviderRow, RecallTypeRow, Record};

impl Practice {
    /// Changes a definition. False when there is no such row.
    pub fn update_definition(&self, def_num: i64, edit: impl FnOnce(&mut DefinitionRow)) -> bool {
        self.edit_setup("Defs", def_num, edit)
    }

    /// Adds a definition and returns the key; 0 asks for a new one.
    pub fn add_definition(&self, row: DefinitionRow) -> i64 {
        self.add_setup("Defs", row)
    }

    /// Changes a recall type. False when there is no such row.
    pub fn update_recall_type(&self, key: i64, edit: impl FnOnce(&mut RecallTypeRow)) -> bool {
        self.edit_setup("RecallTypes", key, edit)
    }

    /// Adds a recall type and returns the key; 0 asks for a new one.
    pub fn add_recall_type(&self, row: RecallTypeRow) -> i64 {
        self.add_setup("RecallTypes", row)
    }

    /// Changes a provider and restamps it. False when there is no such row.
    pub fn update_provider(&self, prov_num: i64, edit: impl FnOnce(&mut ProviderRow)) -> bool {
        self.edit_setup("Providers", prov_num, edit)
    }

    /// Adds a provider and returns the key; 0 asks for a new one.
    pub fn add_provider(&self, row: ProviderRow) -> i64 {
        self.add_setup("Providers", row)
    }

    /// Changes an operatory. False when there is no such row.
    pub fn update_operatory(&self, key: i64, edit: impl FnOnce(&mut OperatoryRow)) -> bool {
        self.edit_setup("Operatories", key, edit)
    }

    /// Sets a preference, known or new.
    pub fn set_preference(&self, name: &str, value: &str) {
        {
            let mut filter = Filter::new();
            filter.with("PrefName = ?", name.to_owned());
            let mut store = self.store();
            let mut found: Vec<PreferenceRow> = must(store.all(&filter));
            let mut row = found.pop().unwrap_or_default();
            name.clone_into(&mut row.pref_name);
            value.clone_into(&mut row.value_string);
            must(store.put(&mut row));
        }
        self.add_signal("Prefs");
    }

    /// Every signal, by key.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every operatory, by key.
    #[must_use]
    pub fn operatories(&self) -> Vec<OperatoryRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every recall type, by key.
    #[must_use]
    pub fn recall_types(&self) -> Vec<RecallTypeRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every provider, by key.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderRow> {
        must(self.store().all(&Filter::new()))
    }

    /// Every trace of a deletion, by key.
    #[must_use]
    pub fn deleted_objects(&self) -> Vec<DeletedObjectRow> {
        must(self.store().all(&Filter::new()))
    }

    pub(crate) fn signal(&self, kind: &str, about: &str, key: i64) {
        let mut row = SignalRow {
            signal_num: 0,
            sig_date_time: stamp(self.now()),
            f_key: key,
            f_key_type: about.to_owned(),
            i_type: kind.to_owned(),
        };
        must(self.store().put(&mut row));
    }

    fn edit_setup<R: Record + Clone>(
        &self,
        kind: &str,
        key: i64,
        edit: impl FnOnce(&mut R),
    ) -> bool {
        let found = self.update(key, edit).is_some();
        if found {
            self.refresh_names();
            self.add_signal(kind);
        }
        found
    }

    fn add_setup<R: Record>(&self, kind: &str, mut row: R) -> i64 {
        row.stamp(&stamp(self.now()));
        let key = must(self.store().put(&mut row));
        self.refresh_names();
        self.add_signal(kind);
        key
    }
}
