use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{get, post, put},
};
use steadfast::{
    policy::configuration::CONFIGURATION_PATH,
    wire::{DETAILED_HEALTH_PATH, ERROR_PREFERENCES_PATH, QUEUE_ACTIONS_PATH, RECOVER_BATCH_PATH, RETRY_OPERATION_PATH},
};

use crate::{
    applied_actions, configuration, correlation, demonstration, documents,
    error::RequestError,
    faults, files, health, operations, preferences, services,
    site::{self, Site},
    state::AppState,
    sync,
};

/// Everything that the server answers. The last layer is the outermost: faults are correlated and logged as well.
pub(crate) fn router(state: AppState, site: Option<Site>, with_faults: bool) -> Router {
    let mut router = Router::new()
        .route("/api/health", get(health::health))
        .route(DETAILED_HEALTH_PATH, get(health::detailed))
        .route(CONFIGURATION_PATH, get(configuration::error_handling))
        .route(ERROR_PREFERENCES_PATH, get(preferences::show).put(preferences::replace))
        .route(RETRY_OPERATION_PATH, post(operations::retry))
        .route(RECOVER_BATCH_PATH, post(operations::recover_batch))
        .route("/admin/api/monitoring/circuit-breakers/reset/{service}", post(services::reset))
        .route("/admin/api/monitoring/circuit-breakers/reset-all", post(services::reset_all))
        .route(QUEUE_ACTIONS_PATH, post(sync::queue_actions))
        .route("/api/sync/status/{userId}", get(sync::status))
        .route("/api/drafts/{draftId}", put(sync::save_draft))
        .route("/api/files", get(files::files))
        .route("/api/files/{fileId}", get(files::file).put(sync::save_file))
        .route("/api/photos", post(sync::add_photo))
        .route("/api/documents", get(documents::documents))
        .route("/api/applied-actions", get(applied_actions::applied_actions))
        .route("/api/demo/errors", get(demonstration::catalogue))
        .route("/api/demo/errors/{format}/{case}", get(demonstration::error))
        .route("/api/demo/sign-ups/{dialect}", post(demonstration::sign_up));
    if with_faults {
        let switch = get(faults::show).put(faults::set).delete(faults::clear);
        router = router
            .route(faults::PATH, switch)
            .route("/api/faults/configuration", put(configuration::set).delete(configuration::clear))
            .route("/api/faults/services/{service}", put(services::set));
    }
    router = match site {
        Some(site) => router.fallback_service(site::serve.with_state(site)),
        None => router.fallback(async || RequestError::NotFound),
    };
    router = router.method_not_allowed_fallback(async || RequestError::MethodNotAllowed { allow: None });
    if with_faults {
        router = router.layer(middleware::from_fn_with_state(state.clone(), faults::inject));
    }
    router.layer(middleware::from_fn_with_state(state.clone(), correlation::correlate)).with_state(state)
}
