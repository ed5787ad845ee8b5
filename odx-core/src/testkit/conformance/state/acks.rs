//! What a sink answered.

use chrono::TimeDelta;

use super::StateHarness;
use super::bench::{Bench, NOW, acknowledged, hash, id, ok, parked, person};
use crate::store::{Hold, Standing};

/// An acknowledgement is stored at once and says nothing of its household: that
/// stays due until every op of it is answered.
pub async fn an_acknowledgement_does_not_reconcile<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let mut acks = b.acks();
    acks.acknowledged.push((id("1"), acknowledged(1)));
    ok(b.store.commit_acks(acks).await);
    assert_eq!(
        b.standing(&id("1")).await.acknowledged,
        Some(acknowledged(1))
    );
    assert_eq!(b.due().await, [("1".to_owned(), 1)]);
    let mut acks = b.acks();
    acks.parked.push(parked("2", "1", Hold::Refused));
    ok(b.store.commit_acks(acks).await);
    assert_eq!(b.due().await, [("1".to_owned(), 1)]);
}

/// The ledger holds one row per record: a repeat changes nothing, a newer
/// content takes the place of the older.
pub async fn the_same_acknowledgement_twice_is_one<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    for n in [1, 1, 2, 2] {
        let mut acks = b.acks();
        acks.acknowledged.push((id("1"), acknowledged(n)));
        ok(b.store.commit_acks(acks).await);
        let known = b.standing(&id("1")).await.acknowledged;
        assert_eq!(known, Some(acknowledged(n)));
        assert_eq!(b.counted().await, (1, 1));
    }
    // Of several, in the order that was asked for; of the unknown, nothing.
    let ids = vec![id("9"), id("1"), id("8")];
    let standing = ok(b.store.standing(&b.sink, ids).await);
    let hashes: Vec<_> = standing
        .iter()
        .map(|Standing { acknowledged, .. }| acknowledged.as_ref().map(|row| row.hash))
        .collect();
    assert_eq!(hashes, [None, Some(hash(2)), None]);
}

/// What is set aside is listed with its reason, refused ones first, until it is
/// cleared; the rest stays.
pub async fn what_is_set_aside_is_listed_until_it_is_cleared<H: StateHarness>() {
    let (_place, mut b) = Bench::new::<H>().await;
    b.commit(vec![person("1")], &[]).await;
    let at = |seconds| Hold::Until(NOW + TimeDelta::seconds(seconds));
    let mut acks = b.acks();
    acks.parked = vec![
        parked("1", "1", at(60)),
        parked("2", "1", at(30)),
        parked("3", "1", Hold::Refused),
        parked("4", "1", Hold::Blocked),
    ];
    ok(b.store.commit_acks(acks).await);
    let counts = ok(b.store.counts(&b.source, &b.sink).await);
    assert_eq!((counts.waiting, counts.refused, counts.blocked), (2, 1, 1));
    let wake = NOW + TimeDelta::seconds(30);
    assert_eq!(ok(b.store.next_wake(&b.sink).await), Some(wake));
    let listed = ok(b.store.parked(&b.sink, 9).await);
    assert_eq!(listed.len(), 4);
    assert_eq!(listed.first(), Some(&parked("3", "1", Hold::Refused)));
    assert_eq!(ok(b.store.parked(&b.sink, 2).await).len(), 2);
    let mut acks = b.acks();
    acks.cleared = vec![id("3"), id("2")];
    ok(b.store.commit_acks(acks).await);
    let mut left: Vec<_> = ok(b.store.parked(&b.sink, 9).await)
        .into_iter()
        .map(|parked| parked.external_id)
        .collect();
    left.sort();
    assert_eq!(left, [id("1"), id("4")]);
}
