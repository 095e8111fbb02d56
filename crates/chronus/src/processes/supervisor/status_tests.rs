//! Guarantee: docs/status.md tells of every field of the status, and of nothing else.

use serde_json::Value;

use super::super::recording::RecordStatus;
use super::{Replica, Status};

const PAGE: &str = include_str!("../../../../../docs/status.md");

/// The fields in the table below a heading; each has a meaning.
fn told(heading: &str) -> Vec<String> {
    let section = PAGE.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut names: Vec<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert!(cells.len() == 3 && !cells[2].is_empty(), "{row}");
            cells[0].trim_matches('`').to_owned()
        })
        .collect();
    names.sort_unstable();
    names
}

fn fields(value: &Value) -> Vec<String> {
    let object = value.as_object().expect("an object");
    let mut names: Vec<_> = object.keys().cloned().collect();
    names.sort_unstable();
    names
}

#[test]
fn the_page_tells_of_every_field_and_of_no_other() {
    let status = Status {
        captures: vec![RecordStatus::default()],
        replicas: vec![Replica::default()],
        ..Status::default()
    };
    let status = serde_json::to_value(status).expect("JSON");
    assert_eq!(told("The engine"), fields(&status));
    for (heading, place) in [
        ("Durations", "/detection"),
        ("Durations", "/promotion"),
        ("Durations", "/redundancy"),
        ("Device", "/device"),
        ("Journal", "/journal"),
        ("Recording", "/recording"),
        ("Recording", "/captures/0"),
        ("Replica", "/replicas/0"),
    ] {
        assert_eq!(told(heading), fields(status.pointer(place).expect(place)), "{place}");
    }
}
