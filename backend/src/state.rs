use std::sync::Arc;

use axum::extract::FromRef;

use crate::{
    configuration::ConfigurationSwitch, database::Database, demonstration::Catalogue, faults::FaultSwitch, services::Services,
    traffic::Traffic,
};

/// What the handlers share.
#[derive(Debug, Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) database: Database,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) faults: Arc<FaultSwitch>,
    pub(crate) configuration: Arc<ConfigurationSwitch>,
    pub(crate) services: Arc<Services>,
}
