//! Creation under bad conditions: answers that are lost, and two posters at once. One comment is what remains.

use nongemm::github::{GitHubError, Posted};

use crate::fake::{Fake, State, Then, Who, refusal, user};
use crate::support::{client, post, repository};

/// What another poster of our workflow would create at this moment.
fn another(body: &str) -> impl FnOnce(&mut State) + Send + use<> {
    let theirs = {
        let fake = Fake::start(Who::Workflow);
        post(&fake, body, false).unwrap();
        fake.bodies()[0].clone()
    };
    move |state| {
        state.comment(&user("github-actions[bot]", "Bot"), &theirs);
    }
}

#[test]
fn a_creation_whose_answer_is_lost_is_not_repeated() {
    for then in [Then::Lose, Then::Half] {
        let fake = Fake::start(Who::Workflow);
        fake.accident("POST", "/comments", then);
        let posted = post(&fake, "green", false).unwrap();
        assert!(matches!(&posted, Posted::Created { url } if url.ends_with("-1001")), "{posted:?}");
        assert_eq!((fake.bodies().len(), fake.seen("POST", "/comments").len()), (1, 1));
    }
}

#[test]
fn a_creation_that_a_gateway_gave_up_on_but_github_did_is_not_repeated() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/comments", Then::Deny(refusal(504, "Gateway Timeout")));
    let posted = post(&fake, "green", false).unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    assert_eq!((fake.bodies().len(), fake.seen("POST", "/comments").len()), (1, 1));
}

#[test]
fn a_creation_that_did_not_happen_is_sent_again_after_looking() {
    for then in [Then::Refuse, Then::Answer(refusal(502, "Server Error"))] {
        let fake = Fake::start(Who::Workflow);
        fake.accident("POST", "/comments", then);
        let (client, waits) = client(&fake.url());
        let comment = nongemm::github::Comment { id: "nongemm", body: "green", red: false };
        client.post_comment(&repository(), 7, &comment).unwrap();
        assert_eq!((fake.bodies().len(), fake.seen("POST", "/comments").len()), (1, 2));
        assert_eq!(waits.seconds(), [1]);
        let order: Vec<String> = fake.requests().iter().map(|request| request.method.clone()).collect();
        // Who we are (twice), the list; creation, a look, creation, a last look.
        assert_eq!(order, ["GET", "POST", "GET", "POST", "GET", "POST", "GET"]);
    }
}

#[test]
fn what_another_poster_created_is_not_taken_for_ours() {
    let fake = Fake::start(Who::Workflow);
    post(&fake, "green", false).unwrap();
    fake.accident("POST", "/comments", Then::Refuse);
    // The list before the creation, then the look after it.
    fake.accident("GET", "/comments", Then::Meanwhile(Box::new(|_| {})));
    fake.accident("GET", "/comments", Then::Meanwhile(Box::new(another("theirs"))));
    let posted = post(&fake, "ours", true).unwrap();
    let bodies = fake.bodies();
    assert!(bodies.len() == 2 && bodies[1].ends_with("\nours"), "{bodies:?}");
    assert!(matches!(posted, Posted::Replaced { .. }), "{posted:?}");
}

#[test]
fn a_creation_that_never_happens_is_given_up_after_four_tries() {
    let fake = Fake::start(Who::Workflow);
    for _ in 0..4 {
        fake.accident("POST", "/comments", Then::Refuse);
    }
    let error = post(&fake, "green", false).unwrap_err();
    assert!(matches!(error, GitHubError::NoAnswer { attempts: 4, .. }), "{error}");
    assert_eq!((fake.bodies().len(), fake.seen("POST", "/comments").len()), (0, 4));
}

#[test]
fn a_creation_whose_last_try_is_lost_is_still_found() {
    let fake = Fake::start(Who::Workflow);
    for _ in 0..3 {
        fake.accident("POST", "/comments", Then::Refuse);
    }
    fake.accident("POST", "/comments", Then::Lose);
    assert!(matches!(post(&fake, "green", false).unwrap(), Posted::Created { .. }));
    assert_eq!(fake.bodies().len(), 1);
}

#[test]
fn a_creation_that_was_turned_away_by_a_limit_is_sent_again_without_looking() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/comments", Then::Answer(refusal(429, "slow down").with("Retry-After", "7")));
    let (client, waits) = client(&fake.url());
    let comment = nongemm::github::Comment { id: "nongemm", body: "green", red: false };
    client.post_comment(&repository(), 7, &comment).unwrap();
    assert_eq!(waits.seconds(), [8], "as long as was told, and a little more");
    assert_eq!(fake.bodies().len(), 1);
}

#[test]
fn the_earlier_of_two_posters_withdraws() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/comments", Then::Afterwards(Box::new(another("theirs"))));
    let posted = post(&fake, "ours", false).unwrap();
    let bodies = fake.bodies();
    assert!(bodies.len() == 1 && bodies[0].ends_with("\ntheirs"), "{bodies:?}");
    assert!(posted.url().ends_with("-1002"), "{posted:?}");
}

#[test]
fn the_later_of_two_posters_removes_the_other_s() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/comments", Then::Meanwhile(Box::new(another("theirs"))));
    let posted = post(&fake, "ours", false).unwrap();
    let bodies = fake.bodies();
    assert!(bodies.len() == 1 && bodies[0].ends_with("\nours"), "{bodies:?}");
    assert!(posted.url().ends_with("-1002"), "{posted:?}");
}

#[test]
fn what_another_poster_removed_already_is_no_failure() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/comments", Then::Afterwards(Box::new(another("theirs"))));
    let gone = |state: &mut State| state.comments.retain(|comment| comment["id"] != 1001);
    fake.accident("DELETE", "/issues/comments/1001", Then::Meanwhile(Box::new(gone)));
    assert!(post(&fake, "ours", false).is_ok());
    assert_eq!(fake.bodies().len(), 1);
}

#[test]
fn what_cannot_be_removed_is_no_failure() {
    let fake = Fake::start(Who::Workflow);
    fake.accident("POST", "/comments", Then::Afterwards(Box::new(another("theirs"))));
    fake.accident("DELETE", "/issues/comments/1001", Then::Answer(refusal(403, "no")));
    assert!(post(&fake, "ours", false).is_ok());
}

#[test]
fn posters_at_once_come_to_one_comment() {
    for round in 0..10 {
        let fake = Fake::start(Who::Workflow);
        std::thread::scope(|scope| {
            for poster in 0..4 {
                let fake = &fake;
                scope.spawn(move || post(fake, &format!("round {round} poster {poster}"), false).unwrap());
            }
        });
        let bodies = fake.bodies();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
    }
}

#[test]
fn posters_at_once_replace_a_green_comment_by_one_red_one() {
    for _ in 0..5 {
        let fake = Fake::start(Who::Workflow);
        post(&fake, "green", false).unwrap();
        std::thread::scope(|scope| {
            for poster in 0..3 {
                let fake = &fake;
                scope.spawn(move || post(fake, &format!("red {poster}"), true).unwrap());
            }
        });
        let bodies = fake.bodies();
        assert_eq!(bodies.len(), 2, "the green one, folded away, and a red one: {bodies:?}");
        assert!(bodies[0].ends_with("\ngreen"));
        assert!(fake.state().minimised.contains(&"IC_1001".to_owned()));
    }
}
