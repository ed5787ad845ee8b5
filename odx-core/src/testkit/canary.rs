/// Things planted so that a leak can be found: names, numbers, keys.
#[derive(Debug, Clone, Default)]
pub struct Canaries(Vec<String>);

impl Canaries {
    /// Plants these. Each should be found nowhere by chance.
    pub fn new<T: Into<String>>(canaries: impl IntoIterator<Item = T>) -> Self {
        Self(canaries.into_iter().map(Into::into).collect())
    }

    /// The first that stands in `text`, as it is or without blanks and
    /// punctuation in both.
    pub fn found_in(&self, text: &str) -> Option<&str> {
        let bare = |text: &str| {
            text.chars()
                .filter(|c| c.is_alphanumeric())
                .collect::<String>()
                .to_lowercase()
        };
        let text_bare = bare(text);
        self.0
            .iter()
            .find(|canary| text.contains(canary.as_str()) || text_bare.contains(&bare(canary)))
            .map(String::as_str)
    }

    /// Fails if any stands in `text`; `what` says where it was looked for.
    ///
    /// # Panics
    /// If one is found. It does not print the text.
    #[allow(clippy::panic, reason = "an assertion")]
    pub fn assert_absent(&self, what: &str, text: &str) {
        if let Some(canary) = self.found_in(text) {
            panic!("{what} shows the canary {canary:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_however_it_is_punctuated() {
        let canaries = Canaries::new(["(503) 555-0142"]);
        assert!(canaries.found_in("called 503.555.0142 twice").is_some());
        assert!(canaries.found_in("called 503.555.0143 twice").is_none());
    }
}
