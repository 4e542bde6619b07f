//! A store of which everything is done in one place.

use crate::platform::tables::{Durability, Store};
use crate::platform::{Access, StoreError};

/// What a drain works on: the place that it has begun to send from, wherever new actions go to meanwhile.
#[derive(Debug)]
pub struct At<'s, S> {
    /// All of it.
    pub store: &'s S,
    /// That one.
    pub place: Durability,
}

impl<S: Store> Store for At<'_, S> {
    type Transaction = S::Transaction;

    fn durability(&self) -> Durability {
        self.place
    }

    async fn transaction(&self, access: Access) -> Result<S::Transaction, StoreError> {
        self.store.transaction_at(self.place, access).await
    }
}
