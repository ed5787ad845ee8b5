//! Every simulated answer has the keys, key order and JSON types of the printed one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::*;

/// Keys in order, each with the kind of its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape(Vec<(String, &'static str)>);

impl Shape {
    /// The same without one key.
    pub(super) fn without(&self, key: Option<&str>) -> Self {
        let kept = |(name, _): &&(String, &'static str)| Some(name.as_str()) != key;
        Self(self.0.iter().filter(kept).cloned().collect())
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    let kind = match value {
                        Value::String(_) => "text",
                        Value::Number(n) if n.is_f64() => "decimal",
                        Value::Number(_) => "integer",
                        _ => "other",
                    };
                    shape.push((key, kind));
                }
                Ok(Shape(shape))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

pub(super) fn shapes(text: &str) -> Vec<Shape> {
    if text.trim_start().starts_with('[') {
        serde_json::from_str(text).unwrap()
    } else {
        vec![serde_json::from_str(text).unwrap()]
    }
}

macro_rules! printed {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../tests/fixtures/", $name, ".json")),
        )
    };
}
pub(super) use printed;

async fn same_shape(client: &Client, target: &str, (name, printed): (&str, &str)) {
    let printed = shapes(printed);
    let got = client.get(target).await;
    assert_eq!(got.status, 200, "{name}: {}", got.text());
    let answered = shapes(&got.text());
    assert!(!answered.is_empty(), "{name}: no rows to compare");
    for row in &answered {
        assert_eq!(row, &printed[0], "{name}");
    }
}

async fn office() -> (Practice, Client) {
    let practice = Practice::builder(1)
        .with_clinics(2)
        .with_pat_field_def("Outstanding", "Currency")
        .build()
        .unwrap();
    practice.add_signal("Defs");
    let client = Client::of(&practice).await;
    (practice, client)
}

#[tokio::test]
async fn patients_look_as_printed() {
    let (practice, client) = office().await;
    same_shape(&client, "/patients/Simple", printed!("patients.simple.get")).await;
    let one = practice.patients()[0].pat_num;
    let single = format!("/patients/{one}");
    same_shape(&client, &single, printed!("patients.single.get")).await;
    let none = client.get("/patients?LName=nobody%20at%20all").await;
    let (_, empty) = printed!("patients.get.empty");
    assert_eq!(none.text().trim(), empty.trim());
}

#[tokio::test]
async fn operatories_look_as_printed() {
    let (_practice, client) = office().await;
    same_shape(&client, "/operatories", printed!("operatories.get")).await;
    let single = printed!("operatories.single.get");
    same_shape(&client, "/operatories/1", single).await;
    assert_eq!(client.get("/operatories/99").await.status, 404);
}

#[tokio::test]
async fn the_patient_picker_prints_zip_as_a_number_when_it_can() {
    let (practice, client) = office().await;
    let mut row = PatientRow::new("Zipcode", "Plain");
    row.zip = "97301".to_owned();
    practice.add_patient(row.clone());
    let picked = "/patients?LName=zipcode";
    same_shape(&client, picked, printed!("patients.get")).await;
    row.zip = "07101".to_owned();
    row.f_name = "Zero".to_owned();
    practice.add_patient(row);
    let got = client.get("/patients?LName=zipcode&FName=zero").await;
    assert_eq!(got.rows()[0]["Zip"], "07101");
}

#[tokio::test]
async fn recalls_look_as_printed() {
    let (_practice, client) = office().await;
    same_shape(&client, "/recalls", printed!("recalls.get")).await;
    same_shape(&client, "/recalls/List", printed!("recalls.list.get")).await;
    same_shape(&client, "/recalltypes", printed!("recalltypes.get")).await;
    same_shape(
        &client,
        "/recalltypes/7",
        printed!("recalltypes.single.get"),
    )
    .await;
}

#[tokio::test]
async fn appointments_look_as_printed() {
    let (practice, client) = office().await;
    same_shape(&client, "/appointments", printed!("appointments.get")).await;
    let one = practice.appointments()[0].apt_num;
    let single = format!("/appointments/{one}");
    same_shape(&client, &single, printed!("appointments.single.get")).await;
    same_shape(
        &client,
        "/histappointments",
        printed!("histappointments.get"),
    )
    .await;
    practice.delete_appointment(one);
    let history = format!("/histappointments?AptNum={one}");
    same_shape(&client, &history, printed!("histappointments.get.2")).await;
}

#[tokio::test]
async fn reference_lists_look_as_printed() {
    let (_practice, client) = office().await;
    for (target, printed) in [
        ("/definitions?Category=1", printed!("definitions.get")),
        ("/clinics", printed!("clinics.get")),
        ("/providers", printed!("providers.get")),
        ("/providers/4", printed!("providers.single.get")),
        ("/providers?ClinicNum=1", printed!("providers.byclinic.get")),
        ("/preferences", printed!("preferences.get")),
        ("/securityperms", printed!("securityperms.get")),
        (
            "/signalods?SigDateTime=2021-02-02%2005%3A05%3A00",
            printed!("signalods.get"),
        ),
        ("/computers", printed!("computers.get")),
        ("/patfielddefs", printed!("patfielddefs.get")),
    ] {
        same_shape(&client, target, printed).await;
    }
}
