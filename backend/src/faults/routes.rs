use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Serialize;

use super::switch::{Fault, FaultSwitch};
use crate::{error::RequestError, request_body};

/// Where the switch is. Faults never apply to it, or it could not be turned off.
pub(crate) const PATH: &str = "/api/faults";

/// What the switch is set to.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    fault: Option<Fault>,
}

/// `GET /api/faults`.
pub(crate) async fn show(State(switch): State<Arc<FaultSwitch>>) -> Json<Setting> {
    Json(Setting { fault: switch.get() })
}

/// `PUT /api/faults`: replaces the fault that is set.
pub(crate) async fn set(State(switch): State<Arc<FaultSwitch>>, request: Request) -> Result<Json<Setting>, RequestError> {
    let fault: Fault = request_body::json(request).await?;
    fault.check()?;
    switch.set(Some(fault.clone()));
    Ok(Json(Setting { fault: Some(fault) }))
}

/// `DELETE /api/faults`.
pub(crate) async fn clear(State(switch): State<Arc<FaultSwitch>>) -> Json<Setting> {
    switch.set(None);
    Json(Setting { fault: None })
}
