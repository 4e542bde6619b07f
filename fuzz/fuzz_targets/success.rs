#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| steadfast_properties::success::holds(bytes));
