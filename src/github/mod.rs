//! What GitHub is asked and told: the event of a workflow, the comment on a pull request, the check run, the files and
//! commands of a step. The only place that knows octocrab and tokio.
//!
//! Takes plain values and imports nothing of ours: it renders no report and judges nothing. Everything blocks; nothing
//! here runs between two calls. What GitHub answers comes from outside and is treated so: limited in size and time,
//! read into small types of our own, and quoted in errors without control characters and without the token.

mod address;
mod annotation;
mod check_run;
mod client;
mod clock;
mod command;
mod comment;
mod error;
mod event;
mod files;
mod graphql;
mod identity;
mod marker;
mod payload;
mod pull_request;
mod refusal;
mod repository;
mod retry;
mod text;
mod token;
mod transport;

pub use annotation::{Annotation, AnnotationLevel};
pub use check_run::{CheckEnd, CheckId, CheckStart, Conclusion, Finished};
pub use client::Client;
pub use clock::{Clock, SystemClock};
pub use command::workflow_command;
pub use comment::{Comment, Posted};
pub use error::GitHubError;
pub use event::{Access, Event, EventError, PullRequest, Workflow, WorkflowRun};
pub use files::{Appended, FileError, append_output, append_summary};
pub use marker::marker_room;
pub use pull_request::PullRequestState;
pub use repository::{InvalidRepository, Repository};
pub use token::{InvalidToken, Token};
pub use transport::Limits;
