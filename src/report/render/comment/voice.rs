//! How foreign text is put: as plain text or as Markdown, and at what length.

use std::collections::HashSet;

use crate::report::render::markdown::escape;
use crate::report::render::text::{Cut, brief};
use crate::report::{Report, ScenarioReport};

/// A sentence from elsewhere may be so many times as long as a name.
const SENTENCE: usize = 4;

/// How foreign text is put. Whatever does not go through here is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Voice {
    markdown: bool,
    most: usize,
    brief: bool,
}

impl Voice {
    /// As Markdown, with names of at most so many characters.
    pub fn markdown(most: usize) -> Voice {
        Voice { markdown: true, most, brief: false }
    }

    /// As text for where no Markdown is read, such as the title of a check run.
    pub fn plain(most: usize) -> Voice {
        Voice { markdown: false, ..Voice::markdown(most) }
    }

    /// Numbers and words of ours alone.
    pub fn brief() -> Voice {
        Voice { brief: true, ..Voice::markdown(1) }
    }

    /// True where nothing foreign may be said.
    pub fn is_brief(self) -> bool {
        self.brief
    }

    /// A name within a sentence or a cell, both ends kept.
    pub fn name(self, foreign: &str) -> String {
        let shown = brief(foreign, self.most, Cut::Middle);
        if self.markdown { escape::plain(&shown) } else { shown }
    }

    /// A name as code.
    pub fn code(self, foreign: &str) -> String {
        let shown = brief(foreign, self.most, Cut::Middle);
        if self.markdown { escape::code(&shown) } else { shown }
    }

    /// A sentence from elsewhere, its beginning kept; what stands between backticks is code.
    pub fn sentence(self, foreign: &str) -> String {
        let shown = brief(foreign, self.most * SENTENCE, Cut::End);
        if self.markdown { escape::sentence(&shown) } else { shown }
    }

    /// A line of a fenced block.
    pub fn fenced(self, foreign: &str) -> String {
        escape::fenced(&brief(foreign, self.most * SENTENCE, Cut::End))
    }
}

/// What scenarios are called: by their models, where each has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Naming {
    by_model: bool,
}

impl Naming {
    pub fn of(report: &Report) -> Naming {
        let mut seen = HashSet::new();
        Naming { by_model: report.scenarios.iter().all(|scenario| seen.insert(scenario.scenario.model.name())) }
    }

    pub fn name(self, scenario: &ScenarioReport) -> &str {
        if self.by_model { scenario.scenario.model.name() } else { &scenario.id.0 }
    }

    /// What one of them is called.
    pub fn noun(self) -> &'static str {
        if self.by_model { "model" } else { "scenario" }
    }

    /// `1 model`, `5 scenarios`.
    pub fn count(self, count: usize) -> String {
        format!("{count} {}{}", self.noun(), if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn models_name_their_scenarios_until_one_has_two() {
        let mut report = fixtures::unchanged();
        let naming = Naming::of(&report);
        assert_eq!((naming.name(&report.scenarios[0]), naming.count(5)), ("bert-base", "5 models".to_owned()));
        let mut other = report.scenarios[0].clone();
        other.id.0 = "bert-base@cpu-fp32-all-b8-s128-t1".into();
        report.scenarios.push(other);
        let naming = Naming::of(&report);
        assert_eq!(naming.name(&report.scenarios[5]), "bert-base@cpu-fp32-all-b8-s128-t1");
        assert_eq!(naming.count(1), "1 scenario");
    }

    #[test]
    fn foreign_text_is_no_longer_than_asked_whatever_it_is_made_of() {
        let hostile = "\u{202e}".repeat(1_000_000);
        assert_eq!(Voice::plain(12).name(&hostile).chars().count(), 12);
        assert_eq!(Voice::plain(5).sentence("killed by a signal of the system"), "killed by a signal …");
        assert_eq!(Voice::markdown(9).code("a|b-and-more"), "<code>a&#124;b-…more</code>");
    }
}
