/**
 * What makes the controller tick: a schedule each minute, and alarms at once.
 *
 * A tick that does not work out is not repeated: the next minute is the retry.
 * Whatever failed is kept in the dead-letter queue for a look, and an alarm
 * watches what is sent there.
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { encrypts, leastRole } from "./iam";
import type { Common } from "./settings";

/** Longest age of a tick that is still of use, seconds; the shortest that AWS takes. */
const EVENT_AGE = 60;
/** Failed ticks are kept this long, seconds: two weeks, the most that SQS takes. */
const KEEP = 14 * 24 * 3600;

export interface TickTriggersArgs {
  readonly tick: aws.lambda.Function;
  readonly alarmNames: readonly pulumi.Input<string>[];
}

export class TickTriggers extends pulumi.ComponentResource {
  readonly deadLetters: aws.sqs.Queue;

  constructor(
    private readonly common: Common,
    private readonly args: TickTriggersArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:TickTriggers", `${common.name}-tick-triggers`, {}, opts);
    const parent = { parent: this };
    this.deadLetters = new aws.sqs.Queue(
      `${common.name}-rollout-tick-dead`,
      {
        name: `${common.name}-rollout-tick-dead`,
        messageRetentionSeconds: KEEP,
        ...(common.kmsKeyArn === undefined
          ? { sqsManagedSseEnabled: true }
          : { kmsMasterKeyId: common.kmsKeyArn }),
        tags: common.tags,
      },
      parent,
    );
    new aws.lambda.FunctionEventInvokeConfig(
      `${common.name}-rollout-tick`,
      {
        functionName: args.tick.name,
        maximumRetryAttempts: 0,
        // A tick that waits behind another is told for a minute that has passed.
        maximumEventAgeInSeconds: EVENT_AGE,
        destinationConfig: { onFailure: { destination: this.deadLetters.arn } },
      },
      parent,
    );
    this.schedule();
    this.alarms();
    this.registerOutputs();
  }

  private schedule(): void {
    const { common, args } = this;
    const { name } = common;
    const parent = { parent: this };
    const group = new aws.scheduler.ScheduleGroup(
      `${name}-rollout`,
      { name: `${name}-rollout`, tags: common.tags },
      parent,
    );
    const { role, policy: rights } = leastRole(
      `${name}-rollout-schedule`,
      common,
      {
        description: "Lets the schedule start a tick",
        // Scheduler names the group here, not the schedule.
        trust: { service: "scheduler.amazonaws.com", sourceArn: group.arn },
        statements: [
          { sid: "StartTick", actions: ["lambda:InvokeFunction"], resources: [args.tick.arn] },
          { sid: "KeepFailedTicks", actions: ["sqs:SendMessage"], resources: [this.deadLetters.arn] },
          ...encrypts("KeepEncrypted", common, "sqs"),
        ],
      },
      parent,
    );
    new aws.scheduler.Schedule(
      `${name}-rollout-tick`,
      {
        name: `${name}-rollout-tick`,
        groupName: group.name,
        description: `Ticks the rollout controller of ${name}`,
        scheduleExpression: "rate(1 minute)",
        flexibleTimeWindow: { mode: "OFF" },
        kmsKeyArn: common.kmsKeyArn,
        target: {
          arn: args.tick.arn,
          roleArn: role.arn,
          // The tick is judged for the minute it was meant for, however late it comes.
          input: JSON.stringify({ source: "rollout.schedule", time: "<aws.scheduler.scheduled-time>" }),
          retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: EVENT_AGE },
          deadLetterConfig: { arn: this.deadLetters.arn },
        },
      },
      { ...parent, dependsOn: [rights] },
    );
  }

  private alarms(): void {
    const { common, args } = this;
    const name = `${common.name}-rollout-alarm`;
    const parent = { parent: this };
    const rule = new aws.cloudwatch.EventRule(
      name,
      {
        name,
        description: "An alarm of the rollout starts a tick at once",
        eventPattern: pulumi.jsonStringify({
          source: ["aws.cloudwatch"],
          "detail-type": ["CloudWatch Alarm State Change"],
          detail: { alarmName: args.alarmNames, state: { value: ["ALARM"] } },
        }),
        tags: common.tags,
      },
      parent,
    );
    new aws.lambda.Permission(
      name,
      {
        action: "lambda:InvokeFunction",
        principal: "events.amazonaws.com",
        function: args.tick.name,
        sourceArn: rule.arn,
        sourceAccount: common.accountId,
      },
      parent,
    );
    new aws.cloudwatch.EventTarget(
      name,
      {
        rule: rule.name,
        arn: args.tick.arn,
        retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: EVENT_AGE },
        deadLetterConfig: { arn: this.deadLetters.arn },
      },
      parent,
    );
    new aws.sqs.QueuePolicy(
      name,
      {
        queueUrl: this.deadLetters.url,
        policy: queuePolicy(this.deadLetters.arn, rule.arn),
      },
      parent,
    );
  }
}

/** Lambda and Scheduler write with their roles; EventBridge needs to be let in. Nobody writes without TLS. */
function queuePolicy(queueArn: pulumi.Output<string>, ruleArn: pulumi.Output<string>): pulumi.Output<string> {
  return pulumi.jsonStringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "FailedAlarmEvents",
        Effect: "Allow",
        Principal: { Service: "events.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: queueArn,
        Condition: { ArnEquals: { "aws:SourceArn": ruleArn } },
      },
      {
        Sid: "OnlyWithTls",
        Effect: "Deny",
        Principal: "*",
        Action: "sqs:*",
        Resource: queueArn,
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    ],
  });
}
