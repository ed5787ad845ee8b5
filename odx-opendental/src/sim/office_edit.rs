//! Edits that the API's lists hardly show: opt-outs, merged patients, traces of deletions.

use super::clock::stamp;
use super::more_tables::{CommOptOutRow, DeletedObjectRow, PatientLinkRow, ReactivationRow};
use super::practice::{Practice, must, of_patient};
use super::store::Filter;
use super::tables::{PatientRow, Record as _};

/// `deletedobject.ObjectType`: the object is the appointment itself.
pub(crate) const APPOINTMENT: i64 = 0;
/// `deletedobject.ObjectType`: the object is the patient whose recall was removed.
pub(crate) const RECALL_OF_PATIENT: i64 = 2;

/// `patientlink.LinkType` of a merge.
const MERGED: i64 = 1;

impl Practice {
    /// Excludes a patient from automated messages, by message kind: flags for texts and for
    /// e-mail, 0 for none. The patient's own row is not restamped.
    // patientedit, Exclude Automated Msgs; schema of commoptout, which has no stamp
    pub fn opt_out(&self, pat_num: i64, sms: i64, email: i64) {
        let mut store = self.store();
        let mut found: Vec<CommOptOutRow> = must(store.all(&of_patient(pat_num)));
        let mut row = found.pop().unwrap_or_default();
        row.pat_num = pat_num;
        row.opt_out_sms = sms;
        row.opt_out_email = email;
        must(store.put(&mut row));
    }

    /// Marks a patient on the reactivation list as not to be contacted.
    // recalllistreactivation; schema of reactivation
    pub fn do_not_contact(&self, pat_num: i64) {
        self.set_contact(pat_num, true);
    }

    /// Takes the mark off again; the row stays.
    pub fn may_contact_again(&self, pat_num: i64) {
        self.set_contact(pat_num, false);
    }

    fn set_contact(&self, pat_num: i64, forbidden: bool) {
        let mut store = self.store();
        let mut found: Vec<ReactivationRow> = must(store.all(&of_patient(pat_num)));
        let mut row = found.pop().unwrap_or_default();
        row.pat_num = pat_num;
        row.do_not_contact = forbidden;
        must(store.put(&mut row));
    }

    /// Merges one patient into another: everything but demographics moves to the survivor, a
    /// recall of a type the survivor has already is removed, the other is archived. False when
    /// one of them does not exist.
    // mergepatients; recalltypes: one row per patient and type
    pub fn merge_patients(&self, from: i64, into: i64) -> bool {
        let (Some(_), Some(survivor)) = (self.patient(from), self.patient(into)) else {
            return false;
        };
        if from == into {
            return false;
        }
        let taken: Vec<i64> = self
            .recalls_of(into)
            .iter()
            .map(|row| row.recall_type_num)
            .collect();
        for recall in self.recalls_of(from) {
            if taken.contains(&recall.recall_type_num) {
                self.delete_recall(recall.recall_num);
            } else {
                self.update_recall(recall.recall_num, |row| row.pat_num = into);
            }
        }
        for visit in self.appointments_of(from) {
            self.update_appointment(visit.apt_num, |row| row.pat_num = into);
        }
        // The survivor may belong to the family of the other.
        let head = if survivor.guarantor == from {
            into
        } else {
            survivor.guarantor
        };
        for member in self.family_of(from) {
            self.update_patient(member, |row| row.guarantor = head);
        }
        self.update_patient(from, |row| "Archived".clone_into(&mut row.pat_status));
        let now = stamp(self.now());
        let mut store = self.store();
        must(store.move_records(from, into, &now));
        must(store.put(&mut PatientLinkRow {
            patient_link_num: 0,
            pat_num_from: from,
            pat_num_to: into,
            link_type: MERGED,
            date_time_link: now,
        }));
        true
    }

    /// Everybody else whose guarantor this patient is.
    fn family_of(&self, guarantor: i64) -> Vec<i64> {
        let mut filter = Filter::new();
        filter.with("Guarantor = ?", guarantor);
        let rows: Vec<PatientRow> = must(self.store().all(&filter));
        let members = rows.iter().map(|row| row.pat_num);
        members.filter(|key| *key != guarantor).collect()
    }

    // Schema of deletedobject
    pub(crate) fn note_deletion(&self, object_type: i64, object_num: i64) {
        let mut row = DeletedObjectRow {
            object_type,
            object_num,
            ..DeletedObjectRow::default()
        };
        row.stamp(&stamp(self.now()));
        must(self.store().put(&mut row));
    }
}
