use super::*;
use crate::report::fixtures;

fn shown(report: &Report, options: &TerminalOptions) -> String {
    let mut out = Vec::new();
    render(report, options, &mut out).unwrap();
    String::from_utf8(anstream::adapter::strip_bytes(&out).into_vec()).unwrap()
}

fn at(width: usize) -> TerminalOptions {
    TerminalOptions { width, ..TerminalOptions::default() }
}

#[test]
fn check_at_100_columns() {
    insta::assert_snapshot!(shown(&fixtures::check(), &at(100)));
}

#[test]
fn check_at_70_columns_in_ascii() {
    insta::assert_snapshot!(shown(&fixtures::check(), &TerminalOptions { charset: Charset::Ascii, ..at(70) }));
}

#[test]
fn gate_failed_quietly() {
    let quiet = TerminalOptions { verbosity: Verbosity::Quiet, ..at(80) };
    insta::assert_snapshot!(shown(&fixtures::gate_failed(), &quiet));
}

#[test]
fn run_verbosely() {
    let verbose = TerminalOptions { verbosity: Verbosity::Verbose, ..at(100) };
    insta::assert_snapshot!(shown(&fixtures::run(), &verbose));
}

#[test]
fn casts_that_the_runtime_put_in_are_told_apart() {
    insta::assert_snapshot!(shown(&fixtures::half(), &at(100)));
}

#[test]
fn compared_at_100_columns() {
    insta::assert_snapshot!(shown(&fixtures::compared(), &at(100)));
}

#[test]
fn compared_at_70_columns_in_ascii() {
    insta::assert_snapshot!(shown(&fixtures::compared(), &TerminalOptions { charset: Charset::Ascii, ..at(70) }));
}

#[test]
fn nothing_measured() {
    let mut report = fixtures::run();
    report.scenarios.clear();
    report.outcome = crate::report::Outcome::NothingMeasured;
    insta::assert_snapshot!(shown(&report, &at(80)));
}

#[test]
fn no_line_but_a_command_is_wider_than_the_terminal() {
    for charset in [Charset::Unicode, Charset::Ascii] {
        for width in MIN_WIDTH..=MAX_WIDTH {
            let options = TerminalOptions { charset, ..at(width) };
            let both = shown(&fixtures::check(), &options) + &shown(&fixtures::compared(), &options);
            for line in both.lines() {
                let command = line.trim_start().starts_with("cargo nongemm");
                assert!(command || text::width(line) <= width, "{} > {width}: {line}", text::width(line));
                assert!(!line.ends_with(' '), "`{line}`");
            }
        }
    }
}

#[test]
fn hostile_names_cannot_act_on_the_terminal() {
    let report = Report { scenarios: vec![fixtures::hostile()], ..fixtures::check() };
    for charset in [Charset::Unicode, Charset::Ascii] {
        let mut out = Vec::new();
        render(&report, &TerminalOptions { charset, ..at(100) }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        // What is left after our own colours are taken away holds no control character; nor did a name bring a colour.
        let sgr = |text: &str| {
            text.split('\x1b').skip(1).all(|rest| {
                rest.strip_prefix('[').is_some_and(|rest| {
                    rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
                })
            })
        };
        assert!(sgr(&text), "an escape that is no colour: {text:?}");
        let stripped = anstream::adapter::strip_str(&text).to_string();
        assert!(!stripped.chars().any(|c| c.is_control() && c != '\n'), "{stripped:?}");
    }
}

#[test]
fn severities_are_coloured() {
    let mut out = Vec::new();
    render(&fixtures::gate_failed(), &at(100), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(&format!("{RED}error[operator-regressed]:{RED:#}")), "{text:?}");
}
