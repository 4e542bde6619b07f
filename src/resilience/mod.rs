//! What stands around a call, so that it helps the server instead of hammering it.
//!
//! The policies, from the outside in. Each call passes them in this order, and an attempt that fails starts again at the second:
//!
//! 1. **Deadline** ([`RetryPolicy::total_timeout`](crate::policy::retry::RetryPolicy::total_timeout)): nothing is waited for that would end after it.
//! 2. **Retry**, paid from the **budget** of the first service.
//! 3. **Pause**: a service that has said when it wants to be asked again is not asked earlier, by any tab.
//! 4. **Send rate**: after throttling, as fast as the service has shown to take (on request).
//! 5. **Bulkhead**: so many at once, interactive work before background work.
//! 6. **Circuit breaker**: a service that fails is left alone, then probed by a few.
//! 7. **Hedge**: a second, identical attempt when the first one is slow (safe requests only, on request).
//! 8. **Timeout** of the attempt.
//!
//! All state belongs to a *service*: a key that is an origin, the name by which a backend calls one of its parts, or a word of
//! the caller's own. A call may go through two of them: its origin, and the part of the backend that stands behind its route.

pub mod bulkhead;
pub mod hedge;
pub mod pipeline;
pub mod routes;
pub mod services;
pub mod shared;
