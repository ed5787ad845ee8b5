//! Tells gateways that keep a list of the stops that were learned elsewhere.

use std::collections::BTreeMap;

use super::Caller;
use crate::engine::{Mode, RunReport};
use crate::error::{Disposition, Result};
use crate::hash::LedgerHash;
use crate::id::ExternalId;
use crate::outreach::Address;
use crate::store::{AckCommit, Acknowledged, Due};

/// What a gateway was told of, or had no list for.
const TOLD: LedgerHash = LedgerHash::from_bytes([1; 16]);

impl Caller<'_> {
    /// Passes the stops of these households on, each address once to each
    /// gateway of its channel. A CRM is told by its contacts. What fails is
    /// tried again when the household is next looked at; nobody is written to
    /// meanwhile, because the gate knows.
    pub(super) async fn pass_on(&mut self, due: &[Due], report: &mut RunReport) -> Result<()> {
        if self.mode == Mode::DryRun {
            return Ok(());
        }
        let mut wanted: BTreeMap<ExternalId, Address> = BTreeMap::new();
        let members = due.iter().flat_map(|due| &due.view.members);
        for member in members.filter(|member| !member.stops.is_empty()) {
            let person = &member.patient.record;
            let phone = person.mobile.clone().map(Address::Phone);
            let email = person.email.clone().map(Address::Email);
            for address in [phone, email].into_iter().flatten() {
                let channel = address.channel();
                let stopped = member.stops.iter().any(|stop| stop.channel == channel);
                if let (true, Some(gateway)) = (stopped, self.outreach.gateway(channel)) {
                    let text = format!("{} {}", gateway.id(), address.text().expose());
                    let token = self.pipeline.store.outreach().token(&text).await?;
                    wanted.insert(ExternalId::from_kept(format!("stop:{token}")), address);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let store = &self.pipeline.store;
        let ids = wanted.keys().cloned().collect();
        let known = store.standing(&self.route, ids).await?;
        let mut told = Vec::new();
        for ((id, address), known) in wanted.into_iter().zip(known) {
            let Some(gateway) = self.outreach.gateway(address.channel()) else {
                continue;
            };
            if known.acknowledged.is_some() || self.closed.contains(gateway.id()) {
                continue;
            }
            match gateway.suppress(&address).await {
                Ok(_) => told.push((
                    id,
                    Acknowledged {
                        hash: TOLD,
                        generation: 1,
                        remote_id: None,
                        contact: None,
                    },
                )),
                Err(error) => {
                    if !matches!(error.disposition(), Disposition::Retry { .. }) {
                        self.closed.insert(gateway.id().clone());
                    }
                    self.pipeline.problem(report, &error, None);
                }
            }
        }
        if told.is_empty() {
            return Ok(());
        }
        store
            .commit_acks(AckCommit {
                source: self.pipeline.source.id().clone(),
                epoch: self.epoch,
                sink: self.route.clone(),
                now: self.now(),
                acknowledged: told,
                parked: Vec::new(),
                cleared: Vec::new(),
                reconciled: Vec::new(),
                disclosed: Vec::new(),
            })
            .await
    }
}
