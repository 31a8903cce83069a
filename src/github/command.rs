//! Commands that a workflow's runner reads from what a step prints.
//!
//! Their form and what must be escaped: GitHub's documentation, "Workflow commands for GitHub Actions".

use super::annotation::{Annotation, AnnotationLevel};

/// The line that makes the runner show a remark, without its line end: it needs no token.
///
/// Whatever the texts hold, it is one line and one command.
pub fn workflow_command(annotation: &Annotation) -> String {
    let word = match annotation.level {
        AnnotationLevel::Notice => "notice",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Failure => "error",
    };
    let mut properties = Vec::new();
    if !annotation.path.is_empty() {
        properties.push(format!("file={}", property(&annotation.path)));
        properties.push(format!("line={}", annotation.line.max(1)));
    }
    if !annotation.title.is_empty() {
        properties.push(format!("title={}", property(&annotation.title)));
    }
    let blank = if properties.is_empty() { "" } else { " " };
    format!("::{word}{blank}{}::{}", properties.join(","), data(&annotation.message))
}

/// What follows the second pair of colons.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value between the pairs of colons, where a colon or a comma would end it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(path: &str, title: &str, message: &str) -> Annotation {
        Annotation {
            path: path.to_owned(),
            line: 7,
            level: AnnotationLevel::Failure,
            title: title.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_remark_on_a_line() {
        let command = workflow_command(&annotation("baselines/a.toml", "Gelu regressed", "+12 %, 0.41 ms"));
        assert_eq!(command, "::error file=baselines/a.toml,line=7,title=Gelu regressed::+12 %25, 0.41 ms");
    }

    #[test]
    fn a_remark_on_no_file_names_none() {
        assert_eq!(workflow_command(&annotation("", "title", "text")), "::error title=title::text");
        assert_eq!(workflow_command(&annotation("", "", "text")), "::error::text");
    }

    #[test]
    fn the_levels_have_the_words_of_the_runner() {
        for (level, start) in [
            (AnnotationLevel::Notice, "::notice "),
            (AnnotationLevel::Warning, "::warning "),
            (AnnotationLevel::Failure, "::error "),
        ] {
            let command = workflow_command(&Annotation { level, ..annotation("a", "b", "c") });
            assert!(command.starts_with(start), "{command}");
        }
    }

    #[test]
    fn lines_are_counted_from_one() {
        let command = workflow_command(&Annotation { line: 0, ..annotation("a", "b", "c") });
        assert!(command.contains("line=1,"), "{command}");
    }

    #[test]
    fn a_hostile_name_makes_no_second_command() {
        let hostile = "x::y,line=1\r\n::add-mask::50%";
        let command = workflow_command(&annotation(hostile, hostile, hostile));
        assert_eq!(command.lines().count(), 1);
        assert_eq!(
            command,
            "::error file=x%3A%3Ay%2Cline=1%0D%0A%3A%3Aadd-mask%3A%3A50%25,line=7,\
             title=x%3A%3Ay%2Cline=1%0D%0A%3A%3Aadd-mask%3A%3A50%25::x::y,line=1%0D%0A::add-mask::50%25"
        );
    }
}
