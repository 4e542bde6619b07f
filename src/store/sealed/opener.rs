//! Opens what lies sealed, outside of any transaction: for those who look at a store from the side.

use super::cipher::NONCE;
use super::ring::{Asked, Opened, Ring};
use crate::platform::tables::{Kind, Row};
use crate::platform::{OfUsers, StoreError};
use crate::store::Table;

/// Has all keys that there are.
pub struct Opener(Ring);

impl Opener {
    /// One that has these keys, those of each user with the newest last.
    pub fn new(keys: &OfUsers) -> Self {
        Self(Ring::new(Asked::OfAll, keys))
    }

    /// The same table, with all in the clear that can be opened.
    ///
    /// # Errors
    /// None, since it knows of all keys.
    pub fn open_table(&self, table: &Table) -> Result<Table, StoreError> {
        let mut open = Table::default();
        for user_id in table.users() {
            for mut row in table.all_rows(&user_id) {
                self.0.open_row(&user_id, &mut row)?;
                open.write(&user_id, &row);
            }
            for kind in [Kind::Queue, Kind::History, Kind::File] {
                for (name, text) in table.documents(&user_id, kind) {
                    let opened = self.0.open_document(&user_id, kind, &name, &text)?;
                    let text = if let Opened::Open(opened, _) = opened { opened } else { text };
                    open.write_document(&user_id, kind, &name, Some(&text));
                }
            }
        }
        open.commit();
        Ok(open)
    }

    /// A row as it is kept once it is sealed with the key of that sealed text; `None` if there is none. No two may have the same nonce.
    pub fn seal_row_like(&self, sealed: &str, user_id: &str, row: &Row, nonce: &[u8; NONCE]) -> Option<Row> {
        self.0.seal_row_like(sealed, user_id, row, nonce)
    }
}
