use std::sync::Arc;

use axum::extract::FromRef;

use crate::{database::Database, demonstration::Catalogue, faults::FaultSwitch, traffic::Traffic};

/// What the handlers share.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) database: Database,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) faults: Arc<FaultSwitch>,
}
