import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError } from "../src/problems";
import { readStack } from "../src/config";
import { build, PROJECT } from "./graph";
import { changed, comparing, graphOf } from "./example";
import type { Change } from "./example";

/** Problems of a changed example, as `key: fix`, without the project's prefix. */
async function problemsOf(change: Change): Promise<string[]> {
  try {
    // Only reading: what comes after it is never reached.
    await build(() => readStack(PROJECT), changed(change));
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ key, fix }) => `${key.replace(`${PROJECT}:`, "")}: ${fix}`);
  }
}

/** The example with live comparison, and something wrong in it. */
const compares =
  (change: Change): Change =>
  (c) => {
    comparing(c);
    change(c);
  };

/** What is done to the example, and the one problem that must be told. */
const WRONG: [what: string, change: Change, problem: RegExp][] = [
  ["no account", (c) => delete c.accountId, /^accountId: is missing/],
  [
    "an account that YAML made a number of",
    (c) => (c.accountId = 12345),
    /^accountId: .*12 digits, in quotes/,
  ],
  ["no name", (c) => delete c.name, /^name: is missing/],
  ["a name too long for target groups", (c) => (c.name = "averylongname"), /^name: .*2 to 12/],
  ["no owner", (c) => delete c.tags.owner, /^tags: has no `owner`/],
  [
    "a retention that CloudWatch does not take",
    (c) => (c.logRetentionDays = "31"),
    /^logRetentionDays: is 31/,
  ],
  ["no tracing", (c) => delete c.tracing, /^tracing: is missing/],
  ["another tracing", (c) => (c.tracing = "jaeger"), /^tracing: is "jaeger".*off, xray/],
  ["an unknown table", (c) => (c.scorre = {}), /^scorre: is not a known key/],
  ["an unknown key", (c) => (c.scorer.memroyMb = 1), /^scorer.memroyMb: is not a known key.*memoryMb/],
  ["one subnet", (c) => c.network.subnetIds.pop(), /^network.subnetIds: has 1 entries; give 2 to 16/],
  ["no security group", (c) => delete c.network.securityGroupIds, /^network.securityGroupIds: is missing/],
  [
    "an image by tag",
    (c) => (c.scorer.image = c.scorer.image.replace(/@.*/, ":latest")),
    /^scorer.image: .*digest/,
  ],
  [
    "an image of another region",
    (c) => (c.controller.image = c.controller.image.replace("eu-west-1", "us-east-1")),
    /^controller.image: .*eu-west-1/,
  ],
  ["no memory", (c) => delete c.scorer.memoryMb, /^scorer.memoryMb: is missing/],
  ["half a megabyte", (c) => (c.scorer.memoryMb = 512.5), /^scorer.memoryMb: .*whole number/],
  [
    "a timeout above the load balancer's",
    (c) => (c.scorer.timeoutSeconds = 60),
    /^scorer.timeoutSeconds: .*1 to 59/,
  ],
  [
    "a tick longer than its minute",
    (c) => (c.controller.timeoutSeconds = 60),
    /^controller.timeoutSeconds: /,
  ],
  [
    "more warm environments than reserved",
    (c) => (c.scorer.provisionedConcurrency = 200),
    /^scorer.provisionedConcurrency: is 200, more than reservedConcurrency 100/,
  ],
  [
    "no issuers",
    (c) => (c.scorer.trustedIssuers = []),
    /^scorer.trustedIssuers: has 0 entries; give at least 1/,
  ],
  [
    "a host with a scheme",
    (c) => (c.scorer.database.host = "postgres://db"),
    /^scorer.database.host: .*without scheme/,
  ],
  [
    "a secret without its suffix",
    (c) => (c.scorer.database.secretArn = c.scorer.database.secretArn.replace(/-\w{6}$/, "")),
    /^scorer.database.secretArn: .*six last characters/,
  ],
  [
    "a variable that another key sets",
    (c) => (c.scorer.environment.DATABASE_HOST = "db"),
    /^scorer.environment.DATABASE_HOST: is set by another key/,
  ],
  ...["environment", "secretEnvironment"].map((table): [string, Change, RegExp] => [
    `a fast clock in ${table}`,
    (c) =>
      (c.scorer[table].ROLLOUT_CLOCK =
        table === "environment"
          ? "start=2026-11-24T08:00:00Z,anchor=2026-11-24T12:34:56Z,speed=60"
          : c.scorer.secretEnvironment.REDIS_URL),
    new RegExp(`^scorer\\.${table}\\.ROLLOUT_CLOCK: is the clock of stand-ins.*Remove it`),
  ]),
  [
    "a fast clock for the controller",
    (c) => (c.controller.environment = { ROLLOUT_CLOCK: "speed=60" }),
    /^controller\.environment: is not a known key/,
  ],
  [
    "a Python function by its alias",
    (c) => (c.routes[0].oldFunctionArn += ":live"),
    /^routes\[0\]\.oldFunctionArn: .*without version or alias/,
  ],
  [
    "no Python function",
    (c) => delete c.routes[1].oldFunctionArn,
    /^routes\[1\]\.oldFunctionArn: is missing/,
  ],
  [
    "an unknown answer to new code",
    (c) => (c.controller.onNewCode = "panic"),
    /^controller\.onNewCode: .*stay, first-stage/,
  ],
  [
    "faults in production",
    (c) => (c.scorer.environment.LOCAL_CLOUD_FAULTS = "1"),
    /^scorer.environment.LOCAL_CLOUD_FAULTS: breaks requests/,
  ],
  [
    "a variable in both tables",
    (c) => (c.scorer.environment.REDIS_URL = "redis://x"),
    /^scorer.environment.REDIS_URL: stands in `environment` and/,
  ],
  [
    "a secret variable without its key",
    (c) => delete c.scorer.secretEnvironment.REDIS_URL.key,
    /^scorer.secretEnvironment.REDIS_URL.key: is missing/,
  ],
  [
    "a boolean as a variable",
    (c) => (c.scorer.environment.X = true),
    /^scorer.environment.X: .*put it in quotes/,
  ],
  [
    "a wrong build in production",
    (c) => (c.scorer.environment.LOCAL_CLOUD_WRONG = "drops-a-field"),
    /^scorer.environment.LOCAL_CLOUD_WRONG: breaks requests/,
  ],
  [
    "a variable of live comparison",
    (c) => (c.scorer.environment.COMPARE_SHARE = "1"),
    /^scorer.environment.COMPARE_SHARE: is set by another key/,
  ],
  ...["-0.01", "1.5", "1%"].map((share): [string, Change, RegExp] => [
    `${share} of the requests compared`,
    compares((c) => (c.compare.share = share.endsWith("%") ? share : Number(share))),
    /^compare.share: is .*; it must be a number from 0 to 1$/,
  ]),
  [
    "nothing to compare with",
    compares((c) => delete c.compare.functionArn),
    /^compare.functionArn: is missing/,
  ],
  ["no share to compare", compares((c) => delete c.compare.share), /^compare.share: is missing/],
  ...[
    "scorer-py",
    "arn:aws:lambda:eu-west-1:999900001111:function:scorer-py",
    "arn:aws:lambda:us-east-1:111122223333:function:scorer-py",
    "arn:aws:lambda:eu-west-1:111122223333:function:scorer-*",
    "arn:aws:lambda:eu-west-1:111122223333:function:scorer-py:*",
    "arn:aws:iam::111122223333:role/scorer-py",
  ].map((arn): [string, Change, RegExp] => [
    `comparing with ${arn}`,
    compares((c) => (c.compare.functionArn = arn)),
    /^compare.functionArn: .*the ARN of a Lambda function, perhaps with a version or alias, in eu-west-1, 111122223333/,
  ]),
  ...["", ":live", ":7"].map((qualifier): [string, Change, RegExp] => [
    `the scorer compared with itself${qualifier}`,
    compares(
      (c) =>
        (c.compare.functionArn = `arn:aws:lambda:eu-west-1:111122223333:function:score-scorer${qualifier}`),
    ),
    /^compare.functionArn: is .*score-scorer.*, the scorer itself, which would call itself without end/,
  ]),
  ["no call at all", compares((c) => (c.compare.perMinute = 0)), /^compare.perMinute: .*1 to 600/],
  [
    "a call longer than the scorer's own time",
    compares((c) => (c.compare.budgetMs = 30_000)),
    /^compare.budgetMs: is 30000; it must be below scorer.timeoutSeconds, 30000 ms/,
  ],
  [
    "a limit that nobody means",
    compares((c) => (c.compare.limitPercent = 11)),
    /^compare.limitPercent: .*10/,
  ],
  [
    "a rule without a name",
    compares((c) => (c.compare.rules = { now: ["stamps..at"] })),
    /^compare.rules.now\[0\]: .*stamps\.\*\.score/,
  ],
  [
    "a header that is none",
    compares((c) => (c.compare.rules = { ignoreHeaders: ["x amzn"] })),
    /^compare.rules.ignoreHeaders\[0\]: .*x-amzn-\*/,
  ],
  [
    "a tolerance as a number",
    compares((c) => (c.compare.rules = { tolerance: 0.001 })),
    /^compare.rules.tolerance: /,
  ],
  [
    "a rule that is none",
    compares((c) => (c.compare.rules = { skip: [] })),
    /^compare.rules.skip: is not a known/,
  ],
  [
    "the engine that does not judge answers",
    compares((c) => (c.controller.engine = "evidence-1")),
    /^controller.engine: is evidence-1, which does not judge wrong answers/,
  ],
  [
    "a comparison without the scorer that makes it",
    compares((c) => {
      delete c.scorer;
      c.newFunction = { functionArn: "arn:aws:lambda:eu-west-1:111122223333:function:scorer-rs" };
    }),
    /^compare: is the scorer's, and there is no scorer here/,
  ],
  ["no ledger", (c) => delete c.ledger, /^ledger: is missing/],
  [
    "the instance's resource ID",
    (c) => (c.ledger.proxyResourceId = "db-ABC"),
    /^ledger.proxyResourceId: .*prx-/,
  ],
  ["one user for both", (c) => (c.ledger.reader = "rollout"), /^ledger.reader: .*may only read/],
  ["a token and a secret", (c) => (c.ledger.secretArn = "x"), /^ledger.secretArn: is not a known key/],
  [
    "a secret login without its secrets",
    (c) => {
      const { host, port, database } = c.ledger;
      const readerSecretArn = c.scorer.database.secretArn.replace("scorer/database", "reader");
      c.ledger = { host, port, database, login: "secret", readerSecretArn };
    },
    /^ledger.secretArn: is missing/,
  ],
  [
    "the scorer's login for the journal",
    (c) => {
      const { host, port, database } = c.ledger;
      const { secretArn } = c.scorer.database;
      const readerSecretArn = secretArn.replace("scorer/database", "reader");
      c.ledger = { host, port, database, login: "secret", secretArn, readerSecretArn };
    },
    /^ledger.secretArn: is the scorer's database login/,
  ],
  ["objectives that cross", (c) => (c.slo.p95Ms = 600), /^slo.p95Ms: must lie between/],
  ["no objective", (c) => delete c.slo.p99Ms, /^slo.p99Ms: is missing/],
  ["no mode", (c) => delete c.controller.mode, /^controller.mode: is missing/],
  [
    "stages that fall",
    (c) => (c.controller.stages = ["10%", "5%", "100%"]),
    /^controller.stages: .*must rise/,
  ],
  [
    "stages that stop early",
    (c) => (c.controller.stages = ["5%", "50%"]),
    /^controller.stages: must end with 100%/,
  ],
  ["a start that is no stage", (c) => (c.controller.start = "3%"), /^controller.start: is 3%, which is none/],
  [
    "a window without hours",
    (c) => (c.controller.calendar.windows = ["Mon-Fri"]),
    /^controller.calendar.windows\[0\]: /,
  ],
  ["a slash after the runbooks", (c) => (c.controller.runbooksUrl += "/"), /^controller.runbooksUrl: /],
  [
    "a header from no address",
    (c) => (c.header.sourceIps = ["home"]),
    /^header.sourceIps\[0\]: .*203.0.113.0/,
  ],
  ["no listeners", (c) => delete c.listeners, /^listeners: is missing/],
  [
    "a listener of another account",
    (c) => {
      delete c.routes[0].adopt;
      c.listeners.public = c.listeners.public.replace("111122223333", "999900001111");
    },
    /^listeners.public: .*in eu-west-1, 111122223333/,
  ],
  [
    "a listener without routes",
    (c) => (c.listeners.idle = c.listeners.internal),
    /^listeners.idle: is used by no route/,
  ],
  ["no routes", (c) => (c.routes = []), /^routes: has 0 entries; give at least 1/],
  [
    "a route on no listener",
    (c) => (c.routes[1].listener = "intranet"),
    /^routes\[1\].listener: is intranet.*public/,
  ],
  [
    "a priority before the header rule",
    (c) => (c.routes[1].priority = 98),
    /^routes\[1\].priority: is 98.*above 99/,
  ],
  [
    "the header rule's own priority",
    (c) => (c.routes[1].priority = 99),
    /^routes\[1\].priority: is 99.*above 99/,
  ],
  ["one priority twice", (c) => (c.routes[1].priority = 110), /^routes\[1\].priority: is 110, which another/],
  ["one name twice", (c) => (c.routes[1].name = "public"), /^routes\[1\].name: is public, which another/],
  ["a route without paths", (c) => (c.routes[0].paths = []), /^routes\[0\].paths: has 0 entries/],
  [
    "a rule of another listener",
    (c) => (c.routes[0].adopt.ruleArn = c.routes[0].adopt.ruleArn.replace("app/public", "app/private")),
    /^routes\[0\].adopt.ruleArn: .*no rule of listener `public`/,
  ],
  [
    "different hosts under one header rule",
    (c) => (c.routes[1].hosts = ["partners.example.com"]),
    /^listeners.public: has routes with different `hosts`/,
  ],
  [
    "too many wildcards for the header rule",
    (c) => (c.routes[1].paths = ["/partners/*/a/*", "/partners/*/b/*"]),
    /^listeners.public: .*6 wildcards/,
  ],
  [
    "too many values for the header rule",
    (c) => {
      c.header.sourceIps = ["203.0.113.0/24", "198.51.100.0/24"];
      c.routes[1].paths = ["/partners", "/friends"];
      c.routes[2].hosts = [];
    },
    /^listeners.public: .*6 values/,
  ],
  ["nobody to page", (c) => delete c.paging.topicArn, /^paging.topicArn: is missing, and so is pagerDutyKey/],
  ["two topics", (c) => (c.pagerDutyKey = "abc"), /^pagerDutyKey: contradicts paging.topicArn/],
  ["a topic without a key", (c) => delete c.kmsKeyArn, /^kmsKeyArn: is missing; paging.slack/],
  ["more bad minutes than minutes", (c) => (c.alarms.badMinutes = 6), /^alarms.badMinutes: is 6, more than/],
  ["nobody to steer", (c) => (c.operators.operators = []), /^operators.operators: has 0 entries/],
  ["nobody for emergencies", (c) => delete c.operators.emergency, /^operators.emergency: is missing/],
  [
    "everybody",
    (c) => (c.operators.readers = ["arn:aws:iam::111122223333:role/*"]),
    /^operators.readers\[0\]: .*without \*/,
  ],
  ["testers without a secret", (c) => delete c.header, /^operators.testers: contradicts header/],
  ["a secret without testers", (c) => delete c.operators.testers, /^operators.testers: is missing/],
  [
    "more routes than the environment holds",
    (c) => {
      for (const name of ["d", "e", "f"]) {
        c.listeners[`l${name}`] = c.listeners.internal.replace("app/internal", `app/${name}`);
        const oldTargetGroupArn = c.routes[2].oldTargetGroupArn.replace("internal-py", `${name}-py`);
        c.routes.push({ ...c.routes[2], oldTargetGroupArn, name: `r${name}`, listener: `l${name}` });
      }
    },
    /^routes: make a configuration of \d+ bytes, and Lambda takes 4096/,
  ],
];

describe("a wrong configuration fails before anything is made, and names the key", () => {
  for (const [what, change, problem] of WRONG) {
    test(what, async () => {
      const problems = await problemsOf(change);
      assert.equal(problems.length, 1, `one problem, not ${problems.length}:\n${problems.join("\n")}`);
      assert.match(problems[0] ?? "", problem);
    });
  }

  test("all problems are told at once", async () => {
    const problems = await problemsOf((c) => {
      delete c.slo.p99Ms;
      c.routes[1].priority = 98;
      c.scorer.memoryMb = "much";
    });
    assert.equal(problems.length, 3, problems.join("\n"));
  });

  test("and not one resource was registered", async () => {
    const run = graphOf((c) => delete c.scorer.memoryMb);
    await assert.rejects(run, ConfigError);
  });

  test("no region", async () => {
    const config = changed();
    delete config["aws:region"];
    const run = build(() => readStack(PROJECT), config);
    await assert.rejects(run, /aws:region: is missing/);
  });

  test("a table that is no JSON", async () => {
    const config = { ...changed(), [`${PROJECT}:scorer`]: "{memoryMb: 512" };
    await assert.rejects(
      build(() => readStack(PROJECT), config),
      /score-rollout:scorer: cannot be read as a table/,
    );
  });
});

test("the example is complete: no key of it can be left out unnoticed, no key is missing", async () => {
  assert.deepEqual(await problemsOf(() => undefined), []);
});
