/** What a deployment says when a rule of the listener is in the way, on the wire that AWS speaks. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { AwsGroup, AwsRule } from "../src/existing";
import { example } from "./example";
import { elbv2 } from "./load-balancer";

const groups: AwsGroup[] = example()["score-rollout:routes"].map(({ oldTargetGroupArn }: any) => ({
  TargetGroupArn: oldTargetGroupArn,
  TargetType: "lambda",
}));
const forward = (group: AwsGroup | undefined) => [{ Type: "forward", TargetGroupArn: group?.TargetGroupArn }];
const path = (...Values: string[]) => ({ Field: "path-pattern", PathPatternConfig: { Values } });
const rule = (
  priority: number | "default",
  Conditions: AwsRule["Conditions"],
  Actions: AwsRule["Actions"],
): AwsRule => ({
  RuleArn: `arn:rule-${priority}`,
  Priority: String(priority),
  IsDefault: priority === "default",
  Conditions,
  Actions,
});

/** The example's routes, as Python has them now. */
const PYTHON: AwsRule[] = [
  rule(200, [path("/v2/stamps/*/score/*", "/internal/score/*")], forward(groups[0])),
  rule(201, [path("/partners/*/score")], forward(groups[1])),
  rule("default", [], [{ Type: "fixed-response" }]),
];
async function deploy(rules: AwsRule[], its = groups, refuse = false, more: Record<string, string> = {}) {
  const aws = await elbv2(rules, its, refuse);
  try {
    const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "deployment.ts")], {
      cwd: join(__dirname, ".."),
      env: {
        PATH: process.env.PATH,
        AWS_ENDPOINT_URL: aws.url,
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
        AWS_EC2_METADATA_DISABLED: "true",
        ...more,
      },
    });
    let text = "";
    child.stdout.on("data", (data: Buffer) => (text += data.toString()));
    child.stderr.on("data", (data: Buffer) => (text += data.toString()));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { code, text, asked: aws.asked };
  } finally {
    aws.close();
  }
}

describe("a deployment reads all rules of its listeners", () => {
  test("and makes its own when they leave the others alone", async () => {
    const { code, text, asked } = await deploy([]);
    assert.equal(code, 0, text);
    assert.ok(asked.includes("DescribeRules 0"));
  });

  test("and refuses, with the rule and the ways out", async () => {
    const history = rule(150, [path("/v2/stamps/*/score/*/history")], [{ Type: "fixed-response" }]);
    const { code, text, asked } = await deploy([...PYTHON, history]);
    assert.notEqual(code, 0);
    assert.match(
      text,
      /routes\[0\]\.priority: is 110; it would take requests from rule 150 \(.*history\), which answers/,
    );
    assert.match(
      text,
      /listeners\.public\.headerRule\.priority: is 99; it would take requests with the header from rule 150/,
    );
    assert.ok(asked.includes("DescribeRules 3"), "every page was read");
  });

  test("and refuses groups that are not Lambda's", async () => {
    const { code, text } = await deploy(
      [],
      groups.map((group) => ({ ...group, TargetType: "ip" })),
    );
    assert.notEqual(code, 0);
    assert.match(
      text,
      /routes\[0\]\.oldTargetGroupArn: is .*, a group of type ip; only groups of type lambda are supported/,
    );
  });

  test("and refuses when it may not read", async () => {
    const { code, text } = await deploy([], groups, true);
    assert.notEqual(code, 0);
    assert.match(text, /could not be read, .*not authorized.* Allow elasticloadbalancing:DescribeRules/);
  });
});

describe("an output is checked when it is known", () => {
  const image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/scorer@sha256:" + "1".repeat(64);

  test("and its key is named", async () => {
    const { code, text } = await deploy([], groups, false, { CONTROLLER_IMAGE: image });
    assert.notEqual(code, 0);
    assert.match(
      text,
      /score: controller\.image: is "111122223333\.dkr.*us-east-1.*must be an image in a registry in eu-west-1/,
    );
  });

  test("but a secret is not shown", async () => {
    const { code, text } = await deploy([], groups, false, { CONTROLLER_IMAGE: "hunter2", SECRET: "1" });
    assert.notEqual(code, 0);
    assert.match(
      text,
      /score: controller\.image: is a secret that is not as it must be: an image in a registry/,
    );
    assert.doesNotMatch(text, /hunter2/);
  });

  test("and a function that would ask itself is not made", async () => {
    const arn = "arn:aws:lambda:eu-west-1:111122223333:function:score-scorer:live";
    const { code, text } = await deploy([], groups, false, { COMPARE_WITH: arn });
    assert.notEqual(code, 0);
    assert.match(
      text,
      /compare\.functionArn: is .*score-scorer:live, the scorer itself, which would call itself/,
    );
    const python = arn.replace("score-scorer", "scorer-py");
    const right = await deploy([], groups, false, { COMPARE_WITH: python });
    assert.equal(right.code, 0, right.text);
  });

  test("and used", async () => {
    const right = image.replace("us-east-1", "eu-west-1");
    const { code, text } = await deploy([], groups, false, { CONTROLLER_IMAGE: right });
    assert.equal(code, 0, text);
  });
});
