import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { checked, readStack } from "../src/config";
import { RolloutFunction } from "../src/function";
import type { Settings } from "../src/settings";
import { changed, comparing, graphOf } from "./example";
import type { Change } from "./example";
import { build, isSecret, PROJECT, revealed } from "./graph";
import type { Graph, Node } from "./graph";

const FUNCTION = "aws:lambda/function:Function";
const REGION = "eu-west-1:111122223333";
const DOORS = ["tick", "command", "view"] as const;

let graph: Graph;
before(async () => {
  graph = await graphOf();
});

const door = (name: string) => graph.one(FUNCTION, `score-rollout-${name}`).inputs;

describe("functions", () => {
  test("all are ARM64 images by digest, in the VPC, with their own role and log group", () => {
    const functions = graph.all(FUNCTION);
    assert.equal(functions.length, 4);
    for (const { name, inputs } of functions) {
      assert.equal(inputs.packageType, "Image");
      assert.match(inputs.imageUri, /@sha256:[0-9a-f]{64}$/);
      assert.deepEqual(inputs.architectures, ["arm64"]);
      assert.equal(inputs.role, `arn:aws:iam::111122223333:role/${name}`);
      assert.deepEqual(inputs.loggingConfig, { logFormat: "Text", logGroup: `/aws/lambda/${name}` });
      assert.deepEqual(inputs.vpcConfig, {
        subnetIds: ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
        securityGroupIds: ["sg-0a1b2c3d4e5f60003"],
      });
    }
  });

  test("a function waits for its policy and its log group", () => {
    for (const { name, dependsOn } of graph.all(FUNCTION)) {
      for (const type of ["aws:iam/rolePolicy:RolePolicy", "aws:cloudwatch/logGroup:LogGroup"]) {
        assert.ok(dependsOn.includes(graph.one(type, name).urn), `${name} waits for its ${type}`);
      }
    }
  });

  test("one controller image, three doors", () => {
    const images = DOORS.map((name) => door(name).imageUri);
    assert.equal(new Set(images).size, 1);
    assert.notEqual(images[0], graph.one(FUNCTION, "score-scorer").inputs.imageUri);
    for (const name of DOORS) assert.equal(door(name).environment.variables.ROLLOUT_DOOR, name);
  });

  test("size and time are as configured", () => {
    const { memorySize, timeout } = graph.one(FUNCTION, "score-scorer").inputs;
    assert.deepEqual([memorySize, timeout], [512, 30]);
    for (const name of DOORS) assert.deepEqual([door(name).memorySize, door(name).timeout], [256, 45]);
  });

  test("one tick at a time; commands never wait behind it", () => {
    assert.equal(door("tick").reservedConcurrentExecutions, 1);
    assert.equal(door("command").reservedConcurrentExecutions, undefined);
    assert.equal(door("view").reservedConcurrentExecutions, undefined);
  });

  test("tokens instead of passwords, only if configured so", async () => {
    for (const name of DOORS) assert.equal(door(name).environment.variables.ROLLOUT_LEDGER_IAM, "1");
    const secrets = await graphOf((c) => {
      const { host, port, database } = c.ledger;
      const arn = (name: string) => `arn:aws:secretsmanager:${REGION}:secret:${name}-AbCdEf`;
      c.ledger = { host, port, database, login: "secret", secretArn: arn("w"), readerSecretArn: arn("r") };
    });
    const { variables } = secrets.one(FUNCTION, "score-rollout-tick").inputs.environment;
    assert.ok(!("ROLLOUT_LEDGER_IAM" in variables));
  });

  test("the configuration holds the header's secret value, so it is a secret", () => {
    for (const name of DOORS) {
      const { ROLLOUT_CONFIG } = door(name).environment.variables;
      assert.ok(isSecret(ROLLOUT_CONFIG), name);
      assert.match(revealed(ROLLOUT_CONFIG), /value = "a-secret-header-value"/);
    }
  });

  test("no function's variables exceed what Lambda takes", () => {
    for (const { name, inputs } of graph.all(FUNCTION)) {
      const text = Object.entries(inputs.environment.variables).map(
        ([key, value]) => key + String(revealed(value)),
      );
      assert.ok(Buffer.byteLength(text.join("")) < 4096, name);
    }
  });

  test("traces are asked for, or nobody looks for a collector", async () => {
    for (const { inputs } of graph.all(FUNCTION)) {
      assert.deepEqual(inputs.tracingConfig, { mode: "Active" });
      assert.equal(inputs.environment.variables.OTEL_EXPORTER_OTLP_ENDPOINT, "http://127.0.0.1:4318");
      assert.equal(inputs.environment.variables.OTEL_SDK_DISABLED, undefined);
    }
    const off = await graphOf((c) => (c.tracing = "off"));
    for (const { inputs } of off.all(FUNCTION)) {
      assert.deepEqual(inputs.tracingConfig, { mode: "PassThrough" });
      assert.equal(inputs.environment.variables.OTEL_SDK_DISABLED, "true");
      assert.equal(inputs.environment.variables.OTEL_EXPORTER_OTLP_ENDPOINT, undefined);
    }
  });
});

describe("the scorer", () => {
  const variables = () => graph.one(FUNCTION, "score-scorer").inputs.environment.variables;

  test("connects through the proxy with the login from Secrets Manager", () => {
    const { DATABASE_HOST, DATABASE_PORT, DATABASE_NAME, DATABASE_SSLMODE, DATABASE_SECRET_ARN } =
      variables();
    assert.equal(DATABASE_HOST, "scorer.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com");
    assert.deepEqual([DATABASE_PORT, DATABASE_NAME, DATABASE_SSLMODE], ["5432", "scorer", "verify-full"]);
    assert.equal(DATABASE_SECRET_ARN, `arn:aws:secretsmanager:${REGION}:secret:scorer/database-AbCdEf`);
  });

  test("has the Python side's variables", () => {
    assert.equal(variables().FF_MULTI_NULLIFIER, "on");
    assert.deepEqual(JSON.parse(variables().TRUSTED_IAM_ISSUERS), [
      "did:ethr:0x006db0897f63cc98e0e2a831196d10e36db58404",
    ]);
  });

  describe("that compares", () => {
    const of = async (change?: Change) =>
      (await graphOf(change)).one(FUNCTION, "score-scorer").inputs.environment.variables;
    const compared = (variables: Record<string, string>) =>
      Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith("COMPARE_")));
    const ON = {
      COMPARE_FUNCTION_ARN: `arn:aws:lambda:${REGION}:function:scorer-py:live`,
      COMPARE_SHARE: "0.01",
      COMPARE_PER_MINUTE: "6",
      COMPARE_BUDGET_MS: "3000",
    };

    test("is off unless asked for, and is told everything else", async () => {
      assert.deepEqual(compared(variables()), {});
      assert.deepEqual(compared(await of(comparing)), ON);
      const { COMPARE_RULES, ...others } = compared(
        await of((c) => {
          comparing(c);
          Object.assign(c.compare, { share: 0, perMinute: 600, budgetMs: 500 });
          c.compare.rules = { ignoreHeaders: ["x-tenant"], now: ["at"], tolerance: "0.00001" };
        }),
      );
      const off = { COMPARE_SHARE: "0", COMPARE_PER_MINUTE: "600", COMPARE_BUDGET_MS: "500" };
      assert.deepEqual(others, { ...ON, ...off });
      assert.deepEqual(JSON.parse(COMPARE_RULES ?? ""), {
        ignore_headers: ["x-tenant"],
        now: ["at"],
        tolerance: "0.00001",
      });
    });

    test("by the names that the scorer reads", () => {
      const live = readFileSync(join(__dirname, "..", "..", "scorer-fn", "src", "live.rs"), "utf8");
      const read = new Set([...live.matchAll(/"(COMPARE_[A-Z_]+)"/g)].map(([, name]) => name));
      assert.deepEqual([...read].sort(), [...Object.keys(ON), "COMPARE_RULES"].sort());
      const rules = readFileSync(join(__dirname, "..", "..", "answers", "src", "rules.rs"), "utf8");
      for (const rule of ["ignore", "now", "keyed", "ignore_headers", "tolerance"]) {
        assert.match(rules, new RegExp(`pub ${rule}: `));
      }
    });
  });

  test("variables from Secrets Manager stay secrets", () => {
    assert.ok(isSecret(variables().REDIS_URL));
    assert.equal(revealed(variables().REDIS_URL), "redis://:secret-password@redis.internal:6379/0");
  });

  test("a version for each deployment, called through one alias", () => {
    const { publish, reservedConcurrentExecutions } = graph.one(FUNCTION, "score-scorer").inputs;
    assert.equal(publish, true);
    assert.equal(reservedConcurrentExecutions, 100);
    const alias = graph.one("aws:lambda/alias:Alias", "score-scorer").inputs;
    assert.deepEqual(alias, { name: "live", functionName: "score-scorer", functionVersion: "7" });
  });

  test("warm environments are on the alias, and only if wanted", async () => {
    const type = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig";
    assert.equal(graph.all(type).length, 0);
    const warm = await graphOf((c) => (c.scorer.provisionedConcurrency = 5));
    assert.deepEqual(warm.one(type, "score-scorer").inputs, {
      functionName: "score-scorer",
      qualifier: "live",
      provisionedConcurrentExecutions: 5,
    });
  });
});

test("no function is made with the clock of a stand-in, whoever calls the component", async () => {
  for (const { inputs } of graph.all(FUNCTION)) {
    assert.ok(!("ROLLOUT_CLOCK" in inputs.environment.variables), inputs.name);
  }
  const settings = await settingsOfExample();
  const made = build(
    () =>
      new RolloutFunction("score-rollout-tick", settings, {
        description: "Rollout controller, tick",
        code: settings.controller,
        memoryMb: 256,
        timeoutSeconds: 45,
        publish: false,
        environment: { ROLLOUT_CLOCK: "start=2026-11-24T08:00:00Z,anchor=2026-11-24T12:34:56Z,speed=60" },
        statements: [],
      }),
    {},
  );
  await assert.rejects(
    made,
    /^Error: score-rollout-tick: environment variable ROLLOUT_CLOCK is the clock of stand-ins/,
  );
});

/** The example's settings, for a component that is made by itself. */
async function settingsOfExample(): Promise<Settings> {
  let settings: Settings | undefined;
  await build(() => {
    const { name, args } = readStack(PROJECT);
    settings = checked(name, args, new pulumi.ComponentResource("test:Parent", "parent"));
  }, changed());
  assert.ok(settings);
  return settings;
}

describe("what makes the controller tick", () => {
  const DEAD = `arn:aws:sqs:${REGION}:score-rollout-tick-dead`;
  const RETRY = { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 };

  test("each minute, with the time it was meant for, and no second try", () => {
    const { inputs } = graph.one("aws:scheduler/schedule:Schedule", "score-rollout-tick");
    assert.equal(inputs.scheduleExpression, "rate(1 minute)");
    assert.deepEqual(inputs.flexibleTimeWindow, { mode: "OFF" });
    assert.equal(inputs.state, undefined);
    assert.equal(inputs.groupName, "score-rollout");
    const { arn, roleArn, input, retryPolicy, deadLetterConfig } = inputs.target;
    assert.equal(arn, `arn:aws:lambda:${REGION}:function:score-rollout-tick`);
    assert.equal(roleArn, "arn:aws:iam::111122223333:role/score-rollout-schedule");
    assert.deepEqual(JSON.parse(input), {
      source: "rollout.schedule",
      time: "<aws.scheduler.scheduled-time>",
    });
    assert.deepEqual(retryPolicy, RETRY);
    assert.deepEqual(deadLetterConfig, { arn: DEAD });
  });

  test("a failed or late tick is kept, not repeated", () => {
    const { inputs } = graph.one(
      "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
      "score-rollout-tick",
    );
    assert.deepEqual(inputs, {
      functionName: "score-rollout-tick",
      ...RETRY,
      destinationConfig: { onFailure: { destination: DEAD } },
    });
  });

  test("the queue keeps them for two weeks, encrypted", async () => {
    const { inputs } = graph.one("aws:sqs/queue:Queue", "score-rollout-tick-dead");
    assert.equal(inputs.messageRetentionSeconds, 1_209_600);
    assert.match(inputs.kmsMasterKeyId, /key\/0f1e2d3c/);
    const plain = await graphOf((c) => {
      delete c.kmsKeyArn;
      delete c.paging.slack;
    });
    assert.equal(
      plain.one("aws:sqs/queue:Queue", "score-rollout-tick-dead").inputs.sqsManagedSseEnabled,
      true,
    );
  });

  test("an alarm of the rollout starts a tick at once", () => {
    const rule = graph.one("aws:cloudwatch/eventRule:EventRule", "score-rollout-alarm");
    const pattern = JSON.parse(rule.inputs.eventPattern);
    const event = (alarmName: string, value: string) => ({
      source: "aws.cloudwatch",
      "detail-type": "CloudWatch Alarm State Change",
      detail: { alarmName, state: { value } },
    });
    assert.ok(matches(pattern, event("score-rust-side", "ALARM")));
    assert.ok(matches(pattern, event("scorer-database-cpu", "ALARM")));
    assert.ok(!matches(pattern, event("score-rust-side", "OK")));
    assert.ok(!matches(pattern, event("score-public-rust-p50", "ALARM")));
    assert.ok(!matches(pattern, { ...event("score-rust-side", "ALARM"), source: "aws.s3" }));
    const { inputs } = graph.one("aws:cloudwatch/eventTarget:EventTarget", "score-rollout-alarm");
    assert.equal(inputs.arn, `arn:aws:lambda:${REGION}:function:score-rollout-tick`);
    assert.deepEqual([inputs.retryPolicy, inputs.deadLetterConfig], [RETRY, { arn: DEAD }]);
    const permission = graph.one("aws:lambda/permission:Permission", "score-rollout-alarm").inputs;
    assert.equal(permission.principal, "events.amazonaws.com");
    assert.equal(permission.sourceArn, `arn:aws:events:${REGION}:rule/score-rollout-alarm`);
  });

  /** The part of EventBridge's patterns that we use: lists of exact values, at any depth. */
  function matches(pattern: any, event: any): boolean {
    if (Array.isArray(pattern)) return pattern.includes(event);
    return Object.entries(pattern).every(([key, inner]) => matches(inner, event?.[key]));
  }

  test("EventBridge alone is let into the queue, from that rule", () => {
    const { inputs } = graph.one("aws:sqs/queuePolicy:QueuePolicy", "score-rollout-alarm");
    const [allow, deny] = JSON.parse(inputs.policy).Statement;
    assert.deepEqual(allow.Principal, { Service: "events.amazonaws.com" });
    assert.deepEqual(allow.Condition, {
      ArnEquals: { "aws:SourceArn": `arn:aws:events:${REGION}:rule/score-rollout-alarm` },
    });
    assert.equal(deny.Effect, "Deny");
    assert.deepEqual(deny.Condition, { Bool: { "aws:SecureTransport": "false" } });
  });
});

describe("logs, encryption, tags, and the world outside", () => {
  test("logs are kept as long as configured, under the stack's key", () => {
    const groups = graph.all("aws:cloudwatch/logGroup:LogGroup");
    assert.equal(groups.length, 4);
    for (const { inputs } of groups) {
      assert.equal(inputs.retentionInDays, 30);
      assert.match(inputs.kmsKeyId, /key\/0f1e2d3c/);
    }
  });

  test("variables, schedule, chat topic and trail are under the stack's key", () => {
    for (const { inputs } of graph.all(FUNCTION)) assert.match(inputs.kmsKeyArn, /key\/0f1e2d3c/);
    assert.match(
      graph.one("aws:scheduler/schedule:Schedule", "score-rollout-tick").inputs.kmsKeyArn,
      /key\/0f1e2d3c/,
    );
    assert.match(graph.one("aws:sns/topic:Topic", "score-chat").inputs.kmsMasterKeyId, /key\/0f1e2d3c/);
    assert.match(
      graph.one("aws:cloudtrail/trail:Trail", "score-rollout-commands").inputs.kmsKeyId,
      /key\/0f1e2d3c/,
    );
  });

  /** Types that AWS gives no tags, or that belong to something with tags. */
  const UNTAGGED = [
    "aws:chatbot/",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:lambda/alias:Alias",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    "aws:lambda/permission:Permission",
    "aws:lb/targetGroupAttachment:TargetGroupAttachment",
    "aws:scheduler/schedule:Schedule",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sqs/queuePolicy:QueuePolicy",
  ];

  test("everything that can carry tags carries the stack's", () => {
    const untagged = (node: Node) =>
      !node.type.startsWith("aws:") || UNTAGGED.some((type) => node.type.startsWith(type));
    const tagged = graph.nodes.filter((node) => !untagged(node));
    assert.ok(tagged.length > 40);
    for (const node of tagged) {
      // The adopted rule keeps the tags that it was found with.
      const expected =
        node.name === "score-public-weighted"
          ? { owner: "scoring" }
          : { owner: "scoring", environment: "production" };
      assert.deepEqual(node.inputs.tags, expected, node.urn);
    }
  });

  test("nothing can be called from outside: no URLs, no open principals, every permission names its source", () => {
    assert.equal(graph.all("aws:lambda/functionUrl:FunctionUrl").length, 0);
    const permissions = graph.all("aws:lambda/permission:Permission");
    assert.equal(permissions.length, 6);
    for (const { inputs, name } of permissions) {
      assert.match(inputs.principal, /^(elasticloadbalancing|events)\.amazonaws\.com$/, name);
      assert.equal(inputs.sourceAccount, "111122223333", name);
      assert.match(inputs.sourceArn, /^arn:aws:/, name);
    }
    const policies = [
      ...graph.all("aws:sqs/queuePolicy:QueuePolicy"),
      ...graph.all("aws:sns/topicPolicy:TopicPolicy"),
    ];
    assert.equal(policies.length, 2);
    for (const statement of policies.flatMap((node) => JSON.parse(node.inputs.policy).Statement)) {
      if (statement.Effect === "Allow") assert.ok(statement.Principal.Service, "only services are let in");
      assert.ok(statement.Condition, "and only under a condition");
    }
  });

  test("no resource stands alone: each has a component above it", () => {
    for (const node of graph.nodes) {
      if (node.name === "score" && node.type === "rollout:infra:Rollout") continue;
      assert.notEqual(node.parent, "", node.urn);
    }
  });

  test("no secret is anywhere in the clear", () => {
    const clear = JSON.stringify(graph.nodes, (_, value) => (isSecret(value) ? "(secret)" : value));
    assert.doesNotMatch(clear, /secret-password|a-secret-header-value/);
  });
});

describe("who gets told", () => {
  test("an existing topic is left as it is", () => {
    assert.deepEqual(
      graph.all("aws:sns/topic:Topic").map((topic) => topic.name),
      ["score-chat"],
    );
    assert.equal(graph.all("aws:sns/topicSubscription:TopicSubscription").length, 0);
  });

  test("an own topic leads to PagerDuty, and its key is a secret", async () => {
    const own = await graphOf((c) => {
      c.paging = {};
      c.pagerDutyKey = "0123456789abcdef";
    });
    const { inputs } = own.one("aws:sns/topicSubscription:TopicSubscription", "score-oncall");
    assert.equal(inputs.protocol, "https");
    assert.equal(inputs.endpointAutoConfirms, true);
    assert.equal(inputs.rawMessageDelivery, false);
    assert.ok(isSecret(inputs.endpoint));
    assert.equal(
      revealed(inputs.endpoint),
      "https://events.pagerduty.com/integration/0123456789abcdef/enqueue",
    );
    assert.match(own.one("aws:sns/topic:Topic", "score-oncall").inputs.kmsMasterKeyId, /key\/0f1e2d3c/);
    const config = revealed(
      own.one(FUNCTION, "score-rollout-tick").inputs.environment.variables.ROLLOUT_CONFIG,
    );
    assert.match(config, /topic_arn = "arn:aws:sns:eu-west-1:111122223333:score-oncall"/);
  });

  test("Slack is told through a role that may do nothing", () => {
    const { inputs } = graph.one(
      "aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration",
      "score-chat",
    );
    assert.deepEqual(inputs.guardrailPolicyArns, ["arn:aws:iam::aws:policy/AWSDenyAll"]);
    assert.deepEqual(inputs.snsTopicArns, [`arn:aws:sns:${REGION}:score-chat`]);
    assert.equal(inputs.userAuthorizationRequired, true);
  });

  test("without Slack there is no chat topic", async () => {
    const quiet = await graphOf((c) => delete c.paging.slack);
    assert.equal(quiet.all("aws:sns/topic:Topic").length, 0);
    const config = revealed(
      quiet.one(FUNCTION, "score-rollout-tick").inputs.environment.variables.ROLLOUT_CONFIG,
    );
    assert.doesNotMatch(config, /chat_topic_arn/);
  });

  test("CloudTrail records calls of `command`", async () => {
    const { inputs } = graph.one("aws:cloudtrail/trail:Trail", "score-rollout-commands");
    assert.equal(inputs.s3BucketName, "example-cloudtrail-logs");
    assert.equal(inputs.enableLogFileValidation, true);
    assert.deepEqual(inputs.advancedEventSelectors[0].fieldSelectors, [
      { field: "eventCategory", equals: ["Data"] },
      { field: "resources.type", equals: ["AWS::Lambda::Function"] },
      { field: "resources.ARN", equals: [`arn:aws:lambda:${REGION}:function:score-rollout-command`] },
    ]);
    const buckets = (of: Graph) => of.all("aws:s3/bucketPolicy:BucketPolicy").map((node) => node.name);
    assert.deepEqual(buckets(graph), [], "it is yours");
    const none = await graphOf((c) => (c.auditBucket = false));
    assert.equal(none.all("aws:cloudtrail/trail:Trail").length, 0);
    assert.deepEqual(buckets(none), []);
  });

  test("CloudTrail's record has a bucket of its own if none is named", async () => {
    const own = await graphOf((c) => delete c.auditBucket);
    const name = "score-rollout-commands-111122223333-eu-west-1";
    assert.equal(own.one("aws:s3/bucket:Bucket", "score-rollout-commands").inputs.bucket, name);
    const { inputs } = own.one("aws:s3/bucketPolicy:BucketPolicy", "score-rollout-commands");
    const statements: { Sid: string; Effect: string; Condition: any }[] = JSON.parse(inputs.policy).Statement;
    const trail = `arn:aws:cloudtrail:${REGION}:trail/score-rollout-commands`;
    for (const statement of statements.filter(({ Effect }) => Effect === "Allow"))
      assert.equal(statement.Condition.StringEquals["aws:SourceArn"], trail, statement.Sid);
    assert.deepEqual(
      statements.map(({ Sid }) => Sid),
      ["CloudTrailLooks", "CloudTrailWrites", "OnlyByTls"],
    );
    const block = own.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "score-rollout-commands");
    assert.equal(Object.values(block.inputs).filter((value) => value === true).length, 4);
  });
});
