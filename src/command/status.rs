//! Status lines and the progress bar, on standard error. Data never comes here.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where the verbs say what they are doing.
pub struct Status {
    err: anstream::AutoStream<io::Stderr>,
    bar: Option<ProgressBar>,
    quiet: bool,
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

impl Status {
    /// Speaks to standard error; `quiet` leaves warnings and errors only.
    pub fn new(quiet: bool) -> Status {
        Status { err: anstream::AutoStream::auto(io::stderr()), bar: None, quiet }
    }

    /// `   Measuring bert-base`, as cargo words its own.
    pub fn say(&mut self, verb: &str, message: &str) {
        if !self.quiet {
            self.write(GOOD, verb, message, 12);
        }
    }

    /// Something the reader should know, with its remedy; `quiet` does not hide it.
    pub fn warn(&mut self, message: &str) {
        self.write(DOUBTFUL, "warning:", message, 0);
    }

    /// Why the verb ends here.
    pub fn error(&mut self, message: &str) {
        self.write(BAD, "error:", message, 0);
    }

    /// A line that is for another program than the reader: a workflow command.
    pub fn raw(&mut self, line: &str) {
        let err = &mut self.err;
        let mut write = || {
            // As below, nobody is left to tell.
            let _ = writeln!(err, "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// True where what is written may be coloured.
    pub fn colored(&self) -> bool {
        self.err.current_choice() != anstream::ColorChoice::Never
    }

    /// Runs `write`, which writes to the same terminal, with the bar out of its way.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Shows a bar of `steps` on a terminal; elsewhere the lines of [`Status::say`] have to do.
    pub fn start_progress(&mut self, steps: u64) {
        if self.quiet || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let template = "{prefix:>12.green.bold} [{bar:24}] {pos}/{len} launches, {eta} left  {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix("Measuring");
        // Redrawn often enough for the clock to move, seldom enough not to disturb what is measured.
        bar.enable_steady_tick(Duration::from_secs(1));
        self.bar = Some(bar);
    }

    /// So many steps more are to be done.
    pub fn extend_progress(&mut self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc_length(steps);
        }
    }

    /// What is being done now.
    pub fn progress_message(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// So many steps more are done.
    pub fn advance(&mut self, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(steps);
        }
    }

    /// Takes the bar away.
    pub fn end_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn write(&mut self, style: Style, label: &str, message: &str, width: usize) {
        let err = &mut self.err;
        let mut line = || {
            // A standard error that is closed leaves nobody to tell.
            let _ = writeln!(err, "{style}{label:>width$}{style:#} {message}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(line),
            None => line(),
        }
    }
}
