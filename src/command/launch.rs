//! `__launch`: the child's side of a launch. Job on standard input, answer in a file.

use std::io::{self, BufRead, Read};
use std::path::Path;

use crate::measure::job::LaunchJob;
use crate::measure::launch;
use crate::measure::result::LaunchAnswer;

use super::{Exit, outputs};

/// Reads the job, runs it, writes the answer to `result`.
pub fn serve(result: &Path) -> Exit {
    let answer = match read_job() {
        Ok(job) => match launch::run(&job) {
            Ok(measured) => LaunchAnswer::Measured { result: Box::new(measured) },
            Err(error) => LaunchAnswer::Refused { message: error.to_string() },
        },
        Err(message) => LaunchAnswer::Refused { message },
    };
    let written = serde_json::to_vec(&answer).map_err(anyhow::Error::from);
    match written.and_then(|bytes| outputs::write_file(result, &bytes)) {
        Ok(()) => Exit::Pass,
        Err(_) => Exit::Incomplete,
    }
}

fn read_job() -> Result<LaunchJob, String> {
    let mut stdin = io::BufReader::new(io::stdin());
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(|error| format!("the job cannot be read: {error}"))?;
    leave_with_the_parent(stdin);
    serde_json::from_str(&line).map_err(|error| {
        format!("`__launch` is started by cargo-nongemm itself, with a job on standard input: {error}")
    })
}

/// The parent holds our standard input open for as long as it wants an answer. Its end, however it came about, ends
/// this process: a launch is never an orphan that keeps the cores busy.
fn leave_with_the_parent(mut stdin: impl Read + Send + 'static) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(stdin.read(&mut byte), Ok(1..)) {}
        std::process::exit(Exit::Incomplete.code().into());
    });
}
