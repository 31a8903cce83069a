//! The one comment: created, updated, left alone, replaced, and never another's.

use nongemm::github::{Comment, GitHubError, Posted, marker_room};
use serde_json::json;

use crate::fake::{Fake, Then, Who, refusal, user};
use crate::support::{client, post, repository};

#[test]
fn the_first_report_creates_the_comment() {
    let fake = Fake::start(Who::Workflow);
    let posted = post(&fake, "all green", false).unwrap();
    assert!(matches!(&posted, Posted::Created { url } if url.ends_with("#issuecomment-1001")), "{posted:?}");
    let bodies = fake.bodies();
    assert_eq!(bodies.len(), 1);
    let (marker, text) = bodies[0].split_once('\n').unwrap();
    assert!(marker.starts_with("<!-- ") && marker.ends_with(" -->"), "{marker}");
    assert!(marker.len() < marker_room());
    assert_eq!(text, "all green");
}

#[test]
fn another_report_changes_it_in_place() {
    for who in [Who::Workflow, Who::Person] {
        let fake = Fake::start(who);
        post(&fake, "green", false).unwrap();
        let posted = post(&fake, "greener", false).unwrap();
        assert!(matches!(&posted, Posted::Updated { url } if url.ends_with("#issuecomment-1001")), "{posted:?}");
        let bodies = fake.bodies();
        assert!(bodies.len() == 1 && bodies[0].ends_with("\ngreener"), "{bodies:?}");
        assert_eq!(fake.seen("PATCH", "/issues/comments/1001").len(), 1);
    }
}

#[test]
fn the_same_report_sends_nothing() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green\n", false).unwrap();
    // As GitHub keeps it.
    let kept = fake.bodies()[0].trim_end().replace('\n', "\r\n");
    fake.state().comments[0]["body"] = json!(kept);
    assert!(matches!(post(&fake, "green\n", false).unwrap(), Posted::Unchanged { .. }));
    assert_eq!((fake.seen("PATCH", "").len(), fake.seen("POST", "/comments").len()), (0, 1));
}

#[test]
fn what_someone_else_wrote_into_it_is_put_right() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "2 operators regressed", true).unwrap();
    let edited = fake.bodies()[0].replace("2 operators regressed", "all green");
    fake.state().comments[0]["body"] = json!(edited);
    assert!(matches!(post(&fake, "2 operators regressed", true).unwrap(), Posted::Updated { .. }));
    assert!(fake.bodies()[0].ends_with("\n2 operators regressed"));
}

#[test]
fn a_verdict_that_becomes_red_is_a_new_comment_and_the_old_one_is_folded() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green", false).unwrap();
    let posted = post(&fake, "red", true).unwrap();
    let Posted::Replaced { url, minimised: true } = &posted else { panic!("{posted:?}") };
    assert!(url.ends_with("#issuecomment-1002"), "{url}");
    assert_eq!(fake.state().minimised, ["IC_1001"]);
    // Still red, then green again: the new one is changed.
    assert!(matches!(post(&fake, "redder", true).unwrap(), Posted::Updated { .. }));
    assert!(matches!(post(&fake, "green", false).unwrap(), Posted::Updated { .. }));
    let bodies = fake.bodies();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.iter().all(|body| body.ends_with("\ngreen")), "{bodies:?}");
}

#[test]
fn the_newest_of_ours_counts_in_whatever_order_they_are_listed() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green", false).unwrap();
    post(&fake, "red", true).unwrap();
    fake.state().comments.reverse();
    post(&fake, "redder", true).unwrap();
    assert_eq!(fake.seen("PATCH", "/issues/comments/1002").len(), 1);
}

#[test]
fn to_fail_at_folding_is_no_failure_to_post() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green", false).unwrap();
    fake.state().graphql = false;
    assert!(matches!(post(&fake, "red", true).unwrap(), Posted::Replaced { minimised: false, .. }));
}

#[test]
fn comments_of_several_names_live_side_by_side() {
    let fake = Fake::start(Who::Workflow);
    let (client, _) = client(&fake.url());
    for (id, body) in [("nongemm", "a"), ("nongemm-gpu", "b"), ("nongemm", "c"), ("nongemm-gpu", "d")] {
        client.post_comment(&repository(), 7, &Comment { id, body, red: false }).unwrap();
    }
    let bodies = fake.bodies();
    assert!(bodies.len() == 2 && bodies[0].ends_with("\nc") && bodies[1].ends_with("\nd"), "{bodies:?}");
}

#[test]
fn a_name_that_could_break_the_marker_is_refused_before_anything_is_sent() {
    let fake = Fake::start(Who::Workflow);
    let (client, _) = client(&fake.url());
    let error = client.post_comment(&repository(), 7, &Comment { id: "a --> b", body: "", red: false }).unwrap_err();
    assert!(matches!(error, GitHubError::CommentId { .. }) && fake.requests().is_empty(), "{error}");
}

#[test]
fn our_comment_is_found_behind_hundreds_of_others() {
    let fake = Fake::start(Who::Workflow);
    for number in 0..150 {
        fake.state().comment(&user("someone", "User"), &format!("comment {number}"));
    }
    post(&fake, "green", false).unwrap();
    for number in 0..150 {
        fake.state().comment(&user("someone", "User"), &format!("later {number}"));
    }
    assert!(matches!(post(&fake, "greener", false).unwrap(), Posted::Updated { .. }));
    assert_eq!(fake.bodies().len(), 301);
    assert!(fake.bodies()[150].ends_with("\ngreener"));
}

#[test]
fn exactly_a_page_of_comments_is_read_to_its_end() {
    let fake = Fake::start(Who::Workflow);
    for number in 0..100 {
        fake.state().comment(&user("someone", "User"), &format!("comment {number}"));
    }
    post(&fake, "green", false).unwrap();
    assert!(matches!(post(&fake, "green", false).unwrap(), Posted::Unchanged { .. }));
}

#[test]
fn a_marker_by_another_author_is_not_ours() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "red", true).unwrap();
    let ours = fake.bodies()[0].clone();
    fake.state().comments.clear();
    let impostors = [
        user("mallory", "User"),
        // A person's login may be an app's without its ending.
        user("github-actions", "User"),
        user("dependabot[bot]", "Bot"),
    ];
    for impostor in &impostors {
        fake.state().comment(impostor, &ours.replace("\nred", "\nall is well"));
    }
    fake.state().comments[0]["performed_via_github_app"] = json!({"slug": "github-actions"});
    let posted = post(&fake, "green", false).unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    let bodies = fake.bodies();
    assert!(bodies[..3].iter().all(|body| body.ends_with("\nall is well")), "{bodies:?}");
}

#[test]
fn a_marker_that_is_quoted_in_a_comment_of_ours_is_text() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green", false).unwrap();
    let ours = fake.bodies()[0].clone();
    fake.state().comments.clear();
    fake.state().comment(&user("github-actions[bot]", "Bot"), &format!("Another workflow says:\n{ours}"));
    assert!(matches!(post(&fake, "green", false).unwrap(), Posted::Created { .. }));
}

#[test]
fn a_workflow_s_token_that_cannot_even_ask_graphql_is_taken_for_what_it_is() {
    let fake = Fake::start(Who::Workflow);
    fake.state().graphql = false;
    post(&fake, "green", false).unwrap();
    assert!(matches!(post(&fake, "greener", false).unwrap(), Posted::Updated { .. }));
}

#[test]
fn one_client_asks_once_who_it_is() {
    let fake = Fake::start(Who::Person);
    let (client, _) = client(&fake.url());
    for body in ["a", "b"] {
        client.post_comment(&repository(), 7, &Comment { id: "nongemm", body, red: false }).unwrap();
    }
    assert_eq!(fake.seen("GET", "/user").len(), 1);
}

#[test]
fn a_comment_that_was_deleted_meanwhile_is_created_anew() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green", false).unwrap();
    fake.accident("PATCH", "/issues/comments/1001", Then::Meanwhile(Box::new(|state| state.comments.clear())));
    let posted = post(&fake, "greener", false).unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    assert_eq!(fake.bodies().len(), 1);
}

#[test]
fn a_comment_that_is_too_long_or_in_a_locked_conversation_says_what_to_do() {
    let fake = Fake::start(Who::Workflow);
    let too_long = r#"{"message": "Validation Failed", "errors": [{"resource": "IssueComment", "code": "unprocessable",
        "field": "data", "message": "Body is too long (maximum is 65536 characters)"}]}"#;
    let mut answer = refusal(422, "");
    answer.body = too_long.as_bytes().to_vec();
    fake.accident("POST", "/comments", Then::Answer(answer));
    let error = post(&fake, &"x".repeat(70_000), false).unwrap_err().to_string();
    assert!(error.contains("maximum is 65536 characters") && error.contains("--comment-id"), "{error}");
    let locked = "Unable to create comment because issue is locked.";
    fake.accident("POST", "/comments", Then::Answer(refusal(403, locked)));
    let error = post(&fake, "green", false).unwrap_err().to_string();
    assert!(error.contains(locked) && error.contains("unlock the conversation"), "{error}");
    assert_eq!(fake.seen("POST", "/comments").len(), 2, "a refusal is not sent again");
}

#[test]
fn a_server_of_an_enterprise_has_its_api_below_a_path() {
    let fake = Fake::start(Who::Workflow);
    let (client, _) = client(&format!("{}/api/v3/", fake.url()));
    let post = |body, red| client.post_comment(&repository(), 7, &Comment { id: "nongemm", body, red }).unwrap();
    post("green", false);
    assert!(matches!(post("red", true), Posted::Replaced { minimised: true, .. }));
    for request in fake.requests() {
        let graphql = request.path == "/api/graphql";
        assert!(graphql || request.path.starts_with("/api/v3/"), "{} {}", request.method, request.path);
    }
    assert_eq!(fake.seen("POST", "/api/graphql").len(), 2, "who it is, and folding");
}
