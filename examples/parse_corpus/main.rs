//! Measures the parser against a corpus of error responses: how many fields agree with what is expected, or with a listed
//! alternative.
//!
//! ```console
//! cargo run -q --release --example parse_corpus -- FILE.jsonl [--failures]
//! ```
#![cfg_attr(target_arch = "wasm32", allow(unused, reason = "runs natively"))]

mod record;

use record::{FIELDS, Record, Verdict};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let show_failures = arguments.iter().any(|argument| argument == "--failures");
    let files: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if files.is_empty() {
        eprintln!("usage: parse_corpus FILE.jsonl... [--failures]");
        return ExitCode::from(2);
    }
    // Agreed and counted, for each field.
    let mut scores = [(0_u32, 0_u32); FIELDS.len()];
    let (mut records, mut perfect) = (0_u32, 0_u32);
    for file in files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(2);
            }
        };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let record = match Record::read(line) {
                Ok(record) => record,
                Err(error) => {
                    eprintln!("{file}:{}: {error}", number + 1);
                    return ExitCode::from(2);
                }
            };
            let error = record.parse();
            let verdicts = record.compare(&error);
            records += 1;
            perfect += u32::from(verdicts.iter().all(|verdict| !matches!(verdict, Verdict::Wrong { .. })));
            for ((field, verdict), score) in FIELDS.iter().zip(&verdicts).zip(&mut scores) {
                match verdict {
                    Verdict::NotCounted => {}
                    Verdict::Right => *score = (score.0 + 1, score.1 + 1),
                    Verdict::Wrong { expected, found } => {
                        score.1 += 1;
                        if show_failures {
                            println!("{} [{}] {field}: expected {expected}, found {found}", record.id, error.format.name);
                        }
                    }
                }
            }
        }
    }
    if show_failures {
        println!();
    }
    for (field, (right, counted)) in FIELDS.iter().zip(scores) {
        println!("{field:<14}{right:>6} of {counted:<6}{:>8.2} %", share(right, counted));
    }
    let (right, counted) = scores.iter().fold((0, 0), |sum, score| (sum.0 + score.0, sum.1 + score.1));
    println!("{:<14}{right:>6} of {counted:<6}{:>8.2} %", "overall", share(right, counted));
    println!("{:<14}{perfect:>6} of {records:<6}{:>8.2} %", "whole records", share(perfect, records));
    ExitCode::SUCCESS
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 100.0 } else { f64::from(part) * 100.0 / f64::from(whole) }
}
