//! The ladder under the store that encrypts: what is brought to a better place can be opened there, and stays sealed.

use crate::fake_keys::FakeKeys;
use crate::ladder::{self, World};
use crate::run;
use steadfast::platform::tables::{Kind, Lane, Lot, Row, Store, Transaction};
use steadfast::platform::{Access, Encryption, StoreError, StoreErrorKind};
use steadfast::store::Sealed;

type Tab = Sealed<ladder::Tab, FakeKeys>;

fn tab(world: &World, keys: &FakeKeys, encryption: Encryption, user_id: &str) -> Tab {
    Sealed::new(world.tab(), keys.clone(), encryption, Some(user_id.into()))
}

fn row(seq: u64) -> Row {
    let text = format!("{{\"data\":\"secret {seq}\"}}");
    Row { lane: Lane::Normal, seq, id: format!("id-{seq}"), key: None, due: None, after: None, text, weight: None }
}

async fn put(tab: &Tab, user_id: &str, seq: u64) -> Result<(), StoreError> {
    let transaction = tab.transaction(Access::Write).await?;
    transaction.write(user_id, &row(seq))?;
    transaction.write_document(user_id, Kind::Queue, "", Some(&format!("{{\"last\":{seq}}}")))?;
    transaction.commit().await
}

fn absorb<T: Transaction>(transaction: T, lot: &Lot) -> Result<T, StoreError> {
    for row in &lot.rows {
        transaction.write(&lot.user_id, row)?;
    }
    transaction.write_document(&lot.user_id, Kind::Queue, "", Some("{\"last\":99}"))?;
    Ok(transaction)
}

async fn promote(tab: &Tab, user_id: &str) -> Result<(), StoreError> {
    let others = ["ada", "bob"].map(String::from);
    tab.promote(user_id, &others, async |transaction, lot| absorb(transaction, &lot)).await
}

async fn rows(tab: &Tab, user_id: &str) -> Vec<Row> {
    let transaction = tab.transaction(Access::Read).await.unwrap();
    transaction.rows(user_id, Lane::Normal, 0, 100, 100).await.unwrap()
}

/// Something lies above, something below, and then all that is above is deleted, the keys with it.
async fn below_what_was_deleted(world: &World, keys: &FakeKeys) -> Tab {
    let below = tab(world, keys, Encryption::Required, "ada");
    put(&below, "ada", 1).await.unwrap();
    world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
    put(&below, "ada", 2).await.unwrap();
    world.upper.faults.beginning.set(None);
    world.upper.store.clear();
    keys.kept.take();
    below
}

#[test]
fn what_is_brought_up_after_everything_there_was_deleted_can_be_read_later() {
    run(async {
        let (world, keys) = <(World, FakeKeys)>::default();
        let below = below_what_was_deleted(&world, &keys).await;
        promote(&below, "ada").await.unwrap();
        assert_eq!(rows(&tab(&world, &keys, Encryption::Required, "ada"), "ada").await, [row(2)]);
    });
}

#[test]
fn what_lies_below_under_a_key_that_only_this_page_has_is_brought_up_beside_what_others_have_sealed_since() {
    run(async {
        let (world, keys) = <(World, FakeKeys)>::default();
        let below = below_what_was_deleted(&world, &keys).await;
        put(&tab(&world, &keys, Encryption::Required, "ada"), "ada", 3).await.unwrap();
        promote(&below, "ada").await.unwrap();
        assert_eq!(rows(&tab(&world, &keys, Encryption::Required, "ada"), "ada").await, [row(2), row(3)]);
    });
}

#[test]
fn what_is_not_certain_to_be_opened_later_is_not_brought_up() {
    run(async {
        let (world, keys) = <(World, FakeKeys)>::default();
        let below = below_what_was_deleted(&world, &keys).await;
        keys.failure.set(Some(StoreErrorKind::TimedOut));
        assert_eq!(promote(&below, "ada").await.unwrap_err().kind, StoreErrorKind::KeyUnavailable);
        assert_eq!(world.upper.store.committed().all_rows("ada"), []);
        assert_eq!(world.middle.store.committed().all_rows("ada").len(), 1);
    });
}

#[test]
fn what_a_user_has_had_encrypted_is_not_written_in_plain_text_by_another_users_page() {
    run(async {
        let (world, keys) = <(World, FakeKeys)>::default();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        put(&tab(&world, &keys, Encryption::Required, "ada"), "ada", 1).await.unwrap();
        world.upper.faults.beginning.set(None);
        promote(&tab(&world, &keys, Encryption::Off, "bob"), "bob").await.unwrap();
        let lies = world.upper.store.committed().all_rows("ada");
        assert!(lies.len() == 1 && !lies[0].text.contains("secret"), "{lies:?}");
        assert_eq!(rows(&tab(&world, &keys, Encryption::Required, "ada"), "ada").await, [row(1)]);
    });
}
