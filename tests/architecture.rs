//! The house keeps its order: what may name what.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The floors of `src`, from the ground up. A floor names only what is below it; `sim` and `browser` stand side by side.
const FLOORS: [&[&str]; 12] = [
    &["time", "input", "json", "flat_map", "broken"],
    &["wire"],
    &["policy"],
    &["error"],
    &["queue"],
    &["platform", "event"],
    &["store"],
    &["resilience", "connectivity"],
    &["outbox", "call"],
    &["sync"],
    &["client"],
    &["browser", "sim"],
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

fn source_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 30, "the sources were not found");
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            (name, code)
        })
        .collect()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn only_the_browser_and_the_face_towards_javascript_name_the_web() {
    for (file, code) in source_files() {
        if matches!(module_of(&file), "browser" | "js") {
            continue;
        }
        for name in ["web_sys", "js_sys", "wasm_bindgen", "gloo_"] {
            assert!(!code.contains(name), "src/{file} names {name}; only src/browser and src/js may");
        }
    }
}

#[test]
fn no_floor_names_one_above_it() {
    for (file, code) in source_files() {
        let Some(own) = floor_of(module_of(&file)) else { continue };
        for (at, _) in code.match_indices("crate::") {
            let named: String =
                code[at + 7..].chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect();
            let floor = floor_of(&named).unwrap_or_else(|| panic!("src/{file} names crate::{named}, which is on no floor"));
            assert!(floor < own || named == module_of(&file) || floor == own, "src/{file} names crate::{named} above it");
        }
    }
}

#[test]
fn the_simulation_does_not_ship() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(!manifest.lines().any(|line| line.trim_start().starts_with("default = ")), "no feature is on by default");
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    assert!(library.contains("#[cfg(feature = \"simulation\")]\npub mod sim;"));
    let build = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/build")).unwrap();
    assert!(!build.contains("--features") && !build.contains("--all-features"), "the build turns on no feature");
}

#[test]
fn nothing_in_the_library_reads_the_time_behind_the_clocks_back() {
    for (file, code) in source_files() {
        for name in ["Instant::now", "SystemTime::now"] {
            assert!(!code.contains(name), "src/{file} calls {name}, which traps on wasm32; use platform::Clock");
        }
    }
}

#[test]
fn every_format_is_named_in_the_types_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let types = fs::read_to_string(root.join("pkg/src/errors.ts")).unwrap();
    let mut names = Vec::new();
    for path in sources(&root.join("src/error/parse/formats")) {
        let source = fs::read_to_string(path).unwrap();
        names.extend(source.split("name: \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_string()));
    }
    assert!(names.len() > 30, "the formats were not found");
    for name in names {
        assert!(types.contains(&format!("| \"{name}\"")), "{name} is missing from FormatName in pkg/src/errors.ts");
    }
}
