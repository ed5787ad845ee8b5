//! The sync through odx, as a service would compose it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use odx_core::policy::{RecallPolicy, RecallSettings};
use odx_core::store::SqliteStore;
use odx_core::{Mode, Office, OfficeId, Pipeline, Secret, SinkId, SourceId};
use odx_crm::{Auth, RestConfig};
use odx_opendental::{Credentials, OpenDental, SYSTEM};

use crate::Failure;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn sync(url: &str, state: &Path, batch: usize) -> Result<(), Failure> {
    let credentials = Credentials {
        developer_key: Secret::new("developer"),
        customer_key: Secret::new("customer"),
    };
    let source = OpenDental::builder(SourceId::new(SYSTEM, "bench")?, credentials)
        .with_base_urls(vec![format!("{url}/api/v1").parse()?])
        .with_interval(Duration::ZERO)
        .build()?;
    let sink = RestConfig::new(SinkId::new("rest", "bench")?, format!("{url}/crm").parse()?)
        .with_auth(Auth::Bearer(Secret::new("token")))
        .with_batch(batch.try_into()?)
        .build()?;
    let office = Office::new(
        OfficeId::new("bench")?,
        "Bench",
        chrono_tz::America::New_York,
    );
    let pipeline = Pipeline::builder(Arc::new(source))
        .policy(RecallPolicy::new(RecallSettings::default())?)
        .sink(Arc::new(sink))
        .state(Arc::new(SqliteStore::open(state)?))
        .office(office)
        .build()?;
    let report = pipeline.run_once(Mode::Live).await?;
    if report.complete {
        Ok(())
    } else {
        Err("the sync is not complete".into())
    }
}
