//! The check run: in progress, then completed, whatever becomes of its remarks.

use nongemm::github::{
    Annotation, AnnotationLevel, CheckEnd, CheckId, CheckStart, Client, Conclusion, Finished, GitHubError,
};
use serde_json::Value;

use crate::fake::{Fake, HEAD, Then, Who, refusal};
use crate::support::{client, repository};

const START: CheckStart<'_> = CheckStart { name: "nongemm / quick", head_sha: HEAD, details_url: None };

fn started(fake: &Fake) -> (Client, CheckId) {
    let (client, _) = client(&fake.url());
    let check = client.start_check(&repository(), &START).unwrap();
    (client, check)
}

fn annotations(count: u32) -> Vec<Annotation> {
    let annotation = |line| Annotation {
        path: "baselines/linux.toml".to_owned(),
        line,
        level: AnnotationLevel::Warning,
        title: format!("remark {line}"),
        message: "what there is to say".to_owned(),
    };
    (1..=count).map(annotation).collect()
}

fn end(annotations: &[Annotation]) -> CheckEnd<'_> {
    CheckEnd { conclusion: Conclusion::Failure, title: "2 operators regressed", summary: "# Summary", annotations }
}

/// The bodies of the changes that were sent, in their order.
fn changes(fake: &Fake) -> Vec<Value> {
    fake.seen("PATCH", "").iter().map(crate::server::Request::json).collect()
}

#[test]
fn a_check_is_in_progress_until_it_is_completed() {
    let fake = Fake::start(Who::Workflow);
    let (client, check) = started(&fake);
    assert_eq!(fake.state().checks[0]["status"], "in_progress");
    assert_eq!(fake.state().checks[0]["name"], "nongemm / quick");
    assert_eq!(fake.state().checks[0]["head_sha"], HEAD);
    let finished = client.finish_check(&repository(), check, &end(&annotations(3))).unwrap();
    assert!(matches!(finished, Finished::Whole));
    let state = fake.state();
    assert_eq!(state.checks[0]["status"], "completed");
    assert_eq!(state.checks[0]["conclusion"], "failure");
    assert_eq!(state.checks[0]["output"]["annotations_count"], 3);
}

#[test]
fn fifty_remarks_go_into_a_request_and_the_last_one_completes() {
    for (count, sizes) in [(0, vec![0]), (50, vec![50]), (51, vec![50, 1]), (130, vec![50, 50, 30])] {
        let fake = Fake::start(Who::Workflow);
        let (client, check) = started(&fake);
        client.finish_check(&repository(), check, &end(&annotations(count))).unwrap();
        let changes = changes(&fake);
        let sent: Vec<usize> =
            changes.iter().map(|change| change["output"]["annotations"].as_array().unwrap().len()).collect();
        assert_eq!(sent, sizes);
        let (last, before) = changes.split_last().unwrap();
        assert!(before.iter().all(|change| change["status"] == "in_progress" && change.get("conclusion").is_none()));
        assert_eq!(last["status"], "completed");
        assert_eq!(fake.state().checks[0]["output"]["annotations_count"], count);
    }
}

#[test]
fn remarks_that_are_refused_do_not_leave_the_check_in_progress() {
    for accident in 0..3 {
        let fake = Fake::start(Who::Workflow);
        let (client, check) = started(&fake);
        for number in 0..=accident {
            let then = match number == accident {
                true => Then::Answer(refusal(422, "Invalid request.")),
                false => Then::Meanwhile(Box::new(|_| {})),
            };
            fake.accident("PATCH", "/check-runs/1001", then);
        }
        let finished = client.finish_check(&repository(), check, &end(&annotations(120))).unwrap();
        let Finished::WithoutAnnotations { reason } = finished else { panic!("request {accident}") };
        assert!(reason.to_string().contains("Invalid request."), "{reason}");
        assert_eq!(fake.state().checks[0]["status"], "completed");
        assert_eq!(fake.state().checks[0]["conclusion"], "failure");
        let last = changes(&fake).pop().unwrap();
        assert_eq!(last["output"]["annotations"].as_array().unwrap().len(), 0);
    }
}

#[test]
fn a_check_that_cannot_be_completed_at_all_is_an_error() {
    let fake = Fake::start(Who::Workflow);
    let (client, check) = started(&fake);
    fake.state().checks.clear();
    let error = client.finish_check(&repository(), check, &end(&annotations(1))).unwrap_err();
    assert!(matches!(error, GitHubError::NotFound { permission: "checks: write", .. }), "{error}");
    assert_eq!(changes(&fake).len(), 2);
    // Without remarks there is nothing else to try.
    client.finish_check(&repository(), check, &end(&[])).unwrap_err();
    assert_eq!(changes(&fake).len(), 3);
}

#[test]
fn a_check_whose_creation_is_lost_is_found_and_not_made_twice() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/check-runs", Then::Lose);
    let (client, check) = started(&fake);
    assert_eq!(fake.state().checks.len(), 1);
    client.finish_check(&repository(), check, &end(&[])).unwrap();
    assert_eq!(fake.state().checks[0]["status"], "completed");
    let look = &fake.seen("GET", "/check-runs")[0];
    assert_eq!(look.parameter("check_name"), Some("nongemm%20%2F%20quick"));
}

#[test]
fn a_change_is_sent_again_where_its_answer_is_lost() {
    let fake = Fake::start(Who::Workflow);
    let (client, check) = started(&fake);
    fake.accident("PATCH", "/check-runs/1001", Then::Lose);
    assert!(matches!(client.finish_check(&repository(), check, &end(&[])).unwrap(), Finished::Whole));
    assert_eq!(changes(&fake).len(), 2);
}

#[test]
fn texts_are_cut_to_what_github_takes() {
    let fake = Fake::start(Who::Workflow);
    let (client, check) = started(&fake);
    let long = "█".repeat(100_000);
    let mut remarks = annotations(2);
    remarks[0].title = long.clone();
    remarks[0].message = long.clone();
    remarks[0].line = 0;
    remarks[1].path = String::new();
    let end = CheckEnd { title: &long, summary: &long, ..end(&remarks) };
    client.finish_check(&repository(), check, &end).unwrap();
    let output = changes(&fake).remove(0)["output"].take();
    let length = |value: &Value| value.as_str().unwrap().len();
    let remark = &output["annotations"][0];
    for (value, limit) in
        [(&output["title"], 255), (&output["summary"], 65_535), (&remark["title"], 255), (&remark["message"], 65_536)]
    {
        assert!((limit - 3..=limit).contains(&length(value)), "{}", length(value));
        assert!(value.as_str().unwrap().ends_with('…'));
    }
    assert_eq!((&remark["start_line"], &remark["end_line"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(output["annotations"].as_array().unwrap().len(), 1, "a remark on no file is none of a check run");
}

#[test]
fn the_words_are_github_s() {
    let words = [
        (Conclusion::Success, "success"),
        (Conclusion::Failure, "failure"),
        (Conclusion::Neutral, "neutral"),
        (Conclusion::Cancelled, "cancelled"),
        (Conclusion::TimedOut, "timed_out"),
        (Conclusion::Skipped, "skipped"),
        (Conclusion::ActionRequired, "action_required"),
    ];
    for (conclusion, word) in words {
        let fake = Fake::start(Who::Workflow);
        let (client, check) = started(&fake);
        client.finish_check(&repository(), check, &CheckEnd { conclusion, ..end(&[]) }).unwrap();
        assert_eq!(fake.state().checks[0]["conclusion"], word);
    }
}
