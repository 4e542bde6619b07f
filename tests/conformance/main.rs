//! Every store keeps the promises of the contract. The same are tested in browsers, see `tests/browser/stores.rs`.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

macro_rules! test {
    ($place:ty: $promise:ident) => {
        #[test]
        fn $promise() {
            crate::run(crate::promises::$promise::<$place>());
        }
    };
}

mod fake_keys;
mod fake_texts;
mod faulty;
mod key_value;
mod ladder;
mod promises;
mod sealed;
mod sealed_ladder;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs what waits for nothing but itself.
fn run(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(()) {
            return;
        }
    }
    panic!("it waits for what never happens");
}

mod memory {
    use crate::promises::{Place, for_each_promise};
    use steadfast::store::Memory;

    /// Its clones are the same store: all that there is of it to be opened anew.
    struct Here(Memory);

    impl Place for Here {
        type Store = Memory;

        fn fresh() -> Self {
            Self(Memory::default())
        }

        fn open(&self) -> Memory {
            self.0.clone()
        }
    }

    for_each_promise!(test, Here);
}
