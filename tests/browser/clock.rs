//! The clocks, and one timer for all waits. Most of it runs by stand-ins for `performance.now` and `setTimeout`, within one task.
#![expect(clippy::float_cmp, reason = "counts")]

use futures_util::FutureExt as _;
use js_sys::{Function, Reflect};
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use steadfast::browser::BrowserClock;
use steadfast::platform::Clock;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

/// A time of the test's own, until it is dropped. What is read of it is `reading` of what the timers go by.
pub(crate) struct FakeTime(JsValue);

impl FakeTime {
    pub(crate) fn new() -> Self {
        Self::read_as("now")
    }

    fn read_as(reading: &str) -> Self {
        let install = format!(
            "const {{ setTimeout, clearTimeout }} = globalThis;
            const time = {{ now: 1234.5625, set: 0, cleared: 0, longest: 0, alive: 0, timers: new Map(), node: false, calls: false }};
            let last = 0;
            globalThis.setTimeout = (callback, delay, ...given) => {{
                time.set++;
                time.longest = Math.max(time.longest, delay);
                if (time.calls) return void callback();
                // As HTML has it: a `long`, and beyond it wraps.
                const at = time.now + Math.max(0, Math.trunc(delay) | 0);
                const id = ++last;
                time.timers.set(id, {{ at, id, callback, given }});
                if (!time.node) return id;
                time.alive++;
                return {{ id, ref() {{ time.alive++ }}, unref() {{ time.alive-- }} }};
            }};
            globalThis.clearTimeout = (handle) => {{ time.cleared += time.timers.delete(handle?.id ?? handle) }};
            performance.now = () => {{ const now = time.now; return {reading} }};
            time.advance = (milliseconds) => {{
                const end = time.now + milliseconds;
                for (;;) {{
                    const [next] = [...time.timers.values()].sort((one, other) => one.at - other.at || one.id - other.id);
                    if (!next || next.at > end) break;
                    time.now = Math.max(time.now, next.at);
                    time.timers.delete(next.id);
                    if (time.node) time.alive--;
                    next.callback(...next.given);
                }}
                time.now = end;
            }};
            time.restore = () => {{ Object.assign(globalThis, {{ setTimeout, clearTimeout }}); delete performance.now }};
            return time;"
        );
        Self(Function::new_no_args(&install).call0(&JsValue::NULL).unwrap())
    }

    fn call(&self, body: &str) -> JsValue {
        Function::new_with_args("time", body).call1(&JsValue::NULL, &self.0).unwrap()
    }

    fn number(&self, name: &str) -> f64 {
        Reflect::get(&self.0, &name.into()).unwrap().as_f64().unwrap()
    }

    pub(crate) fn advance(&self, milliseconds: f64) {
        self.call(&format!("time.advance({milliseconds})"));
    }

    /// Time passes while nothing runs, and the timers come after it.
    pub(crate) fn freeze(&self, milliseconds: f64) {
        self.call(&format!("time.now += {milliseconds}; time.advance(0)"));
    }

    /// How many timers are armed.
    fn armed(&self) -> f64 {
        self.call("return time.timers.size").as_f64().unwrap()
    }

    /// How often a timer was set, and how often one was cleared before it fired.
    fn calls(&self) -> (f64, f64) {
        (self.number("set"), self.number("cleared"))
    }
}

impl Drop for FakeTime {
    fn drop(&mut self) {
        self.call("time.restore()");
    }
}

type Wait<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A wait that has begun.
fn wait(clock: &BrowserClock, milliseconds: u64) -> Wait<'_> {
    let mut wait: Wait<'_> = Box::pin(clock.sleep(Duration::from_millis(milliseconds)));
    assert!(!is_over(&mut wait), "no wait ends in the task in which it begins");
    wait
}

fn is_over(wait: &mut Wait<'_>) -> bool {
    wait.now_or_never().is_some()
}

/// Writes down who was woken.
struct Note(u64, Arc<Mutex<Vec<u64>>>);

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[wasm_bindgen_test]
fn waits_end_in_the_order_in_which_they_are_due_and_among_those_in_which_they_began() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let woken = Arc::new(Mutex::new(vec![]));
    let mut waits = vec![];
    for (index, milliseconds) in [500, 20, 1000, 20, 0, 500, 20].into_iter().enumerate() {
        let mut wait = Box::pin(clock.sleep(Duration::from_millis(milliseconds)));
        let waker = Waker::from(Arc::new(Note(index as u64, woken.clone())));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        waits.push(wait);
    }
    time.advance(19.0);
    assert_eq!(*woken.lock().unwrap(), [4]);
    time.advance(1.0);
    assert_eq!(*woken.lock().unwrap(), [4, 1, 3, 6]);
    time.advance(10_000.0);
    assert_eq!(*woken.lock().unwrap(), [4, 1, 3, 6, 0, 5, 2]);
    assert_eq!(time.armed(), 0.0);
}

#[wasm_bindgen_test]
fn the_last_who_asked_is_woken() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let woken = Arc::new(Mutex::new(vec![]));
    let mut wait = Box::pin(clock.sleep(Duration::from_millis(10)));
    for asker in [1, 2, 2] {
        let waker = Waker::from(Arc::new(Note(asker, woken.clone())));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    time.advance(10.0);
    assert_eq!(*woken.lock().unwrap(), [2]);
}

#[wasm_bindgen_test]
fn ten_thousand_waits_need_one_timer() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let mut waits: Vec<_> = (0..10_000).map(|index| wait(&clock, 1000 + index % 10)).collect();
    assert_eq!(time.calls(), (1.0, 0.0));
    time.advance(1008.0);
    assert_eq!(waits.iter_mut().filter_map(|wait| is_over(wait).then_some(())).count(), 9000);
    time.advance(1.0);
    assert!(waits.iter_mut().all(is_over));
    assert_eq!(time.calls(), (10.0, 0.0), "one for each moment");
}

#[wasm_bindgen_test]
fn deadlines_that_never_come_cost_one_timer_in_all_that_time() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    for _ in 0..1000 {
        drop(wait(&clock, 30_000));
        time.advance(20.0);
    }
    assert_eq!(time.calls(), (1.0, 0.0));
    time.advance(60_000.0);
    assert_eq!((time.calls(), time.armed()), ((1.0, 0.0), 0.0), "with nobody waiting it is not armed anew");
    let mut last = wait(&clock, 30_000);
    time.advance(29_999.0);
    assert!(!is_over(&mut last));
    time.advance(1.0);
    assert!(is_over(&mut last));
}

#[wasm_bindgen_test]
fn a_shorter_wait_goes_before_and_the_longer_one_is_not_forgotten() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let mut long = wait(&clock, 30_000);
    let mut short = wait(&clock, 100);
    assert_eq!((time.calls(), time.armed()), ((2.0, 1.0), 1.0));
    time.advance(100.0);
    assert!(is_over(&mut short) && !is_over(&mut long));
    time.advance(29_899.0);
    assert!(!is_over(&mut long));
    time.advance(1.0);
    assert!(is_over(&mut long));
    assert!(is_over(&mut long), "and stays over");
}

#[wasm_bindgen_test]
fn a_wait_that_is_dropped_takes_nobody_elses_time() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let dropped = wait(&clock, 100);
    let mut kept = wait(&clock, 150);
    drop(dropped);
    time.advance(149.0);
    assert!(!is_over(&mut kept));
    time.advance(1.0);
    assert!(is_over(&mut kept));
}

#[wasm_bindgen_test]
fn a_wait_can_be_longer_than_any_timer() {
    const DAY: u64 = 86_400_000;
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let mut long = wait(&clock, 60 * DAY);
    let mut longest = Box::pin(clock.sleep(Duration::MAX)) as Wait<'_>;
    assert!(!is_over(&mut longest));
    time.advance(60.0 * 86_400_000.0 - 1.0);
    assert!(!is_over(&mut long));
    time.advance(1.0);
    assert!(is_over(&mut long));
    time.advance(36_500.0 * 86_400_000.0);
    assert!(!is_over(&mut longest));
    assert!(time.number("longest") <= f64::from(i32::MAX));
    assert!(time.number("set") < 2000.0, "each timer is as long as it can be");
}

#[wasm_bindgen_test]
fn nothing_ends_early_by_the_clock_however_that_is_rounded() {
    for reading in ["now", "Math.floor(now)", "Math.floor(now * 10) / 10", "now - (now * 7919 % 2)"] {
        let (time, clock) = (FakeTime::read_as(reading), BrowserClock::new());
        for milliseconds in [0, 1, 2, 3, 10, 99, 1000] {
            time.advance(0.375);
            let before = clock.monotonic();
            let mut waiting = wait(&clock, milliseconds);
            let mut waited = 0.0;
            while !is_over(&mut waiting) {
                time.advance(0.1);
                waited += 0.1;
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let limit = milliseconds as f64 + 5.0;
                assert!(waited < limit, "{reading}: {milliseconds} ms take {waited}");
            }
            let passed = clock.monotonic().since(before);
            assert!(passed >= Duration::from_millis(milliseconds), "{reading}: {milliseconds} ms end after {passed:?}");
        }
    }
}

#[wasm_bindgen_test]
fn after_a_page_was_frozen_all_ends_whose_time_has_come_and_nothing_else() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    let (mut one, mut two, mut three) = (wait(&clock, 1000), wait(&clock, 60_000), wait(&clock, 7_200_000));
    // An hour without timers: the first to fire fires late.
    time.call("time.now += 3_600_000; time.advance(0)");
    assert!(is_over(&mut one) && is_over(&mut two) && !is_over(&mut three));
    time.advance(3_600_000.0);
    assert!(is_over(&mut three));
}

#[wasm_bindgen_test]
fn waits_go_by_the_timers_where_the_clock_stands_still_or_is_a_tests() {
    for reading in ["7", "0", "NaN", "-5", "Math.floor(now / 100) * 100", "1e6 - now"] {
        let (time, clock) = (FakeTime::read_as(reading), BrowserClock::new());
        let (mut short, mut long) = (wait(&clock, 10), wait(&clock, 1000));
        time.advance(10.0 + 4.0);
        assert!(is_over(&mut short), "{reading}");
        assert!(!is_over(&mut long), "{reading}");
        time.advance(990.0 + 100.0);
        assert!(is_over(&mut long), "{reading}");
        assert!(time.number("set") < 10.0, "{reading}: it does not spin");
    }
}

#[wasm_bindgen_test]
fn a_clock_that_is_no_clock_is_replaced_by_the_date() {
    let clock = BrowserClock::new();
    let time = FakeTime::read_as("(() => { throw new Error('no clock') })()");
    #[expect(clippy::cast_precision_loss, reason = "a date")]
    let difference = clock.monotonic().0 as f64 - js_sys::Date::now();
    assert!(difference.abs() < 1000.0);
    drop(time);
}

#[wasm_bindgen_test]
fn timers_that_are_gone_with_their_test_hold_up_nobody() {
    let clock = BrowserClock::new();
    let gone = FakeTime::new();
    drop(wait(&clock, 30_000));
    drop(gone);
    let time = FakeTime::new();
    // This one looks as if it were armed already, for that time or for one before.
    let mut first = wait(&clock, 40_000);
    time.advance(32_000.0);
    let mut second = wait(&clock, 40_000);
    time.advance(8000.0);
    assert!(is_over(&mut first));
    time.advance(32_000.0);
    assert!(is_over(&mut second));
}

#[wasm_bindgen_test]
fn a_timer_that_comes_after_it_was_replaced_ends_nothing() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    // As if the clearing had come to nothing.
    time.call("globalThis.clearTimeout = () => {}");
    let (mut long, short) = (wait(&clock, 20_000), wait(&clock, 10_000));
    drop(short);
    let mut shorter = wait(&clock, 5000);
    time.advance(5000.0);
    assert!(is_over(&mut shorter));
    time.advance(14_999.0);
    assert!(!is_over(&mut long));
    time.advance(1.0);
    assert!(is_over(&mut long));
}

#[wasm_bindgen_test]
fn a_stand_in_that_calls_back_at_once_ends_each_wait_at_once() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    time.call("time.calls = true");
    for milliseconds in [0, 10, 1_000_000] {
        assert!(clock.sleep(Duration::from_millis(milliseconds)).now_or_never().is_some());
    }
}

#[wasm_bindgen_test]
fn a_clock_that_is_dropped_leaves_no_timer() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    drop(wait(&clock, 30_000));
    let shared = clock.clone();
    drop(clock);
    assert_eq!(time.armed(), 1.0);
    let mut still = wait(&shared, 40_000);
    time.advance(40_000.0);
    assert!(is_over(&mut still));
    drop(still);
    drop(wait(&shared, 30_000));
    drop(shared);
    assert_eq!(time.armed(), 0.0);
}

thread_local! {
    static UPON_WAKING: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

struct Hook;

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        if let Some(work) = UPON_WAKING.take() {
            work();
        }
    }
}

#[wasm_bindgen_test]
fn whoever_is_woken_may_drop_and_begin_waits_and_drop_the_clock() {
    let time = FakeTime::new();
    let clock: &'static BrowserClock = Box::leak(Box::new(BrowserClock::new()));
    let waker = Waker::from(Arc::new(Hook));
    let mut first: Wait<'static> = Box::pin(clock.sleep(Duration::from_millis(10)));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let (same_time, later) = (wait(clock, 10), wait(clock, 20));
    let begun = std::rc::Rc::new(RefCell::new(None));
    let slot = begun.clone();
    UPON_WAKING.set(Some(Box::new(move || {
        drop(same_time);
        drop(later);
        slot.replace(Some(wait(clock, 5)));
    })));
    time.advance(14.0);
    assert!(is_over(&mut first));
    assert!(!is_over(begun.borrow_mut().as_mut().unwrap()));
    time.advance(1.0);
    assert!(is_over(begun.borrow_mut().as_mut().unwrap()));
}

#[wasm_bindgen_test]
fn in_node_a_process_goes_on_while_somebody_waits_and_no_longer() {
    let (time, clock) = (FakeTime::new(), BrowserClock::new());
    time.call("time.node = true");
    let alive = || time.number("alive") > 0.0;
    let deadline = wait(&clock, 30_000);
    assert!(alive());
    drop(deadline);
    assert!(!alive());
    let mut first = wait(&clock, 40_000);
    let second = wait(&clock, 50_000);
    assert!(alive());
    drop(second);
    assert!(alive());
    time.advance(40_000.0);
    assert!(is_over(&mut first));
    assert!(!alive());
    assert_eq!(time.number("alive"), 0.0, "each is let go once for each time it was held");
}

#[wasm_bindgen_test]
async fn a_sleep_lasts_as_long_as_it_should() {
    let clock = BrowserClock::new();
    for milliseconds in [0, 1, 5, 30] {
        let before = clock.monotonic();
        clock.sleep(Duration::from_millis(milliseconds)).await;
        assert!(clock.monotonic().since(before) >= Duration::from_millis(milliseconds));
    }
}
