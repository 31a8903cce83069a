//! The `cargo nongemm` binary: calls the library, maps the outcome to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    nongemm::command::main(std::env::args_os()).into()
}
