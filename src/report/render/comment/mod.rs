//! The comment on a pull request: the verdict in a sentence, what crossed, and all else behind folds.
//!
//! The report may be anybody's (one of a fork comes as a file): whatever is not ours goes through `voice`, which bounds it
//! and shows it as what it is, and the whole never exceeds the length that was asked for.

mod bars;
mod commands;
mod folds;
mod footer;
mod matter;
mod sentence;
mod table;
mod voice;

use std::collections::HashSet;

use self::voice::{Naming, Voice};
use crate::report::crossed::{Crossed, crossed};
use crate::report::render::fit::{self, LeftOut, Section, fit, units};
use crate::report::render::text::{self, Cut};
use crate::report::{Outcome, Report, ScenarioReport};

/// What the report does not know of where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The commit that was measured.
    pub head_sha: Option<&'a str>,
    /// The commit that it is compared with, or that the pull request goes into.
    pub base_sha: Option<&'a str>,
    /// The run of the workflow, where all of the report can be read.
    pub run_url: Option<&'a str>,
    /// How long the comment may be, in units of UTF-16; hence no more characters either. GitHub takes 65,536.
    pub max_characters: usize,
}

/// Characters of a name, the most that leave room for the verdict.
const NAMES: [usize; 4] = [64, 32, 16, 8];
/// Characters of a name in the title of a check run, and of the title.
const HEADLINE: (usize, usize) = (48, 240);
/// Kept free for saying what was left out.
const NOTICE: usize = 600;
/// Scenarios whose shares are drawn for everybody.
const DRAWN: usize = 4;
/// Causes named.
const CAUSES: usize = 4;

/// The comment as GitHub Markdown, the verdict first; what does not fit is left out and said to be.
pub fn render(report: &Report, context: &Context<'_>) -> String {
    let crossed = crossed(report);
    let room = context.max_characters - notice_room(context);
    let titled = |voice| (heading(report, &crossed, voice), voice);
    let mut titles = NAMES.into_iter().map(Voice::markdown).map(titled);
    let Some((title, voice)) = titles.find(|(title, _)| units(title) <= room) else {
        let shortest = heading(report, &crossed, Voice::brief());
        return text::shorten(&shortest, context.max_characters, Cut::End).into_owned();
    };
    Page { report, context, crossed: &crossed, naming: Naming::of(report), voice }.below(title)
}

/// The verdict as one plain sentence, at most 240 characters long; no Markdown, and nothing that moves a cursor.
pub fn headline(report: &Report) -> String {
    let (name, whole) = HEADLINE;
    let sentence = sentence::sentence(report, &crossed(report), Voice::plain(name));
    text::shorten(&sentence, whole, Cut::End).into_owned()
}

fn heading(report: &Report, crossed: &[Crossed<'_>], voice: Voice) -> String {
    let sign = match report.outcome {
        Outcome::Pass if matter::is_doubtful(report) => "⚠️",
        Outcome::Pass => "✅",
        Outcome::GateFailed => "❌",
        Outcome::Incomplete | Outcome::NothingMeasured => "⚠️",
    };
    format!("### {sign} {}\n\n", sentence::sentence(report, crossed, voice))
}

/// Of a comment that may hardly hold anything, a part.
fn notice_room(context: &Context<'_>) -> usize {
    NOTICE.min(context.max_characters / 4)
}

/// All that stands below the verdict.
struct Page<'a> {
    report: &'a Report,
    context: &'a Context<'a>,
    crossed: &'a [Crossed<'a>],
    naming: Naming,
    voice: Voice,
}

impl Page<'_> {
    fn below(&self, title: String) -> String {
        let room = self.context.max_characters - units(&title);
        let whole = fit(self.sections(), room, units);
        if whole.left_out.is_empty() {
            return title + &whole.text;
        }
        let reserved = notice_room(self.context).min(room);
        let cut = fit(self.sections(), room - reserved, units);
        title + &cut.text + &self.notice(&cut.left_out, reserved)
    }

    /// In the order in which they are read; their ranks say which of them go first where there is no room.
    fn sections(&self) -> Vec<Section<'_>> {
        let Page { report, crossed, naming, voice, .. } = *self;
        let mut sections = Vec::new();
        if !crossed.is_empty() {
            sections.push(table::first(crossed, naming, voice));
        }
        sections.extend(self.also_changed());
        let drawn = self.drawn();
        if !drawn.is_empty() {
            sections.push(bars::section(drawn, "", "", naming, voice));
        }
        sections.extend(table::rest(crossed, naming, voice));
        sections.extend(folds::logs(report, naming, voice));
        sections.extend(folds::noted(report, naming, voice));
        sections.extend(folds::all_scenarios(report, voice));
        sections.extend(folds::all_shares(report, naming, voice));
        sections.push(commands::section(report, crossed));
        sections.push(Section::whole("the small print", 3, footer::text(report, self.context, naming, voice)));
        sections
    }

    /// The scenarios that something crossed in and that have shares, the worst first.
    fn drawn(&self) -> Vec<&ScenarioReport> {
        let mut seen = HashSet::new();
        let scenarios = self.crossed.iter().map(|one| one.scenario);
        let timed = scenarios.filter(|scenario| scenario.comparison.is_some());
        timed.filter(|scenario| seen.insert(&scenario.id.0)).take(DRAWN).collect()
    }

    /// What else differs between the sides of what crossed.
    fn also_changed(&self) -> Option<Section<'static>> {
        let mut named: Vec<String> = Vec::new();
        for scenario in self.drawn() {
            for cause in scenario.comparison.iter().flat_map(|comparison| &comparison.causes).take(CAUSES) {
                let voice = self.voice;
                let name = match cause.what.as_str() {
                    "model" => format!("the model of {}", voice.code(self.naming.name(scenario))),
                    "onnxruntime" => "ONNX Runtime".to_owned(),
                    "cpu" => "the CPU".to_owned(),
                    what => voice.name(what),
                };
                let sides = format!("{} → {}", voice.code(&cause.base), voice.code(&cause.head));
                // Digests tell a reader nothing; that they differ does.
                let cause = if cause.what == "model" { name } else { format!("{name} ({sides})") };
                if !named.contains(&cause) {
                    named.push(cause);
                }
            }
        }
        named.truncate(CAUSES);
        let text = format!("Also changed, and perhaps the cause: {}.\n\n", named.join(", "));
        (!named.is_empty()).then(|| Section::whole("other causes", 4, text))
    }

    /// What is missing, and where it can be read, in at most so many units.
    fn notice(&self, left_out: &[LeftOut], room: usize) -> String {
        let at = footer::run(self.context)
            .map_or_else(|| "the job summary".to_owned(), |address| format!("[the summary of the run]({address})"));
        let named = fit::named(left_out);
        let full = format!(
            "Left out for want of room: {named}. All of it is in {at} and in the report that `--save` wrote.\n"
        );
        let short = "Cut for want of room: see the job summary.\n";
        match room {
            room if units(&full) <= room => full,
            room if units(short) <= room => short.to_owned(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
