//! A GitHub that remembers: comments, check runs and pull requests of one repository, with accidents on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::server::{Answer, Reply, Request, Server};

pub const REPOSITORY: &str = "acme/ranker";
pub const HEAD: &str = "1111111111111111111111111111111111111111";
pub const BASE: &str = "2222222222222222222222222222222222222222";
pub const TOKEN: &str = "ghs_thisIsTheSecret";

/// Who the token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A person, `octocat`.
    Person,
    /// A workflow, which may not ask who it is.
    Workflow,
}

impl Who {
    fn user(self) -> Value {
        match self {
            Who::Person => user("octocat", "User"),
            Who::Workflow => user("github-actions[bot]", "Bot"),
        }
    }
}

pub fn user(login: &str, kind: &str) -> Value {
    json!({"login": login, "type": kind})
}

/// What goes wrong with one request.
pub enum Then {
    /// It is not done, and the connection closes.
    Refuse,
    /// It is done, and the connection closes.
    Lose,
    /// It is done, and half of the answer comes.
    Half,
    /// It is not done, and this is the answer.
    Answer(Answer),
    /// It is done, but this is the answer.
    Deny(Answer),
    /// Something else happens first.
    Meanwhile(Box<dyn FnOnce(&mut State) + Send>),
    /// It is done, then something else happens before the answer.
    Afterwards(Box<dyn FnOnce(&mut State) + Send>),
}

/// An accident that waits for its request.
struct Accident {
    method: &'static str,
    ending: &'static str,
    then: Then,
}

/// What the fake remembers.
pub struct State {
    pub who: Who,
    pub comments: Vec<Value>,
    pub checks: Vec<Value>,
    pub pulls: Vec<Value>,
    /// The node ids of comments that were folded away.
    pub minimised: Vec<String>,
    /// GraphQL does what it is asked.
    pub graphql: bool,
    accidents: VecDeque<Accident>,
    /// What a real answer has beside what is told here, by the kind of thing.
    shapes: BTreeMap<&'static str, Value>,
    next: u64,
}

/// The server with its state.
pub struct Fake {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Fake {
    /// A fake whose answers hold only what is told here.
    pub fn start(who: Who) -> Fake {
        Fake::shaped(who, BTreeMap::new())
    }

    /// A fake whose answers are laid over whole ones: of a `user`, a `comment`, a `check`, a `pull` (by number) and a
    /// `listed pull`.
    pub fn shaped(who: Who, shapes: BTreeMap<&'static str, Value>) -> Fake {
        let state = Arc::new(Mutex::new(State {
            who,
            comments: Vec::new(),
            checks: Vec::new(),
            pulls: Vec::new(),
            minimised: Vec::new(),
            graphql: true,
            accidents: VecDeque::new(),
            shapes,
            next: 1000,
        }));
        let server = {
            let state = state.clone();
            Server::start(move |request| state.lock().unwrap().reply(request))
        };
        Fake { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next request of this method whose path ends so meets an accident.
    pub fn accident(&self, method: &'static str, ending: &'static str, then: Then) {
        self.state().accidents.push_back(Accident { method, ending, then });
    }

    /// The requests of this method whose path ends so.
    pub fn seen(&self, method: &str, ending: &str) -> Vec<Request> {
        let fits = |request: &Request| request.method == method && request.path.ends_with(ending);
        self.server.seen().into_iter().filter(fits).collect()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.server.seen()
    }

    /// The bodies of the comments, in their order.
    pub fn bodies(&self) -> Vec<String> {
        self.state().comments.iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }
}

impl State {
    /// Adds a comment, as a poster of that name would.
    pub fn comment(&mut self, author: &Value, body: &str) -> Value {
        self.next += 1;
        let id = self.next;
        let comment = json!({
            "id": id,
            "node_id": format!("IC_{id}"),
            "html_url": format!("https://github.com/{REPOSITORY}/pull/7#issuecomment-{id}"),
            "body": body,
            "user": author,
        });
        let comment = self.shaped("comment", &comment);
        self.comments.push(comment.clone());
        comment
    }

    /// Adds an open pull request.
    pub fn pull(&mut self, number: u64, branch: &str, head_sha: &str, head_repository: Option<&str>) {
        let side = |branch: &str, sha: &str, repository: Option<&str>| {
            let repository = repository.map(|name| json!({"full_name": name}));
            json!({"ref": branch, "sha": sha, "repo": repository})
        };
        let owner = head_repository.map_or("ghost", |name| name.split('/').next().unwrap());
        let mut pull = json!({
            "number": number,
            "state": "open",
            "head": side(branch, head_sha, head_repository),
            "base": side("main", BASE, Some(REPOSITORY)),
        });
        pull["head"]["label"] = json!(format!("{owner}:{branch}"));
        self.pulls.push(pull);
    }

    fn shaped(&self, kind: &str, told: &Value) -> Value {
        let mut whole = self.shapes.get(kind).cloned().unwrap_or_else(|| json!({}));
        lay_over(&mut whole, told);
        whole
    }

    fn reply(&mut self, request: &Request) -> Reply {
        let fits = |accident: &Accident| accident.method == request.method && request.path.ends_with(accident.ending);
        let accident = self.accidents.iter().position(fits).and_then(|at| self.accidents.remove(at));
        match accident.map(|accident| accident.then) {
            None => Reply::Answer(self.answer(request)),
            Some(Then::Refuse) => Reply::Nothing,
            Some(Then::Lose) => {
                self.answer(request);
                Reply::Nothing
            }
            Some(Then::Half) => Reply::Half(self.answer(request)),
            Some(Then::Answer(answer)) => Reply::Answer(answer),
            Some(Then::Deny(answer)) => {
                self.answer(request);
                Reply::Answer(answer)
            }
            Some(Then::Meanwhile(happens)) => {
                happens(self);
                Reply::Answer(self.answer(request))
            }
            Some(Then::Afterwards(happens)) => {
                let answer = self.answer(request);
                happens(self);
                Reply::Answer(answer)
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        if request.headers("authorization") != [format!("Bearer {TOKEN}")] {
            return refusal(401, "Bad credentials");
        }
        // A server of GitHub Enterprise has its API below a path.
        let path = request.path.strip_prefix("/api/v3").unwrap_or(&request.path);
        if path == "/graphql" || request.path == "/api/graphql" {
            return self.graphql(request);
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["user"]) => self.me(),
            (method, ["repos", "acme", "ranker", rest @ ..]) => self.repository(method, rest, request),
            _ => refusal(404, "Not Found"),
        }
    }

    fn repository(&mut self, method: &str, rest: &[&str], request: &Request) -> Answer {
        match (method, rest) {
            ("GET", ["issues", "7", "comments"]) => page(&self.comments, request),
            ("POST", ["issues", "7", "comments"]) => {
                let body = request.json()["body"].as_str().unwrap_or_default().to_owned();
                Answer::json(201, &self.comment(&self.who.user(), &body))
            }
            ("PATCH", ["issues", "comments", id]) => match number(&self.comments, id) {
                Some(at) => {
                    self.comments[at]["body"] = request.json()["body"].clone();
                    Answer::json(200, &self.comments[at])
                }
                None => refusal(404, "Not Found"),
            },
            ("DELETE", ["issues", "comments", id]) => match number(&self.comments, id) {
                Some(at) => {
                    self.comments.remove(at);
                    Answer::empty(204)
                }
                None => refusal(404, "Not Found"),
            },
            ("POST", ["check-runs"]) => self.start_check(&request.json()),
            ("PATCH", ["check-runs", id]) => self.change_check(id, &request.json()),
            ("GET", ["commits", HEAD, "check-runs"]) => {
                Answer::json(200, &json!({"total_count": self.checks.len(), "check_runs": self.checks}))
            }
            ("GET", ["pulls"]) => self.list_pulls(request),
            ("GET", ["pulls", id]) => match self.pulls.iter().find(|pull| pull["number"].as_u64() == id.parse().ok()) {
                Some(pull) => Answer::json(200, &self.shaped("pull", pull)),
                None => refusal(404, "Not Found"),
            },
            _ => refusal(404, "Not Found"),
        }
    }

    fn me(&self) -> Answer {
        match self.who {
            Who::Person => Answer::json(200, &self.shaped("user", &self.who.user())),
            Who::Workflow => refusal(403, "Resource not accessible by integration"),
        }
    }

    fn graphql(&mut self, request: &Request) -> Answer {
        let body = request.json();
        let query = body["query"].as_str().unwrap_or_default();
        if !self.graphql {
            return Answer::json(200, &json!({"data": null, "errors": [{"type": "FORBIDDEN", "message": "no"}]}));
        }
        if query.contains("viewer") {
            return Answer::json(200, &json!({"data": {"viewer": {"login": self.who.user()["login"]}}}));
        }
        if !query.contains("minimizeComment") || !query.contains("classifier: OUTDATED") {
            return refusal(400, "A query attribute must be specified and must be a string.");
        }
        let subject = body["variables"]["subject"].as_str().unwrap_or_default().to_owned();
        self.minimised.push(subject);
        Answer::json(200, &json!({"data": {"minimizeComment": {"minimizedComment": {"isMinimized": true}}}}))
    }

    fn start_check(&mut self, told: &Value) -> Answer {
        self.next += 1;
        let run = json!({
            "id": self.next,
            "name": told["name"],
            "head_sha": told["head_sha"],
            "status": told["status"],
            "conclusion": null,
            "completed_at": null,
            "external_id": told["external_id"],
            "details_url": told["details_url"],
            "output": {"title": null, "summary": null, "text": null, "annotations_count": 0},
        });
        let run = self.shaped("check", &run);
        self.checks.push(run.clone());
        Answer::json(201, &run)
    }

    fn change_check(&mut self, id: &str, told: &Value) -> Answer {
        let Some(at) = number(&self.checks, id) else { return refusal(404, "Not Found") };
        let annotations = told["output"]["annotations"].as_array().map_or(0, Vec::len);
        if annotations > 50 {
            return refusal(422, "Invalid request. No more than 50 annotations are allowed.");
        }
        let run = &mut self.checks[at];
        let count = run["output"]["annotations_count"].as_u64().unwrap() + annotations as u64;
        run["status"] = told["status"].clone();
        if let Some(conclusion) = told.get("conclusion") {
            run["conclusion"] = conclusion.clone();
            run["completed_at"] = json!("2026-01-01T00:00:00Z");
        }
        run["output"]["title"] = told["output"]["title"].clone();
        run["output"]["summary"] = told["output"]["summary"].clone();
        run["output"]["annotations_count"] = json!(count);
        Answer::json(200, run)
    }

    fn list_pulls(&self, request: &Request) -> Answer {
        let head = request.parameter("head").unwrap_or_default().replace("%3A", ":").replace("%2F", "/");
        let fits = |pull: &&Value| pull["head"]["label"] == json!(head) && pull["state"] == "open";
        let found: Vec<Value> = self.pulls.iter().filter(fits).map(|pull| self.shaped("listed pull", pull)).collect();
        page(&found, request)
    }
}

/// A page of a list, with the address of the next one.
fn page(all: &[Value], request: &Request) -> Answer {
    let parameter = |name: &str, usual: usize| request.parameter(name).map_or(usual, |text| text.parse().unwrap());
    let (size, page) = (parameter("per_page", 30).min(100), parameter("page", 1));
    let found: Vec<&Value> = all.iter().skip(size * (page - 1)).take(size).collect();
    let answer = Answer::json(200, &json!(found));
    if size * page < all.len() {
        return answer
            .with("Link", &format!("<https://elsewhere.example{}?page={}>; rel=\"next\"", request.path, page + 1));
    }
    answer
}

/// Where the thing with this id is.
fn number(things: &[Value], id: &str) -> Option<usize> {
    things.iter().position(|thing| thing["id"].as_u64() == id.parse().ok())
}

pub fn refusal(status: u16, message: &str) -> Answer {
    let body =
        json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    Answer::json(status, &body)
}

/// Puts what is told over what is there, field by field.
fn lay_over(whole: &mut Value, told: &Value) {
    match (whole, told) {
        (Value::Object(whole), Value::Object(told)) => {
            for (key, value) in told {
                lay_over(whole.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (whole, told) => *whole = told.clone(),
    }
}
