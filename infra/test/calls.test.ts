/**
 * Policies against the calls that were really made.
 *
 * `aws-calls.json` is what the controller's own programs asked of a local AWS, by role, and
 * `scorer-calls.json` what the scorer asked; a test `calls` of each makes it and checks that
 * it still is so. Here each role may do that, and nothing else.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { comparing, graphOf } from "./example";
import type { Graph } from "./graph";

const ROLES = ["tick", "command", "view", "reader", "operator", "emergency", "scorer"];

/** By role: each action with what it was about. */
const recorded: Record<string, string[]> = {
  ...JSON.parse(readFileSync(join(__dirname, "aws-calls.json"), "utf8")),
  ...JSON.parse(readFileSync(join(__dirname, "scorer-calls.json"), "utf8")),
};

/** Asked without being allowed. */
const NOT_ALLOWED: Record<string, string> = {
  "sts:GetCallerIdentity": "needs no permission",
  // `rolloutctl check` tries whether each service answers at all. A refusal is an answer.
  "events:DescribeEventBus": "a refusal is an answer",
  "logs:DescribeLogGroups": "a refusal is an answer",
  "lambda:GetAccountSettings": "a refusal is an answer",
  "secretsmanager:DescribeSecret": "a refusal is an answer",
  "sns:GetTopicAttributes": "a refusal is an answer",
};

/** Allowed without being asked by a program of ours. */
const NOT_ASKED: Record<string, string> = {
  "cloudwatch:GetDashboard": "the reader's browser",
  "cloudwatch:GetMetricStatistics": "the reader's browser, and the runbooks' `aws cloudwatch`",
  "ec2:CreateNetworkInterface": "Lambda, to put the function into the VPC",
  "ec2:DeleteNetworkInterface": "Lambda, to put the function into the VPC",
  "ec2:DescribeNetworkInterfaces": "Lambda, to put the function into the VPC",
  "kms:Decrypt": "the service that holds the text, for the caller",
  "kms:GenerateDataKey": "the service that holds the text, for the caller",
  "logs:CreateLogStream": "Lambda, for what the function prints",
  "logs:GetLogEvents": "the reader's browser",
  "logs:GetQueryResults": "the reader's browser",
  "logs:PutLogEvents": "Lambda, for what the function prints",
  "logs:StartQuery": "the reader's browser",
  "rds-db:connect": "the database, which checks a signature that no call is made for",
  "sqs:SendMessage": "Lambda, to keep an event that failed",
  "xray:PutTelemetryRecords": "the collector beside the function",
  "xray:PutTraceSegments": "the collector beside the function",
};

/** The commands by hand in the runbooks, by the role that gives them. */
const BY_HAND: Record<string, Record<string, string>> = {
  reader: {
    "logs:FilterLogEvents on a controller's log": "aws logs filter-log-events",
    "logs:FilterLogEvents on the scorer's log": "aws logs filter-log-events",
    "ssm:GetParameters on parameter order": "aws ssm get-parameters",
    "ssm:GetParameters on parameter run": "aws ssm get-parameters",
  },
  operator: {
    "logs:FilterLogEvents on a controller's log": "aws logs filter-log-events",
    "logs:FilterLogEvents on the scorer's log": "aws logs filter-log-events",
    "ssm:GetParameters on parameter order": "aws ssm get-parameters",
    "ssm:GetParameters on parameter run": "aws ssm get-parameters",
  },
};

/** What an ARN is, in the record's words. */
function about(arn: string): string {
  const words: [RegExp, string][] = [
    [/^\*$/, "*"],
    [/:listener-rule\//, "the weighted rule"],
    [/^arn:aws:logs:.*:log-group:\/aws\/lambda\/score-scorer:\*$/, "the scorer's log"],
    [/^arn:aws:logs:.*:log-group:\/aws\/lambda\/score-rollout-\w+:\*$/, "a controller's log"],
    [/^arn:aws:sns:/, "a topic"],
    [/^arn:aws:events:.*:event-bus\//, "the bus"],
    [/^arn:aws:secretsmanager:.*:secret:rollout-/, "the journal's secret"],
    [/^arn:aws:secretsmanager:/, "the scorer's secret"],
    [/^arn:aws:ssm:.*\/run$/, "parameter run"],
    [/^arn:aws:ssm:.*\/order$/, "parameter order"],
    [/:function:score-rollout-command$/, "function command"],
    [/:function:score-rollout-view$/, "function view"],
    [/^arn:aws:lambda:.*:function:(score-scorer|scorer-py|internal-py)$/, "a scorer"],
    [/^arn:aws:lambda:.*:function:scorer-py:live$/, "a scorer's alias"],
  ];
  const found = words.find(([pattern]) => pattern.test(arn));
  return found === undefined ? arn : found[1];
}

const action = (line: string) => line.split(" on ")[0] ?? "";

/** All that a role may do in these stacks, as the record says it. */
function allowed(graphs: readonly Graph[], role: string): string[] {
  const lines = graphs.flatMap((graph) => {
    const name = role === "scorer" ? "score-scorer" : `score-rollout-${role}`;
    const { policy } = graph.one("aws:iam/rolePolicy:RolePolicy", name).inputs;
    const statements: any[] = JSON.parse(policy).Statement;
    return statements
      .filter((statement) => statement.Effect === "Allow")
      .flatMap(({ Action, Resource }) =>
        Action.flatMap((one: string) => Resource.map((arn: string) => `${one} on ${about(arn)}`)),
      );
  });
  return [...new Set<string>(lines)].sort();
}

/** Operations that the code names, such as `describe_rules`, as a policy would. */
function named(): string[] {
  const repository = join(__dirname, "..", "..");
  const folders = ["rollout-controller/src/adapters", "function-kit/src", "scorer-fn/src"];
  const texts = folders.flatMap((folder) => {
    const files = readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" });
    return files
      .filter((file) => file.endsWith(".rs"))
      .map((file) => readFileSync(join(repository, folder, file), "utf8"))
      .filter((text) => text.includes("aws_sdk_"));
  });
  const operation =
    /\.(?!get_or_)((?:add|create|delete|describe|filter|get|list|modify|put|remove|set|update)_\w+|publish|invoke)\(\)/g;
  const names = texts.flatMap((text) => [...text.matchAll(operation)].map(([, name]) => name ?? ""));
  const pascal = (name: string) =>
    name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return [...new Set(names.map((name) => (name === "invoke" ? "InvokeFunction" : pascal(name))))].sort();
}

describe("policies and calls", () => {
  let graphs: Graph[];
  before(async () => {
    // One after the other: the program's settings are the process's.
    const plain = await graphOf();
    const withAllOptions = await graphOf((c) => {
      comparing(c);
      c.controller.eventBus = "default";
      const { host, port, database } = c.ledger;
      const secret = (name: string) => `arn:aws:secretsmanager:eu-west-1:111122223333:secret:${name}-AbCdEf`;
      const [secretArn, readerSecretArn] = [secret("rollout"), secret("rollout-reader")];
      c.ledger = { host, port, database, login: "secret", secretArn, readerSecretArn };
    });
    graphs = [plain, withAllOptions];
  });

  test("each role was seen", () => assert.deepEqual(Object.keys(recorded).sort(), [...ROLES].sort()));

  for (const role of ROLES) {
    test(`${role} may do what it asks for, and no more`, () => {
      const asked = [
        ...(recorded[role] ?? []).filter((line) => !(action(line) in NOT_ALLOWED)),
        ...Object.keys(BY_HAND[role] ?? {}),
      ];
      const may = allowed(graphs, role).filter((line) => !(action(line) in NOT_ASKED));
      assert.deepEqual(may, asked.sort());
    });
  }

  test("no exception is out of use", () => {
    const asked = new Set(Object.values(recorded).flat().map(action));
    const may = new Set(ROLES.flatMap((role) => allowed(graphs, role)).map(action));
    for (const one of Object.keys(NOT_ALLOWED)) assert.ok(asked.has(one) && !may.has(one), one);
    for (const one of Object.keys(NOT_ASKED)) assert.ok(may.has(one) && !asked.has(one), one);
  });

  test("what is done by hand stands in a runbook", () => {
    const folder = join(__dirname, "..", "..", "runbooks");
    const pages = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
    for (const command of Object.values(BY_HAND).flatMap((lines) => Object.values(lines)))
      assert.ok(
        pages.some((page) => page.includes(command)),
        command,
      );
  });

  test("every operation that the code names was seen", () => {
    const seen = new Set(
      Object.values(recorded)
        .flat()
        .map((line) => action(line).split(":")[1]),
    );
    assert.deepEqual(
      named().filter((operation) => !seen.has(operation)),
      [],
    );
  });
});
