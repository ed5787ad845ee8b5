//! Links both ways: into the chart and into the CRM. Opaque ids only.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// Addresses with places for ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkTemplates {
    chart: Option<String>,
    crm: Option<String>,
}

/// Where a record is to be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecordLinks {
    /// In the practice's chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// In the CRM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crm: Option<String>,
}

impl LinkTemplates {
    /// A link into the chart with `{id}`, the practice's own key of the patient,
    /// and one into the CRM with `{remote_id}`, its own id of the contact, or
    /// `{external_id}`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for one without any place, or with a place that is
    /// none of these: a link never holds a name.
    pub fn new(chart: Option<String>, crm: Option<String>) -> Result<Self> {
        let check = |link: &Option<String>, places: &[&str], which: &str| {
            let Some(link) = link else { return Ok(()) };
            let mut rest = link.clone();
            for place in places {
                rest = rest.replace(place, "");
            }
            if rest == *link || rest.contains(['{', '}']) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "the {which} link must have {} in it, and no other place",
                        places.join(" or ")
                    ),
                ));
            }
            Ok(())
        };
        check(&chart, &["{id}"], "chart")?;
        check(&crm, &["{remote_id}", "{external_id}"], "crm")?;
        Ok(Self { chart, crm })
    }

    /// The links of a patient. One whose id is not known is left out.
    pub fn of(&self, native: &str, external_id: &str, remote_id: Option<&str>) -> RecordLinks {
        let chart = self.chart.as_ref();
        let crm = self.crm.as_ref();
        RecordLinks {
            chart: chart.map(|link| link.replace("{id}", &spelled(native))),
            crm: crm.and_then(|link| {
                let link = match remote_id {
                    Some(id) => link.replace("{remote_id}", &spelled(id)),
                    None if link.contains("{remote_id}") => return None,
                    None => link.clone(),
                };
                Some(link.replace("{external_id}", &spelled(external_id)))
            }),
        }
    }
}

/// An id as it may stand in an address.
fn spelled(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':') {
            text.push(c);
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_opaque_ids_and_nothing_that_breaks_an_address() {
        let templates = LinkTemplates::new(
            Some("https://bridge.example/chart/{id}".into()),
            Some("https://crm.example/detail/{remote_id}".into()),
        )
        .unwrap();
        let links = templates.of("7 8", "od:main:7", Some("a/b?c"));
        assert_eq!(links.chart.unwrap(), "https://bridge.example/chart/7%208");
        assert_eq!(links.crm.unwrap(), "https://crm.example/detail/a%2Fb%3Fc");
        // A contact that the CRM never named has no link.
        assert_eq!(templates.of("7", "od:main:7", None).crm, None);
    }

    #[test]
    fn a_link_with_a_place_for_a_name_is_refused() {
        for link in [
            "https://crm.example/",
            "https://crm.example/{remote_id}/{name}",
        ] {
            assert!(
                LinkTemplates::new(None, Some(link.into())).is_err(),
                "{link}"
            );
        }
    }
}
