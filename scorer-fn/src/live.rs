//! Live comparison: some requests are asked of Python again, when the answer is out.
//!
//! Off unless `COMPARE_FUNCTION_ARN` and `COMPARE_SHARE` are set. No client waits: it
//! happens where telemetry is sent, between the answer and the next event. The
//! environment is busy meanwhile, so there is a budget for each call and a cap a minute,
//! and a failure keeps it from Python for a minute.
//!
//! The second call is a request like any other to Python: it writes what a request
//! writes. So it is made only for a GET of a score with a key that has no rate limit,
//! which it would use up. docs/compare.md lists the writes.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use answers::{Answer as Seen, Comparer, Comparison, Rules, Show};
use function_kit::emf::{self, Unit};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::config::ConfigError;
use crate::event::Event;
use crate::score::Notes;
use crate::time::{self, OffsetTime};

#[cfg(feature = "compare")]
mod invoke;

/// Where the metrics go in CloudWatch, beside those of each request.
const NAMESPACE: &str = "ScorerFn";
/// After a failed call Python is left alone for so long.
const REST: Duration = Duration::from_mins(1);
/// Examples that a process logs in a minute.
const MOST_EXAMPLES: u32 = 3;
/// Differences in one example.
const MOST_SHOWN: usize = 5;

/// What is set about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `COMPARE_FUNCTION_ARN`: the Python function, version or alias.
    pub function: String,
    /// `COMPARE_SHARE`: share of requests that are repeated, above 0 to 1.
    pub share: f64,
    /// `COMPARE_PER_MINUTE`: most calls of one process in a minute.
    pub per_minute: u32,
    /// `COMPARE_BUDGET_MS`: longest that one call may take, and never past the
    /// function's own deadline.
    pub budget: Duration,
    /// `COMPARE_RULES`: what may differ, as JSON.
    pub rules: Rules,
}

impl Settings {
    /// Reads the settings; `None` if it is off, which a share of 0 makes it at once.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable, its problem and the fix.
    pub fn read(get: &impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let bad = |variable, problem: &str| ConfigError { variable, problem: problem.to_owned() };
        let Some(function) = get("COMPARE_FUNCTION_ARN") else { return Ok(None) };
        let share: f64 = match get("COMPARE_SHARE") {
            None => return Ok(None),
            Some(text) => text.parse().unwrap_or(f64::NAN),
        };
        if !(0.0..=1.0).contains(&share) {
            return Err(bad("COMPARE_SHARE", "give a share of requests from 0 to 1, such as 0.01"));
        }
        if share == 0.0 {
            return Ok(None);
        }
        // arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]
        let parts: Vec<&str> = function.split(':').collect();
        let name = match parts.as_slice() {
            ["arn", _, "lambda", _, _, "function", name]
            | ["arn", _, "lambda", _, _, "function", name, _]
                if !name.is_empty() =>
            {
                *name
            }
            _ => {
                let fix = "give the ARN of the Python function: arn:aws:lambda:REGION:ACCOUNT:function:NAME";
                return Err(bad("COMPARE_FUNCTION_ARN", fix));
            }
        };
        if get("AWS_LAMBDA_FUNCTION_NAME").as_deref() == Some(name) {
            let fix = "is this function itself, which would call itself without end; give Python's";
            return Err(bad("COMPARE_FUNCTION_ARN", fix));
        }
        let number = |variable, default: u32, most: u32, fix: &str| match get(variable) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| bad(variable, fix)),
        };
        let per_minute = number("COMPARE_PER_MINUTE", 6, 600, "give a whole number from 1 to 600")?;
        let budget_ms =
            number("COMPARE_BUDGET_MS", 3000, 30_000, "give milliseconds from 1 to 30000")?;
        let rules = match get("COMPARE_RULES") {
            None => Rules::default(),
            Some(text) => serde_json::from_str(&text).map_err(|problem| {
                bad("COMPARE_RULES", &format!("is not the JSON of the rules: {problem}"))
            })?,
        };
        if let Err(problems) = rules.check() {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(bad("COMPARE_RULES", &all.join("; ")));
        }
        if !cfg!(feature = "compare") {
            return Err(bad(
                "COMPARE_FUNCTION_ARN",
                "built without the feature `compare`; unset it",
            ));
        }
        let budget = Duration::from_millis(u64::from(budget_ms));
        Ok(Some(Self { function, share, per_minute, budget, rules }))
    }
}

/// Repeats requests and counts what differs.
#[derive(Debug)]
pub struct Live {
    settings: Settings,
    comparer: Comparer,
    #[cfg(feature = "compare")]
    python: invoke::Python,
    pace: Mutex<Pace>,
}

/// What this process has done in the present minute.
#[derive(Debug, Default)]
struct Pace {
    since: Option<Instant>,
    calls: u32,
    examples: u32,
    rests_until: Option<Instant>,
}

/// A request that is to be repeated.
#[derive(Debug)]
pub struct Repeat {
    event: Value,
    group: String,
    ours: Answer,
}

/// Why there is nothing to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The call did not end within the budget.
    Late,
    /// Lambda refused the call: rights, throttling, no such function.
    NotInvoked,
    /// The function ended with an error.
    Function,
    /// What it returned is no answer to a load balancer.
    NoAnswer,
}

impl Failed {
    fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::NotInvoked => "not_invoked",
            Self::Function => "function_error",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl Live {
    /// Connects to nothing yet.
    ///
    /// # Panics
    /// Never with settings that [`Settings::read`] gave.
    pub fn new(settings: Settings) -> Self {
        let comparer = Comparer::new(&settings.rules).expect("the rules were checked when read");
        Self {
            comparer,
            #[cfg(feature = "compare")]
            python: invoke::Python::new(settings.function.clone()),
            pace: Mutex::default(),
            settings,
        }
    }

    /// The request, if it is one of those to be repeated. Its client still waits, so it
    /// is only copied here.
    pub fn wants(
        &self,
        raw: &Value,
        event: &Event,
        answer: &Answer,
        notes: &Notes,
    ) -> Option<Repeat> {
        // An error of ours is seen as such, and Python may be in the same trouble.
        let fits = answer.status < 500
            && notes.key_is_limited == Some(false)
            && raw["httpMethod"] == "GET"
            && event.path.as_deref().is_some_and(is_score);
        let group = raw["requestContext"]["elb"]["targetGroupArn"].as_str()?;
        let group = &group[group.find("targetgroup/")?..];
        if !fits || !is_drawn(self.settings.share) || !self.may_call() {
            return None;
        }
        Some(Repeat { event: raw.clone(), group: group.to_owned(), ours: answer.clone() })
    }

    /// Asks Python, compares, and gives the lines for the log. `until` is when the
    /// function must have ended.
    pub async fn compare(&self, repeat: Repeat, until: Option<Instant>) -> Vec<Value> {
        let Repeat { event, group, ours } = repeat;
        let budget = Instant::now() + self.settings.budget;
        let until = until.map_or(budget, |until| until.min(budget));
        let Ok(ours) = Seen::from_alb(ours.to_alb().to_string().as_bytes()) else {
            return Vec::new();
        };
        let asked = tokio::time::timeout_at(until.into(), self.ask(event.to_string())).await;
        let found = match asked.unwrap_or(Err((Failed::Late, String::new()))) {
            Ok(theirs) => Ok(self.comparer.compare(&theirs, &ours, Show::Shapes)),
            Err(failed) => {
                self.pace().rests_until = Some(Instant::now() + REST);
                Err(failed)
            }
        };
        let example = match &found {
            Ok(comparison) if !comparison.is_same() => self.may_show(),
            Ok(_) | Err(_) => false,
        };
        lines(&group, &found, example)
    }

    #[cfg(feature = "compare")]
    async fn ask(&self, event: String) -> Result<Seen, (Failed, String)> {
        let payload = self.python.invoke(event).await?;
        Seen::from_alb(&payload).map_err(|why| (Failed::NoAnswer, why.to_string()))
    }

    #[cfg(not(feature = "compare"))]
    async fn ask(&self, event: String) -> Result<Seen, (Failed, String)> {
        drop(event);
        std::future::ready(Err((Failed::NotInvoked, "built without it".to_owned()))).await
    }

    /// Takes one of the minute's calls, if there is one left.
    fn may_call(&self) -> bool {
        let (now, mut pace) = (Instant::now(), self.pace());
        if pace.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        if pace.since.is_none_or(|since| now.duration_since(since) >= Duration::from_mins(1)) {
            *pace = Pace { since: Some(now), ..Pace::default() };
        }
        pace.calls += 1;
        pace.calls <= self.settings.per_minute
    }

    fn may_show(&self) -> bool {
        let mut pace = self.pace();
        pace.examples += 1;
        pace.examples <= MOST_EXAMPLES
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `…/stamps/{scorer}/score/{address}` and nothing behind it: reads a score. No other
/// endpoint is called a second time.
fn is_score(path: &str) -> bool {
    let mut segments = path.rsplit('/');
    let (address, score, scorer, stamps) =
        (segments.next(), segments.next(), segments.next(), segments.next());
    score == Some("score")
        && stamps == Some("stamps")
        && [address, scorer].iter().all(|part| part.is_some_and(|part| !part.is_empty()))
}

fn is_drawn(share: f64) -> bool {
    // 53 random bits, as many as a double holds.
    let random = RandomState::new().build_hasher().finish() >> 11;
    (random as f64) / ((1_u64 << 53) as f64) < share
}

/// The line that counts, and one for each kind of difference. No value, header, key or
/// address is in them.
fn lines(
    group: &str,
    found: &Result<Comparison, (Failed, String)>,
    with_example: bool,
) -> Vec<Value> {
    let now = time::now();
    let at_ms = now / 1000;
    let line = |level: &str, message: String| {
        emf::Line::new(json!({
            "timestamp": OffsetTime::from_micros(now).event_spelling(),
            "level": level,
            "message": message,
            "TargetGroup": group,
        }))
    };
    let mut all = Vec::new();
    let mut count = match found {
        Ok(same) if same.is_same() => line("INFO", "Python answers the same".to_owned()),
        Ok(comparison) => {
            let mut count = line("WARN", "Python answers differently".to_owned());
            if with_example {
                let shown: Vec<String> = comparison
                    .differences
                    .iter()
                    .take(MOST_SHOWN)
                    .map(ToString::to_string)
                    .collect();
                count.set(answers::LOG_MEMBER, shown);
            }
            let kinds: BTreeSet<&str> =
                comparison.differences.iter().map(|found| found.kind.name()).collect();
            for kind in kinds {
                let mut line = line("INFO", format!("differs from Python in: {kind}"));
                line.set("Kind", kind);
                line.metric("Different", Unit::Count, 1);
                all.push(line.into_json(NAMESPACE, &[&["TargetGroup", "Kind"]], at_ms));
            }
            count
        }
        Err((failed, why)) => {
            let mut count = line("WARN", "not compared with Python".to_owned());
            count.set("compare_failed", failed.name());
            count.set("error", why.as_str());
            count
        }
    };
    let differs = found.as_ref().is_ok_and(|comparison| !comparison.is_same());
    count.metric("Compared", Unit::Count, u8::from(found.is_ok()));
    count.metric("Different", Unit::Count, u8::from(differs));
    count.metric("CompareFailed", Unit::Count, u8::from(found.is_err()));
    all.insert(0, count.into_json(NAMESPACE, &[&["TargetGroup"]], at_ms));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: &str = "arn:aws:lambda:eu-west-1:111122223333:function:scorer-py";

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Settings>, ConfigError> {
        Settings::read(&|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn live(more: &[(&str, &str)]) -> Live {
        let pairs = [&[("COMPARE_FUNCTION_ARN", PYTHON), ("COMPARE_SHARE", "1")], more].concat();
        Live::new(read(&pairs).unwrap().unwrap())
    }

    #[test]
    fn it_is_off_unless_asked_for_and_a_share_of_0_turns_it_off() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("COMPARE_FUNCTION_ARN", PYTHON)]), Ok(None));
        assert_eq!(read(&[("COMPARE_FUNCTION_ARN", PYTHON), ("COMPARE_SHARE", "0")]), Ok(None));
        for (pairs, variable) in [
            (
                [("COMPARE_FUNCTION_ARN", "scorer-py"), ("COMPARE_SHARE", "1")],
                "COMPARE_FUNCTION_ARN",
            ),
            ([("COMPARE_FUNCTION_ARN", PYTHON), ("COMPARE_SHARE", "1%")], "COMPARE_SHARE"),
            ([("COMPARE_FUNCTION_ARN", PYTHON), ("COMPARE_SHARE", "1.5")], "COMPARE_SHARE"),
        ] {
            assert_eq!(read(&pairs).unwrap_err().variable, variable);
        }
        let on = [("COMPARE_FUNCTION_ARN", PYTHON), ("COMPARE_SHARE", "1")];
        for (more, variable) in [
            (("AWS_LAMBDA_FUNCTION_NAME", "scorer-py"), "COMPARE_FUNCTION_ARN"),
            (("COMPARE_PER_MINUTE", "0"), "COMPARE_PER_MINUTE"),
            (("COMPARE_BUDGET_MS", "-1"), "COMPARE_BUDGET_MS"),
            (("COMPARE_RULES", "{\"tolerance\":\"x\"}"), "COMPARE_RULES"),
        ] {
            assert_eq!(read(&[&on[..], &[more]].concat()).unwrap_err().variable, variable);
        }
    }

    fn wanted(live: &Live, method: &str, path: &str, limited: Option<bool>, status: u16) -> bool {
        let raw = json!({
            "requestContext": {"elb": {"targetGroupArn":
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/rs/1"}},
            "httpMethod": method, "path": path, "headers": {}, "body": "",
        });
        let notes = Notes { key_is_limited: limited, ..Notes::default() };
        let answer = Answer { status, description: String::new(), body: "{}".to_owned() };
        live.wants(&raw, &Event::from_alb(&raw), &answer, &notes).is_some()
    }

    #[test]
    fn only_reads_of_a_score_by_keys_without_a_limit_are_repeated() {
        let live = live(&[("COMPARE_PER_MINUTE", "600")]);
        let path = "/v2/stamps/1/score/0xab";
        assert!(wanted(&live, "GET", path, Some(false), 200));
        assert!(wanted(&live, "GET", path, Some(false), 404));
        assert!(!wanted(&live, "POST", path, Some(false), 200));
        assert!(!wanted(&live, "GET", path, Some(true), 200), "it would use up the key's limit");
        assert!(!wanted(&live, "GET", path, None, 401), "nobody knows whose request it is");
        assert!(!wanted(&live, "GET", path, Some(false), 503));
        for other in
            ["/v2/stamps/1/score/0xab/history", "/v2/stamps/1/score/", "/v2/models/score/0xab"]
        {
            assert!(!wanted(&live, "GET", other, Some(false), 200), "{other}");
        }
    }

    #[test]
    fn no_more_than_the_cap_is_repeated_in_a_minute_and_nothing_after_a_failure() {
        let capped = live(&[("COMPARE_PER_MINUTE", "3")]);
        let of = |live: &Live| {
            let path = "/v2/stamps/1/score/0xab";
            (0..20).filter(|_| wanted(live, "GET", path, Some(false), 200)).count()
        };
        assert_eq!(of(&capped), 3);
        let resting = live(&[]);
        resting.pace().rests_until = Some(Instant::now() + REST);
        assert_eq!(of(&resting), 0);
    }

    #[test]
    fn metrics_are_of_the_target_group_and_name_the_kinds() {
        let comparer = Comparer::new(&Rules::default()).unwrap();
        let of = |body: &str| Seen { status: 200, headers: Vec::new(), body: body.into() };
        let found = comparer.compare(
            &of(r#"{"stamps":{"secret":{"score":"1.0"}},"a":1}"#),
            &of(r#"{"stamps":{"secret":{"score":"2.0"}}}"#),
            Show::Shapes,
        );
        let all = lines("targetgroup/rs/1", &Ok(found), true);
        let text = Value::from(all.clone()).to_string();
        assert!(!text.contains("secret") && text.contains("number stamps.*.score"), "{text}");
        assert_eq!(all.len(), 3, "{text}");
        let counted = |line: &Value| (line["Compared"].clone(), line["Different"].clone());
        assert_eq!(counted(&all[0]), (json!(1), json!(1)));
        assert_eq!((&all[1]["Kind"], &all[2]["Kind"]), (&json!("missing"), &json!("number")));
        let failed = lines("g", &Err((Failed::Late, String::new())), false);
        assert_eq!((failed.len(), &failed[0]["CompareFailed"]), (1, &json!(1)));
        assert_eq!(counted(&failed[0]), (json!(0), json!(0)));
    }
}
