//! Minutes of target groups, on ministack and on the local cloud alike.
//!
//! Ministack answers `TC(…)` with the average. So what both must do has no
//! latencies; those are the local cloud's, and ministack shows that the nonsense
//! is noticed.

use std::collections::BTreeMap;

use answers::Kind;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
use jiff::Timestamp;
use local_cloud::metrics::Datum;
use local_cloud::{
    ApiFault, ApiFaultKind, Fault, LocalCloud, Metric, MetricsFault, MetricsFaultKind, Topology,
};
use rollout_controller::adapters::aws::Aws;
use rollout_controller::adapters::cloudwatch::CloudWatch;
use rollout_controller::domain::minute::{Edges, Histogram, Minute, SideCounts};
use rollout_controller::domain::route::{GroupArn, Route, RuleArn};
use rollout_controller::domain::wrong_answers::ComparisonsRead;
use rollout_controller::errors::chain;
use rollout_controller::ports::{
    Metrics as _, MetricsError, MinuteRead, MinutesWanted, RouteMinute,
};

use crate::peers;

const NAMESPACE: &str = "AWS/ApplicationELB";

/// Counts beside the load balancer, which some metrics do not name.
const BY_GROUP_ALONE: [&str; 2] = ["LambdaUserError", "LambdaInternalError"];

struct Source {
    aws: Aws,
    /// Where samples are put without a call: nobody may publish in AWS's namespaces.
    /// Ministack lets everybody.
    cloud: Option<LocalCloud>,
    /// Half an hour ago: old enough to be complete, young enough to be kept.
    start: Minute,
    routes: Vec<Route>,
    edges: Edges,
}

fn route(name: &str) -> Route {
    let group = |side: &str| {
        let arn = format!(
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{name}-{side}/73e2"
        );
        GroupArn::parse(&arn).expect("a group")
    };
    let rule = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/lb/5/6/7";
    Route {
        name: name.into(),
        rule: RuleArn::parse(rule).expect("a rule"),
        old_group: group("py"),
        new_group: group("rs"),
        header_rule: None,
    }
}

impl Source {
    async fn at(url: &str) -> Self {
        Self {
            aws: peers::aws_at(url).await,
            cloud: None,
            start: Minute::containing(Timestamp::now()).plus(-30),
            routes: vec![route("scores"), route("models")],
            edges: Edges::default(),
        }
    }

    async fn local() -> Self {
        let cloud = LocalCloud::start(Topology::new().manual_clock()).await;
        let cloud = cloud.expect("a local cloud");
        let mut source = Self::at(&cloud.aws_endpoint()).await;
        source.cloud = Some(cloud);
        source
    }

    fn cloud(&self) -> &LocalCloud {
        self.cloud.as_ref().expect("the local cloud")
    }

    fn break_calls(&self, kind: ApiFaultKind, times: u32) {
        let fault = ApiFault::new("GetMetricData", kind).times(times);
        self.cloud().add_fault(Fault::Api(fault));
    }

    fn minute(&self, number: i64) -> Minute {
        self.start.plus(number)
    }

    /// Publishes values of a metric, as the load balancer does.
    async fn put(&self, group: &GroupArn, metric: &str, minute: i64, values: &[f64]) {
        let mut dimensions = BTreeMap::from([("TargetGroup", group.dimension())]);
        if !BY_GROUP_ALONE.contains(&metric) {
            dimensions.insert("LoadBalancer", "app/lb/5");
        }
        let at_secs = self.minute(minute).epoch_secs() + 17;
        let Some(cloud) = &self.cloud else {
            return self.put_by_call(&dimensions, metric, at_secs, values).await;
        };
        let owned = dimensions.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
        let metric = Metric {
            namespace: NAMESPACE.to_owned(),
            name: metric.to_owned(),
            dimensions: owned.collect(),
        };
        let values = values.iter().map(|&value| (value, 1.0)).collect();
        cloud.metrics().put(metric, 1000 * at_secs, &Datum::Values(values));
    }

    async fn put_by_call(
        &self,
        dimensions: &BTreeMap<&str, &str>,
        metric: &str,
        at_secs: i64,
        values: &[f64],
    ) {
        let dimensions = dimensions
            .iter()
            .map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
        let dimensions: Vec<_> = dimensions.collect();
        for some in values.chunks(100) {
            let datum = MetricDatum::builder().metric_name(metric);
            let datum = datum.timestamp(DateTime::from_secs(at_secs));
            let datum = datum.set_dimensions(Some(dimensions.clone()));
            let datum = datum.set_values(Some(some.to_vec())).build();
            let put = self.aws.cloudwatch().await.put_metric_data();
            let put = put.namespace(NAMESPACE).metric_data(datum);
            put.send().await.expect("put");
        }
    }

    fn wanted<'a>(&'a self, routes: &'a [Route], from: i64, until: i64) -> MinutesWanted<'a> {
        let (from, until) = (self.minute(from), self.minute(until));
        MinutesWanted { routes, from, until, edges_ms: self.edges.as_ms(), comparisons: false }
    }

    async fn read(&self, from: i64, until: i64) -> Result<Vec<MinuteRead>, MetricsError> {
        let wanted = [self.wanted(&self.routes[..1], from, until)];
        let mut answers = CloudWatch::new(self.aws.clone()).minutes(&wanted).await;
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }
}

fn counts(requests: u64, errors: u64) -> SideCounts {
    SideCounts { requests, errors, latency: Histogram::default() }
}

/// Both sides of the first route of a minute that was read.
fn sides(minute: &MinuteRead) -> [Option<SideCounts>; 2] {
    match &minute.routes[0] {
        RouteMinute::Known { old, new } => [old.clone(), new.clone()],
        RouteMinute::Unknown(why) => panic!("{}: {why}", minute.minute),
    }
}

/// Why the first route of a minute is not known.
fn unknown(minute: &MinuteRead) -> String {
    match &minute.routes[0] {
        RouteMinute::Unknown(why) => why.to_string(),
        RouteMinute::Known { .. } => panic!("known: {minute:?}"),
    }
}

/// What the functions behind a group counted in a minute, as their log lines have it.
fn put_compared(source: &Source, minute: i64, name: &str, kind: Option<&str>, value: f64) {
    let group = source.routes[0].new_group.dimension().to_owned();
    let kind = kind.map(|kind| ("Kind".to_owned(), kind.to_owned()));
    let metric = Metric {
        namespace: "ScorerFn".to_owned(),
        name: name.to_owned(),
        dimensions: [("TargetGroup".to_owned(), group)].into_iter().chain(kind).collect(),
    };
    let at_ms = 1000 * (source.minute(minute).epoch_secs() + 17);
    source.cloud().metrics().put(metric, at_ms, &Datum::Values(vec![(value, 1.0)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn comparisons_come_with_the_minutes_and_no_data_is_never_zero() {
    let source = Source::local().await;
    let group = source.routes[0].new_group.clone();
    for minute in 0..4 {
        source.put(&group, "RequestCount", minute, &[1.0; 4]).await;
    }
    // Minute 0: six compared in two log lines, one of them different in two ways.
    for (different, failed) in [(1.0, 0.0), (0.0, 2.0)] {
        put_compared(&source, 0, "Compared", None, 3.0);
        put_compared(&source, 0, "Different", None, different);
        put_compared(&source, 0, "CompareFailed", None, failed);
    }
    put_compared(&source, 0, "Different", Some("number"), 1.0);
    put_compared(&source, 0, "Different", Some("missing"), 1.0);
    // Minute 1: none different. Minute 2: nothing. Minute 3: half of it has arrived.
    for name in ["Different", "CompareFailed"] {
        put_compared(&source, 1, name, None, 0.0);
    }
    put_compared(&source, 1, "Compared", None, 5.0);
    put_compared(&source, 3, "Compared", None, 5.0);

    let mut wanted = source.wanted(&source.routes[..1], 0, 4);
    wanted.comparisons = true;
    let read = CloudWatch::new(source.aws.clone()).minutes(&[wanted.clone()]).await.remove(0);
    let read = read.expect("read");
    let counted = |at: usize| read[at].comparisons.as_ref().and_then(ComparisonsRead::counted);
    let first = counted(0).expect("known");
    assert_eq!((first.compared, first.different, first.failed), (6, 1, 2));
    assert_eq!(first.kinds, BTreeMap::from([(Kind::Number, 1), (Kind::Missing, 1)]));
    let second = counted(1).expect("known");
    assert_eq!((second.compared, second.different, second.kinds.len()), (5, 0, 0));
    assert_eq!(read[2].comparisons, None);
    let Some(ComparisonsRead::Unread(why)) = &read[3].comparisons else { panic!("{read:?}") };
    assert_eq!(why.to_string(), "Different is missing, and others of the three are not");
    // The minutes of requests are known all the same.
    assert!(read.iter().all(|minute| matches!(minute.routes[0], RouteMinute::Known { .. })));

    // Who does not ask is answered as before.
    wanted.comparisons = false;
    let read = CloudWatch::new(source.aws.clone()).minutes(&[wanted]).await.remove(0);
    assert!(read.expect("read").iter().all(|minute| minute.comparisons.is_none()));
}

/// Everything that both must do.
async fn a_source_of_minutes(source: &Source) {
    let (first, second) = (&source.routes[0], &source.routes[1]);
    source.put(&first.old_group, "RequestCount", 0, &[1.0; 150]).await;
    source.put(&first.old_group, "HTTPCode_Target_5XX_Count", 0, &[1.0; 3]).await;
    source.put(&first.old_group, "LambdaUserError", 0, &[1.0]).await;
    // Without latencies, so no more than a few may have been answered well.
    source.put(&first.old_group, "LambdaInternalError", 0, &[1.0; 142]).await;
    source.put(&first.new_group, "RequestCount", 0, &[1.0; 4]).await;
    // Minute 1: nothing. Minute 2: one side only, the other too large a request.
    source.put(&first.old_group, "RequestCount", 2, &[1.0; 3]).await;
    source.put(&first.new_group, "LambdaUserError", 2, &[1.0]).await;
    source.put(&second.new_group, "RequestCount", 2, &[1.0; 4]).await;

    let side = |minute, old, new| MinuteRead {
        minute: source.minute(minute),
        routes: vec![RouteMinute::Known { old, new }],
        comparisons: None,
    };
    let expected = [
        side(0, Some(counts(150, 146)), Some(counts(4, 0))),
        side(1, None, None),
        side(2, Some(counts(3, 0)), None),
    ];
    assert_eq!(source.read(0, 3).await.expect("read"), expected);
    // The end is not part of it, and neither are older minutes.
    assert_eq!(source.read(1, 2).await.expect("read"), expected[1..2]);
    assert_eq!(source.read(2, 2).await.expect("nothing"), []);

    // Wishes of several rollouts, some for the same minutes, in the order asked.
    let wanted = [
        source.wanted(&source.routes[1..], 2, 3),
        source.wanted(&source.routes[..1], 0, 2),
        source.wanted(&source.routes, 2, 3),
    ];
    let answers = CloudWatch::new(source.aws.clone()).minutes(&wanted).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("read")).collect();
    assert_eq!(answers[0][0].routes, [RouteMinute::Known { old: None, new: Some(counts(4, 0)) }]);
    assert_eq!(answers[1], expected[..2]);
    let both = [expected[2].routes[0].clone(), answers[0][0].routes[0].clone()];
    assert_eq!(answers[2][0].routes, both);

    // An answered error without requests: that minute is not known, and those
    // before and after it are.
    source.put(&first.new_group, "HTTPCode_Target_5XX_Count", 5, &[1.0]).await;
    source.put(&first.new_group, "RequestCount", 6, &[1.0; 2]).await;
    let read = source.read(4, 7).await.expect("read");
    let told = unknown(&read[1]);
    assert_eq!(told, "scores-rs: RequestCount is missing, and HTTPCode_Target_5XX_Count is 1");
    assert_eq!(sides(&read[0]), [None, None]);
    assert_eq!(sides(&read[2]), [None, Some(counts(2, 0))]);
}

#[tokio::test]
async fn ministack_keeps_the_contract() {
    let Some(ministack) = peers::ministack().await else {
        return;
    };
    let source = Source::at(&ministack.url()).await;
    a_source_of_minutes(&source).await;

    // It answers `TC(…)` with the average, and says `Complete`.
    let group = &source.routes[0].new_group;
    source.put(group, "RequestCount", 8, &[1.0; 4]).await;
    source.put(group, "TargetResponseTime", 8, &[0.1, 0.2, 0.3, 0.4]).await;
    let told = unknown(&source.read(8, 9).await.expect("read")[0]);
    assert!(told.starts_with("scores-rs: TargetResponseTime"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_keeps_the_contract() {
    a_source_of_minutes(&Source::local().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn latencies_come_back_in_the_buckets_they_belong_to() {
    let source = Source::local().await;
    let group = &source.routes[0].new_group;
    // On an edge, just above it, below the first and above the last.
    let millis = [1.0, 5.0, 5.1, 6.3, 100.0, 100.1, 200.0, 499.9, 500.0, 10_000.0, 12_345.0];
    let seconds: Vec<f64> = millis.iter().map(|ms| ms / 1000.0).collect();
    source.put(group, "RequestCount", 0, &[1.0; 12]).await;
    source.put(group, "TargetResponseTime", 0, &seconds).await;
    let read = source.read(0, 1).await.expect("read");
    let [_, new] = sides(&read[0]);
    let new = new.expect("counts");
    assert_eq!(new.latency, Histogram::of_latencies(&source.edges, millis));
    assert_eq!((new.requests, new.latency.samples()), (12, 11), "one was never answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_minutes_that_are_not_published_yet_are_no_zeros() {
    let mut source = Source::local().await;
    source.start = Minute(source.cloud().clock().minute()).plus(-1);
    let group = source.routes[0].old_group.clone();
    source.put(&group, "RequestCount", 0, &[1.0; 4]).await;
    let old = |read: &[MinuteRead]| sides(&read[0])[0].clone();
    assert_eq!(old(&source.read(0, 1).await.expect("read")), None);
    source.cloud().clock().advance(std::time::Duration::from_mins(3));
    assert_eq!(old(&source.read(0, 1).await.expect("read")), Some(counts(4, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_whole_is_not_measured() {
    for (kind, word) in
        [(ApiFaultKind::PartialData, "PartialData"), (ApiFaultKind::InternalError, "InternalError")]
    {
        let source = Source::local().await;
        source.put(&source.routes[0].old_group, "RequestCount", 0, &[1.0; 9]).await;
        source.break_calls(kind, 1);
        match source.read(0, 1).await {
            Err(MetricsError::Incomplete { status, .. }) => {
                assert!(status.contains(word), "{status}");
            }
            other => panic!("{kind:?}: {other:?}"),
        }
    }
}

/// Minutes 0 to 3 of both routes, each with requests, errors and latencies on both sides.
async fn full_minutes(source: &Source) {
    for route in &source.routes {
        for (group, requests) in [(&route.old_group, 60), (&route.new_group, 20)] {
            for minute in 0..4 {
                source.put(group, "RequestCount", minute, &vec![1.0; requests]).await;
                source.put(group, "HTTPCode_Target_5XX_Count", minute, &[1.0; 2]).await;
                source.put(group, "LambdaUserError", minute, &[1.0]).await;
                source.put(group, "LambdaInternalError", minute, &[1.0]).await;
                let latencies: Vec<f64> = (0..requests).map(|n| 0.001 * (n + 1) as f64).collect();
                source.put(group, "TargetResponseTime", minute, &latencies).await;
            }
        }
    }
}

/// Everything of both routes, as it is when nothing is wrong.
async fn both_routes(source: &Source) -> Vec<MinuteRead> {
    let wanted = [source.wanted(&source.routes, 0, 4)];
    let mut answers = CloudWatch::new(source.aws.clone()).minutes(&wanted).await;
    answers.remove(0).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// A fault of one minute of one side of the first route.
fn of_minute(source: &Source, kind: MetricsFaultKind, minute: i64) -> MetricsFault {
    let start = Timestamp::from_second(source.minute(minute).epoch_secs()).expect("a time");
    MetricsFault::new(kind).group("scores-rs").minute(start)
}

/// All as it was, but for minute 2 of the first route: that is not known. Returns why.
fn all_but_one(read: &[MinuteRead], healthy: &[MinuteRead]) -> String {
    let why = unknown(&read[2]);
    let mut rest = read.to_vec();
    rest[2].routes[0] = healthy[2].routes[0].clone();
    assert_eq!(rest, healthy);
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn one_metric_of_one_minute_that_is_missing_leaves_that_minute_unknown() {
    let source = Source::local().await;
    full_minutes(&source).await;
    let healthy = both_routes(&source).await;
    assert_eq!(sides(&healthy[2])[1].as_ref().map(|new| (new.requests, new.errors)), Some((20, 4)));
    // 16 latencies of 20 are in the buckets from 5 ms on.
    for (metric, statistic, told) in [
        ("RequestCount", None, "RequestCount is missing"),
        ("TargetResponseTime", Some("SampleCount"), "SampleCount is 0"),
        ("TargetResponseTime", Some("TC"), "all buckets together hold 0"),
        ("TargetResponseTime", None, "TargetResponseTime SampleCount is missing"),
    ] {
        let mut fault = of_minute(&source, MetricsFaultKind::Absent, 2).metric(metric);
        fault.statistic = statistic.map(str::to_owned);
        let fault = source.cloud().add_fault(Fault::Metrics(fault));
        let why = all_but_one(&both_routes(&source).await, &healthy);
        assert!(why.starts_with("scores-rs: ") && why.contains(told), "{metric}: {why}");
        source.cloud().clear_faults(Some(fault));
        assert_eq!(both_routes(&source).await, healthy, "{metric} came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_that_cloudwatch_itself_calls_incomplete_is_unknown_and_the_others_are_not() {
    let source = Source::local().await;
    full_minutes(&source).await;
    let healthy = both_routes(&source).await;
    // These are there in every minute, so that what an incomplete answer does have is known.
    for metric in
        ["RequestCount", "HTTPCode_Target_5XX_Count", "LambdaUserError", "LambdaInternalError"]
    {
        let fault = of_minute(&source, MetricsFaultKind::PartialData, 2).metric(metric);
        let fault = source.cloud().add_fault(Fault::Metrics(fault));
        let why = all_but_one(&both_routes(&source).await, &healthy);
        assert_eq!(why, format!("scores-rs: query `{metric} Sum` came back as PartialData"));
        source.cloud().clear_faults(Some(fault));
    }
    // A query without any answer leaves its route unknown, and no other.
    let fault = of_minute(&source, MetricsFaultKind::InternalError, 2).metric("RequestCount");
    source.cloud().add_fault(Fault::Metrics(fault));
    let read = both_routes(&source).await;
    for (minute, before) in read.iter().zip(&healthy) {
        assert!(unknown(minute).contains("came back as InternalError"), "{minute:?}");
        assert_eq!(minute.routes[1], before.routes[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_makes_no_sense_leaves_its_minute_unknown() {
    let source = Source::local().await;
    full_minutes(&source).await;
    let healthy = both_routes(&source).await;
    let at = |fault: MetricsFault| {
        let of = of_minute(&source, fault.kind, 2);
        MetricsFault { group: of.group, from: of.from, to: of.to, ..fault }
    };
    for (fault, told) in [
        (MetricsFault::reading(0.5).metric("RequestCount"), "RequestCount is 0.5, no count"),
        (
            MetricsFault::reading(-3.0).metric("HTTPCode_Target_5XX_Count"),
            "HTTPCode_Target_5XX_Count is -3, no count",
        ),
        (
            MetricsFault::adding(900.0).metric("HTTPCode_Target_5XX_Count"),
            "HTTPCode_Target_5XX_Count is 902, and RequestCount only 20",
        ),
        (MetricsFault::reading(1.0).metric("RequestCount"), "and RequestCount only 1"),
        (
            MetricsFault::adding(5.0).metric("TargetResponseTime").statistic("SampleCount"),
            "SampleCount is 25, and all buckets together hold 20",
        ),
    ] {
        let fault = source.cloud().add_fault(Fault::Metrics(at(fault)));
        let why = all_but_one(&both_routes(&source).await, &healthy);
        assert!(why.starts_with("scores-rs: ") && why.contains(told), "{why}");
        source.cloud().clear_faults(Some(fault));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_that_comes_late_is_unknown_until_it_is_there_as_it_was() {
    let mut source = Source::local().await;
    source.start = Minute(source.cloud().clock().minute()).plus(-8);
    full_minutes(&source).await;
    let start = of_minute(&source, MetricsFaultKind::Late, 2);
    let late = MetricsFault {
        group: start.group,
        from: start.from,
        to: start.to,
        ..MetricsFault::late(20)
    };
    source.cloud().add_fault(Fault::Metrics(late.metric("RequestCount")));
    let early = both_routes(&source).await;
    assert!(unknown(&early[2]).contains("RequestCount is missing"), "{early:?}");
    let mut known: Vec<_> =
        early.iter().filter(|minute| minute.minute != source.minute(2)).collect();
    assert!(known.drain(..).all(|minute| sides(minute)[1].is_some()));
    source.cloud().clock().advance(std::time::Duration::from_mins(30));
    let later = both_routes(&source).await;
    assert_eq!(sides(&later[2]), sides(&later[1]), "late is as good as in time");
    for (now, then) in later.iter().zip(&early).filter(|(now, _)| now.minute != source.minute(2)) {
        assert_eq!(now, then);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_call_is_repeated_and_a_refused_one_is_told() {
    let source = Source::local().await;
    source.break_calls(ApiFaultKind::Throttle, 2);
    assert!(source.read(0, 1).await.is_ok(), "the third attempt passes");
    source.break_calls(ApiFaultKind::Denied, 1);
    let error = source.read(0, 1).await.expect_err("denied");
    assert!(matches!(error, MetricsError::Read { .. }), "{error:?}");
    let told = chain(&error);
    assert_eq!(told.matches("AccessDenied").count(), 1, "said once: {told}");
    assert!(told.contains("scores-py"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rollout_that_aws_refuses_does_not_blind_the_others() {
    let source = Source::local().await;
    source.put(&source.routes[0].old_group, "RequestCount", 0, &[1.0; 4]).await;
    let mut refused = source.wanted(&source.routes[1..], 0, 1);
    // They do not rise, so one bucket has its bounds the wrong way round.
    let edges = [5.0, 4.0];
    refused.edges_ms = &edges;
    let wanted = [refused, source.wanted(&source.routes[..1], 0, 1)];
    let answers = CloudWatch::new(source.aws.clone()).minutes(&wanted).await;
    assert!(answers[0].is_err(), "{:?}", answers[0]);
    let read = answers[1].as_ref().expect("read");
    assert_eq!(sides(&read[0]), [Some(counts(4, 0)), None]);
}

#[tokio::test]
async fn hours_hold_the_requests_of_all_groups_each_once() {
    let source = Source::local().await;
    // Two minutes an hour apart; the shared group is counted once.
    let routes = [source.routes[0].clone(), source.routes[0].clone()];
    let Route { old_group, new_group, .. } = &routes[0];
    for (group, minute, values) in
        [(old_group, 0, &[1.0, 2.0][..]), (new_group, 1, &[4.0]), (old_group, -60, &[8.0])]
    {
        source.put(group, "RequestCount", minute, values).await;
    }
    let cloudwatch = CloudWatch::new(source.aws.clone());
    let hour = |minute: i64| source.minute(minute).epoch_secs().div_euclid(3_600) * 3_600;
    let at = |secs: i64| Timestamp::from_second(secs).unwrap();
    let hours = cloudwatch.hours(&routes, at(hour(-60)), at(hour(1) + 3_600)).await.expect("hours");
    let all: f64 = hours.values().sum();
    assert!((all - 15.0).abs() < 1e-9, "{hours:?}");
    assert_eq!(hours.get(&hour(-60)), Some(&8.0), "{hours:?}");

    source.break_calls(ApiFaultKind::Denied, 1);
    let error = cloudwatch.hours(&routes, at(hour(0)), at(hour(0) + 3_600)).await.unwrap_err();
    assert!(chain(&error).contains("AccessDenied"), "{error}");
}
