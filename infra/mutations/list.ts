/** Every way in which the program is broken on purpose, and the test that must notice. */

export interface Mutation {
  /** In words. */
  readonly what: string;
  /** From the repository's root. */
  readonly file: string;
  /** A text that the file has exactly once. */
  readonly from: string;
  readonly to: string;
  /** Test files to run. */
  readonly tests: readonly string[];
  /** Name of a test that must fail. */
  readonly notices: RegExp;
}

type Short = readonly [what: string, from: string, to: string, notices: RegExp];

const of = (file: string, tests: readonly string[], list: readonly Short[]): Mutation[] =>
  list.map(([what, from, to, notices]) => ({ what, file, from, to, tests, notices }));

export const mutations: readonly Mutation[] = [
  ...of(
    "infra/src/settings.ts",
    ["routing"],
    [
      ["header rule at another priority", "HEADER_PRIORITY = 99", "HEADER_PRIORITY = 98", /is at 99/],
      ["another header", '"X-Use-Rust-Scorer"', '"X-Use-Rust"', /asks for the header/],
    ],
  ),
  ...of(
    "infra/src/routing.ts",
    ["routing"],
    [
      ["ignore nothing", "? CONTROLLERS_NUMBERS : []", "? [] : []", /weights are ignored/],
      ["ignore all actions", "actions[*].forward.targetGroups[*].weight", "actions", /weights are ignored/],
      [
        "ignore conditions too",
        '["actions[*].forward.targetGroups[*].weight"]',
        '["actions[*].forward.targetGroups[*].weight", "conditions"]',
        /weights are ignored/,
      ],
      [
        "ignore weights in the split",
        'adopt === undefined || adopt.step === "managed"',
        'adopt === undefined || adopt.step !== "import"',
        /both weights are written/,
      ],
      ["stickiness on", "enabled: false, duration", "enabled: true, duration", /stickiness is declared/],
      ["no protection", "protect: true", "protect: false", /cannot be deleted/],
      ["Rust begins with a percent", "weight: 0 }", "weight: 1 }", /begin with all requests/],
      ["Python begins with nothing", "weight: 100 }", "weight: 0 }", /begin with all requests/],
      [
        "sides swapped",
        "{ arn: pythonArn, weight: 100 }",
        "{ arn: rust.arn, weight: 100 }",
        /begin with all/,
      ],
      [
        "testers count as evidence",
        "of(groups.testers, listener).arn",
        "of(groups.routes, routes[0]!.name).rust.arn",
        /group of their own/,
      ],
      [
        "header value in the clear",
        "return pulumi.secret(version.secretString)",
        "return version.secretString",
        /stays a secret/,
      ],
      [
        "addresses forgotten",
        "header.sourceIps.length > 0",
        "header.sourceIps.length > 9",
        /narrowed by address/,
      ],
      [
        "hosts forgotten in the header rule",
        "if (hosts.length > 0)",
        "if (hosts.length > 9)",
        /hosts of its routes/,
      ],
      [
        "methods forgotten",
        "route.methods.length > 0",
        "route.methods.length > 9",
        /exactly its route's conditions/,
      ],
      [
        "hosts forgotten in the weighted rule",
        "route.hosts.length > 0",
        "route.hosts.length > 9",
        /exactly its route's/,
      ],
      [
        "rule without its import",
        "? adopt.ruleArn : undefined",
        "? undefined : undefined",
        /import: as found/,
      ],
      [
        "adopted rule with our tags",
        "adopt === undefined ? this.common.tags : { ...adopt.tags }",
        "this.common.tags",
        /import: as found/,
      ],
      [
        "rules before their groups can answer",
        "protect: true,\n        dependsOn: groups.attached,",
        "protect: true,",
        /after the groups can answer/,
      ],
    ],
  ),
  ...of(
    "infra/src/routing.ts",
    ["weights-stay"],
    [
      [
        "ignore nothing, seen by the provider",
        "? CONTROLLERS_NUMBERS : []",
        "? [] : []",
        /nothing|more memory|another tag/,
      ],
      [
        "no split",
        '[adopt?.step === "import" ? found',
        '[adopt?.step === "split" ? found',
        /split writes 100 to 0/,
      ],
    ],
  ),
  ...of(
    "infra/src/config-routes.ts",
    ["routing", "config"],
    [
      [
        "one path only in the header rule",
        "[...new Set(routes.flatMap((route) => route.paths))]",
        "[...(routes[0]?.paths ?? [])]",
        /a path of any route/,
      ],
      [
        "priority 98 allowed",
        "route.priority <= HEADER_PRIORITY",
        "route.priority < 0",
        /priority before the header rule/,
      ],
      [
        "priority 99 allowed",
        "route.priority <= HEADER_PRIORITY",
        "route.priority < HEADER_PRIORITY",
        /header rule's own priority/,
      ],
      ["one priority twice", "`${route.listener} ${route.priority}`", "route.name", /one priority twice/],
      ["wildcards uncounted", "wildcards > WILDCARDS", "wildcards > 99", /too many wildcards/],
      ["values uncounted", "count > VALUES) {", "count > 99) {", /too many values/],
      ["different hosts", "hosts.size > 1", "hosts.size > 9", /different hosts/],
      [
        "a rule of another listener",
        "!route.adopt.ruleArn.startsWith(`${its}/`)",
        "!route.adopt.ruleArn",
        /rule of another listener/,
      ],
      ["a listener without routes", "is used by no route", "is unused", /listener without routes/],
    ],
  ),
  ...of(
    "infra/src/target-groups.ts",
    ["routing"],
    [
      [
        "lists of headers",
        "lambdaMultiValueHeadersEnabled: false",
        "lambdaMultiValueHeadersEnabled: true",
        /no lists of headers/,
      ],
      ["health checks", "enabled: false", "enabled: true", /no health checks/],
      [
        "the newest code instead of the alias",
        "targetId: alias.arn",
        "targetId: scorer.arn",
        /calls the alias/,
      ],
      ["any group may call", "sourceArn: group.arn,\n", "", /calls the alias/],
      ["permission for the newest code", "qualifier: alias.name,\n", "", /calls the alias/],
      ["attached before it is permitted", "dependsOn: [permission]", "dependsOn: []", /calls the alias/],
    ],
  ),
  ...of(
    "infra/src/checks.ts",
    ["config"],
    [
      ["unknown keys pass", "if (this.known.has(name)) continue;", "continue;", /unknown key/],
      [
        "missing keys pass",
        "if (!this.has(name)) this.missing(name);\n    return read();",
        "return read();",
        /no memory/,
      ],
      ["shapes unchecked", "shape && !shape.pattern.test(value)", "shape && false", /image by tag/],
      ["ranges unchecked", "!(value >= min && value <= max)", "false", /timeout above the load balancer's/],
      ["fractions pass", "value === undefined || Number.isInteger(value)", "true", /half a megabyte/],
    ],
  ),
  ...of(
    "infra/src/config.ts",
    ["config"],
    [
      [
        "problems are not told",
        "if (problems.length > 0) throw",
        "if (problems.length > 99) throw",
        /no account/,
      ],
      [
        "any retention",
        "!RETENTION_DAYS.includes(retention)",
        "false",
        /retention that CloudWatch does not take/,
      ],
      ["no owner", '!("owner" in result.tags)', "false", /no owner/],
      ["more warm than reserved", "provisioned > reserved", "provisioned < 0", /more warm environments/],
      ["faults in production", 'name === "LOCAL_CLOUD_FAULTS"', "false", /faults in production/],
      ["one user for both doors", "result.user === result.reader", "false", /one user for both/],
      ["two topics", "topicArn !== undefined && key !== undefined", "false", /two topics/],
      ["nobody to page", "topicArn === undefined && key === undefined", "false", /nobody to page/],
      [
        "nobody for emergencies",
        'people("emergency", 1)',
        'people("emergency", 0)',
        /nobody for emergencies/,
      ],
      [
        "too long for the environment",
        "bytes > ENVIRONMENT_BYTES",
        "false",
        /more routes than the environment/,
      ],
      ["topics without a key", "kmsKeyArn === undefined && (", "false && (", /topic without a key/],
    ],
  ),
  ...of(
    "infra/src/controller.ts",
    ["iam", "controller"],
    [
      [
        "view may set weights",
        '[...this.looks(), ...this.journal("reader")]',
        '[...acts, ...this.journal("reader")]',
        /view may only read/,
      ],
      [
        "view logs in as the writer",
        'const user = door === "writer" ? ledger.user : ledger.reader',
        "const user = ledger.user",
        /view may only read/,
      ],
      ["any rule", "resources: this.args.weightedRuleArns", 'resources: ["*"]', /^tick$/],
      [
        "an action that does not exist",
        '"elasticloadbalancing:ModifyRule"',
        '"elasticloadbalancing:ModifyRules"',
        /every action exists/,
      ],
      [
        "more than weights",
        '"elasticloadbalancing:ModifyRule"] as const',
        '"elasticloadbalancing:ModifyRule", "elasticloadbalancing:SetRulePriorities"] as const',
        /^tick$/,
      ],
      [
        "view may forget the run",
        '[...this.looks(), ...this.journal("reader")]',
        '[...this.looks(), this.remembers("run"), ...this.journal("reader")]',
        /view may only read/,
      ],
      [
        "the tick leaves orders",
        'this.remembers("run"), ...this.tells()',
        'this.remembers("order"), ...this.tells()',
        /^tick$/,
      ],
      ["a rollback without the journal is not left", 'this.remembers("order"),\n', "", /^command$/],
      ["the code of any function", "resources: functionArns", 'resources: ["*"]', /^tick$/],
      [
        "targets cannot be read",
        ', "elasticloadbalancing:DescribeTargetHealth"',
        "",
        /every call that the code makes/,
      ],
      ["a wildcard action", '"sns:Publish"', '"sns:*"', /no action has a wildcard/],
      ["two ticks at once", 'door === "tick" ? 1 : undefined', "undefined", /one tick at a time/],
      ["commands wait", 'door === "tick" ? 1 : undefined', "1", /one tick at a time/],
      ["one door for all", "ROLLOUT_DOOR: door", 'ROLLOUT_DOOR: "tick"', /three doors/],
      [
        "passwords although tokens are wanted",
        'ledger.login === "iam" && {',
        'ledger.login === "secret" && {',
        /tokens instead of passwords/,
      ],
      [
        "alarms do not tick",
        "alarmNames: args.alarmNames",
        'alarmNames: ["other"]',
        /alarm of the rollout starts/,
      ],
    ],
  ),
  ...of(
    "infra/src/function.ts",
    ["iam", "controller"],
    [
      ["a fast clock passes", "if (FAST_CLOCK in args.environment)", "if (false)", /clock of a stand-in/],
      ["x86", '"arm64"', '"x86_64"', /ARM64 images/],
      ["logs forever", "retentionInDays: common.logRetentionDays,\n", "", /logs are kept/],
      ["logs without the key", "kmsKeyId: common.kmsKeyArn,\n", "", /logs are kept/],
      ["variables without the key", "kmsKeyArn: common.kmsKeyArn,\n", "", /variables, schedule/],
      ["all logs", "`${names.logGroupArn(name)}:*`", '"*"', /^tick$/],
      ["code may touch the VPC", 'effect: "Deny",', "", /^tick$/],
      [
        "a function before its policy",
        "dependsOn: [policy, this.logGroup]",
        "dependsOn: []",
        /waits for its policy/,
      ],
      ["public subnets' default", "vpcConfig: {", "_vpcConfig: {", /in the VPC/],
      [
        "traces never",
        '? "Active" : "PassThrough"',
        '? "PassThrough" : "PassThrough"',
        /traces are asked for/,
      ],
      [
        "function without tags",
        "tags: common.tags,\n      },\n      // Lambda tries",
        "},\n      // Lambda tries",
        /can carry tags/,
      ],
    ],
  ),
  ...of(
    "infra/src/iam.ts",
    ["iam"],
    [
      ["no second factor", "trust.requireMfa ? mfa : {}", "{}", /second factor/],
      ["no boundary", "permissionsBoundary: common.boundaryArn,\n", "", /boundary/],
      [
        "any account's schedule",
        '"aws:SourceAccount": accountId, ...source',
        "...source",
        /schedule's group/,
      ],
      [
        "keys through any service",
        'conditions: { StringEquals: { "kms:ViaService": viaService } },',
        "",
        /^tick$/,
      ],
      [
        "everybody may take a role",
        "Principal: { AWS: trust.principals }",
        'Principal: { AWS: "*" }',
        /people, each named/,
      ],
    ],
  ),
  ...of(
    "infra/src/operators.ts",
    ["iam"],
    [
      ["emergency tells nobody", 'writeParameter("LeaveOrder", common, "order"),\n', "", /leaves word of it/],
      [
        "people see environment variables",
        'actions: ["lambda:GetAlias"]',
        'actions: ["lambda:GetAlias", "lambda:GetFunctionConfiguration"]',
        /readers look/,
      ],
      [
        "operators may not command",
        'this.names.functionArn("command")',
        'this.names.functionArn("view")',
        /operators look/,
      ],
      [
        "readers may command",
        'resources: [names.functionArn("view")]',
        'resources: [names.functionArn("command")]',
        /readers look/,
      ],
    ],
  ),
  ...of(
    "infra/src/scorer.ts",
    ["controller", "iam"],
    [
      ["no version", "publish: true", "publish: false", /version for each deployment/],
      ["past the proxy", "DATABASE_HOST: database.host,\n", "", /through the proxy/],
      ["without verified TLS", '"verify-full"', '"require"', /through the proxy/],
      [
        "secret variables in the clear",
        "return pulumi.secret(value)",
        "return pulumi.output(value)",
        /stay secrets/,
      ],
      ["warm by default", "settings.provisionedConcurrency !== undefined", "true", /warm environments/],
    ],
  ),
  ...of(
    "infra/src/tick-triggers.ts",
    ["controller"],
    [
      ["every two minutes", "rate(1 minute)", "rate(2 minutes)", /each minute/],
      ["no scheduled time", "<aws.scheduler.scheduled-time>", "now", /each minute/],
      ["a flexible window", 'mode: "OFF"', 'mode: "FLEXIBLE", maximumWindowInMinutes: 5', /each minute/],
      [
        "async retries",
        "maximumRetryAttempts: 0,\n        // A tick",
        "maximumRetryAttempts: 2,\n        // A tick",
        /kept, not repeated/,
      ],
      ["old ticks", "EVENT_AGE = 60", "EVENT_AGE = 3600", /kept, not repeated/],
      [
        "failed ticks are lost",
        "destinationConfig: { onFailure: { destination: this.deadLetters.arn } },",
        "",
        /kept, not repeated/,
      ],
      ["queue in the clear", "{ sqsManagedSseEnabled: true }", "{}", /queue keeps them/],
      ["queue for a day", "14 * 24 * 3600", "24 * 3600", /queue keeps them/],
      ["every alarm state", ', state: { value: ["ALARM"] }', "", /alarm of the rollout starts/],
      ["every alarm", "alarmName: args.alarmNames, ", "", /alarm of the rollout starts/],
      ["any rule may call", "sourceArn: rule.arn,\n", "", /alarm of the rollout starts/],
      [
        "everybody writes to the queue",
        'Principal: { Service: "events.amazonaws.com" }',
        'Principal: "*"',
        /EventBridge alone/,
      ],
    ],
  ),
  ...of(
    "infra/src/paging.ts",
    ["controller"],
    [
      [
        "the key in the clear",
        "endpoint: pulumi.secret(pulumi.interpolate`https://events.pagerduty.com/integration/${key}/enqueue`)",
        "endpoint: pulumi.unsecret(pulumi.interpolate`https://events.pagerduty.com/integration/${key}/enqueue`)",
        /leads to PagerDuty/,
      ],
      ["raw messages", "rawMessageDelivery: false", "rawMessageDelivery: true", /leads to PagerDuty/],
      ["topic in the clear", "kmsMasterKeyId: kmsKeyArn, ", "", /chat topic/],
      [
        "Slack as administrator",
        'guardrailPolicyArns: ["arn:aws:iam::aws:policy/AWSDenyAll"],',
        "",
        /may do nothing/,
      ],
    ],
  ),
  ...of(
    "infra/src/audit.ts",
    ["controller"],
    [
      [
        "every function's calls",
        'equals: [names.functionArn("command")]',
        'startsWiths: ["arn:aws:lambda"]',
        /CloudTrail records/,
      ],
    ],
  ),
  ...of(
    "infra/src/alarms.ts",
    ["alarms"],
    [
      ["heartbeat missing is fine", '"breaching"', '"notBreaching"', /silence pages/],
      ["heartbeat never missed", "threshold: 1,", "threshold: 0,", /silence pages/],
      ["milliseconds for seconds", "threshold: limitMs / 1000", "threshold: limitMs", /p50 above/],
      [
        "few samples count",
        'evaluateLowSampleCountPercentiles: "ignore"',
        'evaluateLowSampleCountPercentiles: "evaluate"',
        /p99 above/,
      ],
      ["mean instead of a percentile", "extendedStatistic: quantile", 'statistic: "Average"', /p95 above/],
      [
        "no data is good",
        '// the alarm must not stand forever.\n          treatMissingData: "missing"',
        '// the alarm must not stand forever.\n          treatMissingData: "notBreaching"',
        /p50 above/,
      ],
      ["crashes do not count", "answered + user + internal", "answered + internal", /errors: what/],
      [
        "errors at any traffic",
        "(requests * (requests >= ${settings.minRequestsPerMinute}))",
        "requests",
        /errors: what/,
      ],
      ["two results", "id,\n      returnData: false", "id,\n      returnData: true", /errors: what/],
      ["all objectives must be missed", '.join(" OR ")', '.join(" AND ")', /stands if any objective/],
      [
        "errors left out of the side",
        "[...this.latency(side), this.errors(side)]",
        "[...this.latency(side)]",
        /stands if any objective/,
      ],
      ["Rust does not page", 'this.ofSide("rust", true)', 'this.ofSide("rust", false)', /Rust's pages/],
      [
        "a page never ends",
        "okActions: pages ? [args.topicArn] : [],",
        "okActions: [],",
        /says when it is over/,
      ],
      [
        "one failed tick stands for two weeks",
        '"NumberOfMessagesSent"',
        '"ApproximateNumberOfMessagesVisible"',
        /dead letters page when they come/,
      ],
      [
        "one failed tick pages",
        "evaluationPeriods: 5,\n      datapointsToAlarm: 2",
        "evaluationPeriods: 5,\n      datapointsToAlarm: 1",
        /dead letters page when they come/,
      ],
      ["refusals never seen", '"StepRefused"', '"StepsRefused"', /refused changes of weights/],
      [
        "a message on its way pages",
        'statistic: "Minimum"',
        'statistic: "Maximum"',
        /messages that do not get/,
      ],
      ["a runbook that does not exist", '"not-protected"', '"silent"', /what to read/],
    ],
  ),
  ...of(
    "infra/src/metrics.ts",
    ["alarms"],
    [
      ["one dimension only", "{ LoadBalancer: side.loadBalancer, ...group }", "group", /p50 above/],
      ["another namespace", '"Rollout/Controller"', '"Rollout"', /silence pages/],
      ["2xx for 5xx", "HTTPCode_Target_5XX_Count", "HTTPCode_Target_2XX_Count", /errors: what/],
      [
        "Lambda errors by both dimensions",
        '"LambdaUserError", by: "group"',
        '"LambdaUserError", by: "both"',
        /errors: what/,
      ],
    ],
  ),
  ...of(
    "infra/src/dashboard.ts",
    ["dashboard"],
    [
      [
        "the page from a function that acts",
        "endpoint: this.args.viewArn",
        "endpoint: this.args.commandArn",
        /drawn by `view`/,
      ],
      ["another rollout's page", "widget: { rollout: this.common.name }", "widget: {}", /drawn by `view`/],
      [
        "buttons lead nowhere",
        "commandFunction: this.args.commandArn",
        "commandFunction: this.args.viewArn",
        /drawn by `view`/,
      ],
      ["wider than the grid", "latency, seconds`, 10", "latency, seconds`, 12", /within 24 columns/],
      ["widgets over each other", "x += widget.width", "x += 1", /none over another/],
      ["no P95", '["p50", "p95", "p99"]', '["p50", "p99"]', /P50, P95, P99/],
      ["limits in milliseconds", "value: ms / 1000", "value: ms", /against their limits/],
      ["no rollbacks", 'Rollback: "rollback",\n', "", /weight, evidence and decisions/],
      [
        "a metric that the controller does not send",
        '"StepRefused"',
        '"StepsRefused"',
        /weight, evidence and dec/,
      ],
      [
        "the scorer's metrics of another function",
        'function("scorer"), ...more',
        'function("view"), ...more',
        /scorer's own/,
      ],
      ["a metric that the scorer does not write", '"DatabaseRoundTrips"', '"RoundTrips"', /scorer's own/],
      ["an unknown id in an expression", '${id("requests")}`', '${id("request")}`', /error rates of both/],
    ],
  ),
  ...of(
    "infra/src/toml.ts",
    ["toml"],
    [
      [
        "sides swapped in the text",
        "old_group: route.oldGroup",
        "old_group: route.newGroup",
        /very rules and groups/,
      ],
      ["an unknown key in the text", "error_rate:", "error_ratio:", /the example, for tick/],
      [
        "milliseconds without a unit",
        "p99: `${slo.p99Ms}ms`",
        "p99: `${slo.p99Ms}`",
        /the example, for tick/,
      ],
      ["a weak TLS mode", "sslmode=verify-full", "sslmode=require", /never holds a password|no user stands/],
      [
        "twins swapped",
        "{ [text.rollbackOn]: text.pythonTwin }",
        "{ [text.pythonTwin]: text.rollbackOn }",
        /alarms roll back/,
      ],
    ],
  ),
  ...of(
    "infra/src/rollout.ts",
    ["snapshot", "controller"],
    [
      [
        "Python's alarm ticks",
        'alarmNames: [this.names.sideAlarm("rust")',
        'alarmNames: [this.names.sideAlarm("python")',
        /alarm of the rollout|reviewed/,
      ],
      [
        "a component without its parent",
        "new Audit(settings, settings.auditBucket, parent)",
        "new Audit(settings, settings.auditBucket)",
        /stands alone/,
      ],
    ],
  ),
  ...of(
    "infra/src/handover.ts",
    ["handover"],
    [
      ["half to Rust", "Weight: 0 }", "Weight: 50 }", /with the actions that the rule has/],
      [
        "sides swapped by hand",
        "TargetGroupArn: route.pythonGroup, Weight: 100",
        "TargetGroupArn: route.rustGroup, Weight: 100",
        /with the actions that the rule has/,
      ],
      ["an imported rule gets a second group", "if (!route.split)", "if (false)", /keeps its one group/],
      [
        "quotes that a shell eats",
        "`--actions '${JSON.stringify([action(route)])}'`",
        "`--actions ${JSON.stringify([action(route)])}`",
        /with the actions that the rule has/,
      ],
      [
        "another region",
        "`--region ${of.region}`",
        '"--region us-east-1"',
        /with the actions that the rule has/,
      ],
      [
        "a profile of the other function",
        '"command_function", of.functions.command',
        '"command_function", of.functions.view',
        /names what rolloutctl needs/,
      ],
      [
        "groups swapped in the profile",
        '"old_group", route.pythonGroup',
        '"old_group", route.rustGroup',
        /own configuration/,
      ],
      [
        "a variable that nobody sets",
        'exported("HEADER_RULE", one.headerRule),\n',
        "",
        /are all that a command/,
      ],
    ],
  ),
  ...of(
    "infra/scripts/preview.ts",
    ["preview"],
    [
      ["actions may change", "touched.length === 0 && sameActions", "true", /other weights/],
      ["the diff is believed", "touched.length === 0 && sameActions", "touched.length === 0", /keeps quiet/],
      [
        "an unexplained change passes",
        "paths === undefined) return refuse",
        "false) return refuse",
        /does not explain/,
      ],
      ["any split passes", "rust?.weight === 0;", "true;", /split that moves requests/],
      ["a split to elsewhere passes", "only.arn === python?.arn &&", "", /split that moves requests/],
      [
        "any new rule passes",
        "every(({ weight }) => weight === 0)",
        "every(() => true)",
        /gives Rust requests/,
      ],
      [
        "deleting a group passes",
        ': refuse(`would be changed by "${op}"; rules',
        ': ((_: string) => undefined)(`would be changed by "${op}"; rules',
        /of a target group/,
      ],
      ["a failed preview passes", 'severity === "error"', 'severity === "fatal"', /a failed one/],
      ["an empty plan passes", "steps.length === 0", "false", /an empty plan/],
      ["everything is accepted", "accepted.has(urn)", "true", /a person has looked at|exit code/],
    ],
  ),
  ...of(
    "infra/scripts/smoke-compare.ts",
    ["smoke"],
    [
      ["the header is not sent", ", [HEADER]: header", "", /another score|fault of the Rust side/],
      ["any status", "response.status !== 200", "false", /fault of the Rust side/],
      [
        "only the score counts",
        "const names = new Set([...Object.keys(a), ...Object.keys(b)])",
        'const names = new Set(["score"])',
        /a field more/,
      ],
    ],
  ),
  ...of(
    ".github/workflows/deploy.yml",
    ["workflows"],
    [
      ["deploy without a plan", "    needs: [plan]", "    needs: [images]", /step by step/],
      ["start without proof", "    needs: [prove]", "    needs: [deploy]", /step by step/],
      ["start unasked", "    if: ${{ inputs.start }}\n", "", /only if asked for/],
      ["weaknesses pass", "fail-build: true", "fail-build: false", /scanned, and only then pushed/],
      ["a stale state", "pulumi up --refresh --yes", "pulumi up --yes", /refreshed plan/],
      [
        "a script made of input",
        'urn in $ACCEPT; do accept+=(--accept "$urn"); done\n          npm run -s preview-check -- preview.json "${accept[@]}"\n      - name: Deploy',
        'urn in ${{ inputs.accept }}; do accept+=(--accept "$urn"); done\n          npm run -s preview-check -- preview.json "${accept[@]}"\n      - name: Deploy',
        /pasted into a script/,
      ],
      [
        "an action by tag",
        "pulumi/actions@8e5e406f4007fca908480587cb9893c07090f58d # v7\n        with:\n          pulumi-version: 3.248.0\n      - name: Start",
        "pulumi/actions@v7\n        with:\n          pulumi-version: 3.248.0\n      - name: Start",
        /pinned by commit/,
      ],
      [
        "traces for nobody",
        "&& ! brings COLLECTOR_IMAGE",
        "&& brings COLLECTOR_IMAGE",
        /nobody who collects/,
      ],
      [
        "a bundle that is not there",
        "&& ! brings RDS_CA_IMAGE",
        "&& brings RDS_CA_IMAGE",
        /certificates of the data/,
      ],
      ["deployments cut off", "cancel-in-progress: false", "cancel-in-progress: true", /none is cut off/],
    ],
  ),
];
