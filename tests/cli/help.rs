//! Help, versions and exit codes of all commands.

use super::run;

/// The names below a heading of a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    // What is indented further goes on with the line before.
    let lines = lines.filter(|line| !line.starts_with("   "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_shows_what_it_does_and_examples() {
    let found = commands(&run(&["--help"]).done().out);
    assert!(found.len() >= 14, "{found:?}");
    for name in found {
        let help = run(&[name.as_str(), "--help"]).done().out;
        assert!(!help.trim_start().starts_with("Usage"), "{name} says nothing of itself");
        let shown = help.split("Examples:\n").nth(1).unwrap_or_default();
        let of_parts = commands(&help).iter().all(|part| {
            run(&[name.as_str(), part, "--help"]).done().out.contains("Examples:\n  m2 ")
        });
        let of_itself = shown.lines().any(|l| l.contains(&format!("m2 {name}")));
        let group = !commands(&help).is_empty();
        assert!(of_itself || group && of_parts, "{name} has no example: {help}");
    }
}

#[test]
fn misuse_is_refused_with_a_hint() {
    run(&["bogus"]).refused(&["bogus", "--help"]);
    run(&["embed", "--bogus"]).refused(&["--bogus"]);
    run(&["embed", "--max-memory", "lots"]).refused(&["lots"]);
    run(&["embed", "--batch-size", "0"]).refused(&["0"]);
    run(&["init"]).refused(&["CONFIG"]);
    let version = run(&["--version"]).done().out;
    assert_eq!(version.trim(), concat!("m2 ", env!("CARGO_PKG_VERSION")));
}
