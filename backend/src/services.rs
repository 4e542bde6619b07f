//! The services that this server is said to depend on, and the circuit breakers towards them. It has no such services: the fault
//! switch says how they are.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use steadfast::wire::ServiceHealth;

use crate::{authentication::User, clock, error::RequestError, request_body};

/// Those that there are from the start: the specification's.
const NAMES: [&str; 2] = ["email_service", "runninghub_api"];
const MOST: usize = 32;
const LONGEST_NAME: usize = 64;
const LONGEST_RECOVERY: u64 = 3_600_000;
const USUAL_RECOVERY: Duration = Duration::from_secs(30);
const USUAL_FAILURES: u32 = 5;

/// The circuit breakers, by the names of their services.
#[derive(Debug)]
pub(crate) struct Services {
    circuits: Mutex<BTreeMap<String, Circuit>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Circuit {
    state: CircuitState,
    failures: u32,
    last_failure: Option<Timestamp>,
    /// When an open circuit becomes half-open.
    recovery: Option<Timestamp>,
}

/// How a circuit breaker stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CircuitState {
    #[default]
    Closed,
    HalfOpen,
    Open,
}

/// How a circuit breaker is to stand, as set with `PUT /api/faults/services/{service}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CircuitSetting {
    circuit_breaker_state: CircuitState,
    /// For `open`: how long until it is half-open; else for 30 s.
    recover_after_ms: Option<u64>,
    failure_count: Option<u32>,
}

impl Default for Services {
    fn default() -> Self {
        let circuits = NAMES.into_iter().map(|name| (name.to_owned(), Circuit::default()));
        Self { circuits: Mutex::new(circuits.collect()) }
    }
}

impl Services {
    /// How the services are now.
    pub(crate) fn health(&self) -> BTreeMap<String, ServiceHealth> {
        let now = Timestamp::now();
        self.lock().iter().map(|(name, circuit)| (name.clone(), circuit.health(now))).collect()
    }

    fn set(&self, name: &str, circuit: Circuit) -> Result<(), RequestError> {
        let invalid = |message: String| RequestError::Invalid { field: "service".to_owned(), message };
        let mut circuits = self.lock();
        if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
            return Err(invalid(format!("must have 1 to {LONGEST_NAME} characters")));
        }
        if circuits.len() >= MOST && !circuits.contains_key(name) {
            return Err(invalid(format!("there can be {MOST} at most")));
        }
        circuits.insert(name.to_owned(), circuit);
        Ok(())
    }

    /// Closes the circuit breaker of a service, if there is one of that name.
    fn reset(&self, name: &str) -> Result<(), RequestError> {
        *self.lock().get_mut(name).ok_or(RequestError::NotFound)? = Circuit::default();
        Ok(())
    }

    fn reset_all(&self) -> Vec<String> {
        let mut circuits = self.lock();
        circuits.values_mut().for_each(|circuit| *circuit = Circuit::default());
        circuits.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuit {
    fn state(&self, now: Timestamp) -> CircuitState {
        match self.state {
            CircuitState::Open if self.recovery.is_some_and(|recovery| recovery <= now) => CircuitState::HalfOpen,
            state => state,
        }
    }

    fn health(&self, now: Timestamp) -> ServiceHealth {
        let (status, state) = match self.state(now) {
            CircuitState::Closed => ("healthy", "closed"),
            CircuitState::HalfOpen => ("degraded", "half-open"),
            CircuitState::Open => ("unhealthy", "open"),
        };
        ServiceHealth {
            status: status.to_owned(),
            circuit_breaker_state: state.to_owned(),
            last_failure: self.last_failure.map(clock::written),
            failure_count: self.failures,
            recovery_time: self.recovery.map(clock::written),
        }
    }
}

impl CircuitSetting {
    fn into_circuit(self) -> Result<Circuit, RequestError> {
        let problem = match self {
            Self { recover_after_ms: Some(time), .. } if time > LONGEST_RECOVERY => "must not exceed 3600000",
            Self { recover_after_ms: Some(_), circuit_breaker_state, .. } if circuit_breaker_state != CircuitState::Open => {
                "is for open alone"
            }
            _ => "",
        };
        if !problem.is_empty() {
            return Err(RequestError::Invalid { field: "recoverAfterMs".to_owned(), message: problem.to_owned() });
        }
        let (now, state) = (Timestamp::now(), self.circuit_breaker_state);
        let has_failed = state != CircuitState::Closed;
        let after = self.recover_after_ms.map_or(USUAL_RECOVERY, Duration::from_millis);
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        Ok(Circuit {
            state,
            failures: self.failure_count.unwrap_or(if has_failed { USUAL_FAILURES } else { 0 }),
            last_failure: has_failed.then_some(now),
            recovery: if state == CircuitState::Open { now.checked_add(after).ok() } else { None },
        })
    }
}

/// `PUT /api/faults/services/{service}`.
pub(crate) async fn set(
    State(services): State<Arc<Services>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<BTreeMap<String, ServiceHealth>>, RequestError> {
    let setting: CircuitSetting = request_body::json(request).await?;
    let Path(name) = path.map_err(|_| RequestError::NotFound)?;
    services.set(&name, setting.into_circuit()?)?;
    Ok(Json(services.health()))
}

/// What an administrator has closed.
#[derive(Debug, Serialize)]
pub(crate) struct Reset {
    success: bool,
    services: Vec<String>,
}

/// `POST /admin/api/monitoring/circuit-breakers/reset/{service}`.
pub(crate) async fn reset(
    State(services): State<Arc<Services>>,
    user: User,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Reset>, RequestError> {
    user.must_be_administrator()?;
    let Path(name) = path.map_err(|_| RequestError::NotFound)?;
    services.reset(&name)?;
    Ok(Json(Reset { success: true, services: vec![name] }))
}

/// `POST /admin/api/monitoring/circuit-breakers/reset-all`.
pub(crate) async fn reset_all(State(services): State<Arc<Services>>, user: User) -> Result<Json<Reset>, RequestError> {
    user.must_be_administrator()?;
    Ok(Json(Reset { success: true, services: services.reset_all() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_open_circuit_is_half_open_when_its_time_has_come() {
        let setting =
            CircuitSetting { circuit_breaker_state: CircuitState::Open, recover_after_ms: Some(1000), failure_count: None };
        let circuit = setting.into_circuit().unwrap();
        let recovery = circuit.recovery.unwrap();
        let earlier = recovery - SignedDuration::from_millis(1);
        assert_eq!((circuit.state(earlier), circuit.state(recovery)), (CircuitState::Open, CircuitState::HalfOpen));
        assert_eq!(circuit.health(earlier).status, "unhealthy");
        assert_eq!(circuit.health(recovery).circuit_breaker_state, "half-open");
    }
}
