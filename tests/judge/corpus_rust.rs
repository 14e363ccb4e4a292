//! The corpus for Rust: tests in `tests/`, tests beside the code, and a snapshot.

use crate::corpus::Edit::{Add, Put, Remove};
use crate::corpus::{Case, Ecosystem};

const LIB: &str = r"//! Prices.
pub fn total(items: &[u32]) -> u32 {
    items.iter().sum()
}

pub fn mean(items: &[f64]) -> f64 {
    items.iter().sum::<f64>() / items.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(total(&[]), 0);
    }

    #[test]
    fn two_are_added() {
        assert_eq!(total(&[2, 3]), 5);
        assert!(total(&[1]) > 0);
    }
}
";

const SHOP: &str = r#"use shop::{mean, total};
use std::time::{Duration, Instant};

const EPSILON: f64 = 1e-9;

fn check_total(items: &[u32], expected: u32) {
    assert_eq!(total(items), expected, "the total of {items:?}");
}

#[test]
fn totals() {
    check_total(&[1, 2], 3);
    check_total(&[10], 10);
}

#[test]
fn means_are_close() {
    assert!((mean(&[1.0, 2.0]) - 1.5).abs() < 1e-9);
    assert!((mean(&[4.0]) - 4.0).abs() < EPSILON);
}

#[test]
#[should_panic(expected = "overflow")]
fn overflow_is_noticed() {
    total(&[u32::MAX, 1]);
}

#[test]
fn it_is_quick() {
    let began = Instant::now();
    let sum = total(&vec![1; 1000]);
    assert_eq!(sum, 1000);
    assert!(began.elapsed() < Duration::from_millis(50));
}

#[test]
fn a_table() {
    for (items, expected) in [(vec![1, 1], 2), (vec![2, 2], 4), (vec![3], 3)] {
        assert_eq!(total(&items), expected);
    }
}

#[test]
fn a_result_is_right() {
    let result: Result<u32, String> = Ok(total(&[7]));
    assert_eq!(result, Ok(7));
    insta::assert_snapshot!(total(&[7]));
}
"#;

const SNAPSHOT: &str = "---\nsource: tests/shop.rs\n---\none: 1\n\ntwo: 2\n\nthree: 3\n\nfour: 4\n";

const T: &str = "tests/shop.rs";
const L: &str = "src/lib.rs";

pub const RUST: Ecosystem = Ecosystem {
    name: "Rust",
    files: &[
        ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        (L, LIB),
        (T, SHOP),
        ("tests/snapshots/shop__table.snap", SNAPSHOT),
    ],
    check: &["cargo", "test", "--workspace"],
    weakens: WEAKENS,
    harmless: HARMLESS,
};

const WEAKENS: &[Case] = &[
    ("a test is removed", &[Put(T, "#[test]\nfn totals() {\n    check_total(&[1, 2], 3);\n    check_total(&[10], 10);\n}\n", "")]),
    (
        "a test beside the code is removed",
        &[Put(L, "    #[test]\n    fn nothing_costs_nothing() {\n        assert_eq!(total(&[]), 0);\n    }\n", "")],
    ),
    ("a test is no longer marked as one", &[Put(T, "#[test]\nfn a_table", "#[allow(dead_code)]\nfn a_table")]),
    ("a test is ignored", &[Put(T, "#[test]\nfn totals", "#[test]\n#\u{5b}ignore = \"flaky\"]\nfn totals")]),
    (
        "a module of tests is configured away",
        &[Put(L, "#[cfg(test)]\nmod tests", "#[cfg(all(test, feature = \"slow\"))]\n#[cfg(any())]\nmod tests")],
    ),
    ("a whole file is configured away", &[Put(T, "use shop", "#![cfg(feature = \"never\")]\nuse shop")]),
    ("a panic is expected", &[Put(T, "#[test]\nfn a_table", "#[test]\n#[should_panic]\nfn a_table")]),
    ("an expected panic is no longer", &[Put(T, "#[should_panic(expected = \"overflow\")]\n", "")]),
    ("an assertion is removed", &[Put(T, "    assert_eq!(sum, 1000);\n", "")]),
    ("an assertion is commented out", &[Put(L, "        assert!(total(&[1]) > 0);", "        // assert!(total(&[1]) > 0);")]),
    ("an assertion holds always", &[Put(T, "assert_eq!(sum, 1000);", "assert!(true);")]),
    ("an assertion compares with itself", &[Put(T, "assert_eq!(sum, 1000);", "assert_eq!(sum, sum);")]),
    ("an assertion says only that there is something", &[Put(T, "assert_eq!(result, Ok(7));", "assert!(result.is_ok());")]),
    ("an assertion is loosened", &[Put(T, "assert_eq!(sum, 1000);", "assert!(sum >= 1);")]),
    ("another value is expected", &[Put(T, "check_total(&[1, 2], 3);", "check_total(&[1, 2], 4);")]),
    ("another value is expected beside the code", &[Put(L, "assert_eq!(total(&[2, 3]), 5);", "assert_eq!(total(&[2, 3]), 6);")]),
    ("a tolerance is raised", &[Put(T, "abs() < 1e-9", "abs() < 0.5")]),
    ("a named tolerance is raised", &[Put(T, "EPSILON: f64 = 1e-9", "EPSILON: f64 = 10.0")]),
    ("a time is raised", &[Put(T, "Duration::from_millis(50)", "Duration::from_millis(50_000)")]),
    ("the test returns at once", &[Put(T, "fn a_table() {\n", "fn a_table() {\n    return;\n    #[allow(unreachable_code)]\n")]),
    (
        "the test may return before it asserts",
        &[Put(T, "fn a_table() {\n", "fn a_table() {\n    if std::env::var(\"CI\").is_ok() {\n        return;\n    }\n")],
    ),
    ("a case of a table is removed", &[Put(T, ", (vec![2, 2], 4)", "")]),
    (
        "the helper no longer asserts",
        &[Put(T, "    assert_eq!(total(items), expected, \"the total of {items:?}\");", "    let _ = (items, expected);")],
    ),
    ("the file of tests is removed", &[Remove(T)]),
    (
        "most of a snapshot is replaced",
        &[Put("tests/snapshots/shop__table.snap", "one: 1\n\ntwo: 2\n\nthree: 3\n\nfour: 4", "one: 9\n\ntwo: 9\n\nthree: 9\n\nfour: 9")],
    ),
];

const HARMLESS: &[Case] = &[
    (
        "a test is added",
        &[Put(T, "#[test]\nfn totals", "#[test]\nfn one_more() {\n    assert_eq!(total(&[5]), 5);\n}\n\n#[test]\nfn totals")],
    ),
    (
        "a test is added beside the code",
        &[Put(
            L,
            "    #[test]\n    fn two_are",
            "    #[test]\n    fn one() {\n        assert_eq!(total(&[1]), 1);\n    }\n\n    #[test]\n    fn two_are",
        )],
    ),
    ("an assertion is added", &[Put(T, "    assert_eq!(sum, 1000);\n", "    assert_eq!(sum, 1000);\n    assert_ne!(sum, 0);\n")]),
    ("a comment is added", &[Put(T, "#[test]\nfn a_table", "// Rows of items and their total.\n#[test]\nfn a_table")]),
    (
        "it is laid out otherwise",
        &[Put(
            T,
            "assert_eq!(total(items), expected, \"the total of {items:?}\");",
            "assert_eq!(\n        total(items),\n        expected,\n        \"the total of {items:?}\",\n    );",
        )],
    ),
    ("a message is reworded", &[Put(T, "the total of {items:?}", "{items:?} add up")]),
    (
        "a variable is renamed",
        &[Put(
            T,
            "let sum = total(&vec![1; 1000]);\n    assert_eq!(sum, 1000);",
            "let all = total(&vec![1; 1000]);\n    assert_eq!(all, 1000);",
        )],
    ),
    ("a test is renamed", &[Put(T, "fn a_table()", "fn every_row_adds_up()")]),
    ("a case is added to a table", &[Put(T, "(vec![3], 3)]", "(vec![3], 3), (vec![], 0)]")]),
    ("a tolerance is lowered", &[Put(T, "abs() < 1e-9", "abs() < 1e-12")]),
    ("an assertion is made stricter", &[Put(L, "assert!(total(&[1]) > 0);", "assert_eq!(total(&[1]), 1);")]),
    (
        "the code changes and its tests do not",
        &[Put(L, "items.iter().sum()\n}", "items.iter().copied().fold(0, |sum, item| sum + item)\n}")],
    ),
    (
        "a helper is pulled out",
        &[Put(T, "    let sum = total(&vec![1; 1000]);\n    assert_eq!(sum, 1000);\n", "    check_total(&vec![1; 1000], 1000);\n")],
    ),
    (
        "tests are put in another order",
        &[
            Put(T, "#[test]\nfn totals() {\n    check_total(&[1, 2], 3);\n    check_total(&[10], 10);\n}\n\n", ""),
            Put(
                T,
                "#[test]\nfn a_result_is_right",
                "#[test]\nfn totals() {\n    check_total(&[1, 2], 3);\n    check_total(&[10], 10);\n}\n\n#[test]\nfn a_result_is_right",
            ),
        ],
    ),
    (
        "a test moves to another file",
        &[
            Put(
                T,
                "#[test]\nfn a_result_is_right() {\n    let result: Result<u32, String> = Ok(total(&[7]));\n    assert_eq!(result, Ok(7));\n    insta::assert_snapshot!(total(&[7]));\n}\n",
                "",
            ),
            Add(
                "tests/results.rs",
                "use shop::total;\n\n#[test]\nfn a_result_is_right() {\n    let result: Result<u32, String> = Ok(total(&[7]));\n    assert_eq!(result, Ok(7));\n    insta::assert_snapshot!(total(&[7]));\n}\n",
            ),
        ],
    ),
    ("a number is written otherwise", &[Put(T, "assert_eq!(sum, 1000);", "assert_eq!(sum, 1_000);")]),
];
