//! Files in the database: blobs as they are, in an object store of their own, so that no transaction of the queue waits for them.

use super::binding::{self, CommittingTransaction, DurableDatabase};
use super::failure::store_error;
use super::listening::{Answer, Listening};
use super::{Connection, Database, FILES, Handle};
use crate::browser::BrowserClock;
use crate::browser::global::describe;
use crate::platform::{Access, Clock, Files, KeptFile, StoreError, StoreErrorKind};
use js_sys::{Array, JsString};
use std::cell::RefCell;
use std::rc::Weak;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DomException, IdbDatabase, IdbKeyRange, IdbObjectStore, IdbRequest};

const REACHING: &str = "reaching the files of the queue";
const READING: &str = "reading a file of the queue";
const WRITING: &str = "writing files of the queue";

/// A transaction on the files of a user. Dropping one that may write before it is committed aborts it.
struct FilesTransaction {
    listening: Listening,
    files: IdbObjectStore,
    user: JsString,
    is_to_be_aborted: bool,
    database: IdbDatabase,
    slot: Weak<RefCell<Connection>>,
}

impl FilesTransaction {
    fn begin(
        handle: &Handle,
        user_id: &str,
        access: Access,
        slot: Weak<RefCell<Connection>>,
        clock: &BrowserClock,
    ) -> Result<Self, StoreError> {
        let failed = |thrown: JsValue| store_error(REACHING, &thrown);
        let mode = if access == Access::Write { "readwrite" } else { "readonly" };
        let database: &DurableDatabase = handle.database.unchecked_ref();
        let stores = Array::of1(&FILES.into());
        let transaction = database.transaction(&stores, mode, &handle.options).map_err(failed)?;
        Ok(Self {
            files: transaction.object_store(FILES).map_err(failed)?,
            listening: Listening::new(transaction, clock.clone()),
            user: user_id.into(),
            is_to_be_aborted: access == Access::Write,
            database: handle.database.clone(),
            slot,
        })
    }

    /// Lets go of a connection that fails, so that the next transaction begins on another.
    fn hear<T>(&self, heard: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError { kind: StoreErrorKind::Closed | StoreErrorKind::TimedOut, .. }) = heard {
            self.database.close();
            if let Some(slot) = self.slot.upgrade() {
                slot.borrow_mut().forget(&self.database);
            }
        }
        heard
    }

    fn key(&self, id: &str) -> JsValue {
        binding::text_key(&self.user, id)
    }

    async fn read(&self, request: Result<IdbRequest, JsValue>) -> Result<JsValue, StoreError> {
        let asked: Result<Answer<'_>, JsValue> = request.map(|request| self.listening.ask(request, READING));
        let answer = match asked {
            Ok(answer) => answer.await,
            Err(thrown) => Err(self.listening.thrown(READING, &thrown)),
        };
        self.hear(answer)
    }

    fn tell(&self, request: Result<IdbRequest, JsValue>) -> Result<(), StoreError> {
        let told = request.map(|request| self.listening.tell(request, 1));
        self.hear(told.map_err(|thrown| self.listening.thrown(WRITING, &thrown)))
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.is_to_be_aborted = false;
        // Without waiting for the transaction to notice that it is idle. It may already have ended by itself, and says so.
        let _: Result<(), JsValue> = self.listening.transaction.unchecked_ref::<CommittingTransaction>().commit();
        let completed = self.listening.complete().await;
        self.hear(completed)
    }
}

impl Drop for FilesTransaction {
    fn drop(&mut self) {
        if self.is_to_be_aborted {
            self.listening.abort();
        }
    }
}

/// How many bytes may take as long to be written as a row.
const BYTES_PER_ROW: u64 = 16 << 10;

/// As a record: the blob, in a list if it is encrypted.
fn to_record(KeptFile { file, is_sealed }: &KeptFile<Blob>) -> JsValue {
    if *is_sealed { Array::of1(file).into() } else { file.into() }
}

fn from_record(record: JsValue) -> Option<KeptFile<Blob>> {
    let is_sealed = Array::is_array(&record);
    let file = if is_sealed { record.unchecked_into::<Array>().get(0) } else { record };
    Some(KeptFile { file: file.dyn_into().ok()?, is_sealed })
}

/// Whether a blob can be read: what it is a handle of may be gone from the disk, and to send it would look like a network that fails.
async fn is_readable(blob: &Blob) -> Result<bool, StoreError> {
    let size = blob.size();
    let failed = |thrown: &JsValue| StoreError::new(StoreErrorKind::Failed, READING, describe(thrown));
    let end = blob.slice_with_f64_and_f64((size - 1.0).max(0.0), size).map_err(|thrown| failed(&thrown))?;
    match JsFuture::from(end.array_buffer()).await {
        Ok(_) => Ok(true),
        Err(thrown) => match thrown.dyn_ref::<DomException>().map(DomException::name).as_deref() {
            Some("NotFoundError" | "NotReadableError") => Ok(false),
            _ => Err(failed(&thrown)),
        },
    }
}

impl Database {
    async fn begin_on_files(&self, user_id: &str, access: Access) -> Result<FilesTransaction, StoreError> {
        for pause in super::PAUSES {
            match self.try_files(user_id, access).await {
                Err(lost) if lost.kind == StoreErrorKind::Closed => self.clock.sleep(pause).await,
                begun => return begun,
            }
        }
        self.try_files(user_id, access).await
    }

    async fn try_files(&self, user_id: &str, access: Access) -> Result<FilesTransaction, StoreError> {
        let handle = self.connect().await?;
        let slot = std::rc::Rc::downgrade(&self.connection);
        FilesTransaction::begin(&handle, user_id, access, slot, &self.clock).inspect_err(|_| {
            handle.database.close();
            self.connection.borrow_mut().forget(&handle.database);
        })
    }
}

impl Files for Database {
    type File = KeptFile<Blob>;

    fn size(&self, file: &KeptFile<Blob>) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size is neither")]
        let size = file.file.size() as u64;
        size
    }

    async fn write_files(&self, user_id: &str, files: Vec<(String, KeptFile<Blob>)>) -> Result<(), StoreError> {
        let transaction = self.begin_on_files(user_id, Access::Write).await?;
        for (id, file) in &files {
            transaction.listening.expect_work(self.size(file) / BYTES_PER_ROW);
            transaction.tell(transaction.files.put_with_key(&to_record(file), &transaction.key(id)))?;
        }
        transaction.commit().await
    }

    async fn file(&self, user_id: &str, id: &str, _kind: &str) -> Result<Option<KeptFile<Blob>>, StoreError> {
        let transaction = self.begin_on_files(user_id, Access::Read).await?;
        let record = transaction.read(transaction.files.get(&transaction.key(id))).await?;
        drop(transaction);
        let Some(kept) = from_record(record) else { return Ok(None) };
        Ok(is_readable(&kept.file).await?.then_some(kept))
    }

    async fn delete_files(&self, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
        let transaction = self.begin_on_files(user_id, Access::Write).await?;
        for id in ids {
            transaction.tell(transaction.files.delete(&transaction.key(id)))?;
        }
        transaction.commit().await
    }

    async fn file_ids(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        let transaction = self.begin_on_files(user_id, Access::Read).await?;
        let first = binding::user_key(&transaction.user);
        let range = IdbKeyRange::bound(&first, &binding::end_of_user(&transaction.user, &Array::new()));
        let range = range.map_err(|thrown| store_error(READING, &thrown))?;
        let keys: Array = transaction.read(transaction.files.get_all_keys_with_key(&range)).await?.unchecked_into();
        Ok(keys.iter().filter_map(|key| key.unchecked_into::<Array>().get(1).as_string()).collect())
    }
}
