//! Values that must not be printed.
//!
//! [`Phi`] holds anything that says who a patient is, [`Secret`] a key or a
//! token. Neither has `Display` or `Deref`, both print a placeholder in
//! `Debug`. The only way in is a word that can be searched for: `expose`.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// Something about a patient: a name, a number, an address, a date of birth.
///
/// ```
/// use odx_core::Phi;
/// let name = Phi::new(String::from("Ana"));
/// assert_eq!(format!("{name:?}"), "[phi]");
/// assert_eq!(name.expose(), "Ana");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Every use is a place where patient data may leave.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, taken out.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// For `#[serde(with = "odx_core::phi::expose")]`: [`Phi`] cannot be serialised
/// by accident, a field says that it wants to be.
pub mod expose {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Phi;

    /// Writes the value.
    ///
    /// # Errors
    /// Those of the serialiser.
    pub fn serialize<T: Serialize, S: Serializer>(phi: &Phi<T>, to: S) -> Result<S::Ok, S::Error> {
        phi.0.serialize(to)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// Those of the deserialiser.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Phi<T>, D::Error> {
        T::deserialize(from).map(Phi)
    }
}

/// As [`expose`], for `Option<Phi<T>>`. Put `default` beside it.
pub mod expose_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Phi;

    /// Writes the value, or none.
    ///
    /// # Errors
    /// Those of the serialiser.
    pub fn serialize<T: Serialize, S: Serializer>(
        phi: &Option<Phi<T>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        phi.as_ref().map(|phi| &phi.0).serialize(to)
    }

    /// Reads a value, or none.
    ///
    /// # Errors
    /// Those of the deserialiser.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Phi<T>>, D::Error> {
        Option::<T>::deserialize(from).map(|value| value.map(Phi))
    }
}

/// A key, token or password. Wiped from memory when dropped.
///
/// ```
/// use odx_core::Secret;
/// assert_eq!(format!("{:?}", Secret::new("s3cret")), "[secret]");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}
