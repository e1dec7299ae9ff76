/**
 * The controller: one program, three functions. What a function may do is its role;
 * which events it takes is its door (`ROLLOUT_DOOR`).
 *
 * | function | may |
 * |---|---|
 * | `tick` | read rules, metrics, alarms, and which code runs; where answers are compared, the scorer's log; set weights of exactly our rules; write the journal and the copy of the run outside it; page |
 * | `command` | the same (`rolloutctl check --write-test` reads metrics here too), and leave a rollback for the next tick while the journal cannot be written |
 * | `view` | read all of this, the journal as a user that may only read |
 */

import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { RolloutFunction } from "./function";
import { encrypts, readParameters, readSecret, useKey, writeParameter } from "./iam";
import type { Statement } from "./iam";
import type { Paging } from "./paging";
import type { Common, ControllerSettings, LedgerSettings } from "./settings";
import { TickTriggers } from "./tick-triggers";

export interface RolloutControllerArgs {
  readonly settings: ControllerSettings;
  readonly ledger: LedgerSettings;
  readonly paging: Paging;
  /** The weighted rules, and nothing but them. */
  readonly weightedRuleArns: readonly pulumi.Input<string>[];
  /** Functions behind the groups of both sides, without version or alias. */
  readonly functionArns: readonly pulumi.Input<string>[];
  /** Log group of the scorer, where it compares answers. */
  readonly answersLogArn?: pulumi.Output<string>;
  /** Configuration of the functions that write the journal, and of the one that reads it. */
  readonly toml: { readonly writer: pulumi.Output<string>; readonly reader: pulumi.Output<string> };
  /** Alarms whose rising starts a tick at once. */
  readonly alarmNames: readonly pulumi.Input<string>[];
}

export class RolloutController extends pulumi.ComponentResource {
  readonly tick: RolloutFunction;
  readonly command: RolloutFunction;
  readonly view: RolloutFunction;
  readonly triggers: TickTriggers;

  constructor(
    private readonly common: Common,
    private readonly args: RolloutControllerArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:RolloutController", `${common.name}-controller`, {}, opts);
    const { toml } = args;
    const names = new Names(common);
    const queueArn = names.arn("sqs", `${names.function("tick")}-dead`);
    const acts = [...this.looks(), ...this.setsWeights(), this.remembers("run"), ...this.tells()];
    this.tick = this.door("tick", toml.writer, [
      ...acts,
      ...this.readsExamples(),
      ...this.journal("writer"),
      { sid: "KeepFailedTicks", actions: ["sqs:SendMessage"], resources: [queueArn] },
      ...encrypts("KeepEncrypted", common, "sqs"),
    ]);
    this.command = this.door("command", toml.writer, [
      ...acts,
      this.remembers("order"),
      ...this.journal("writer"),
    ]);
    this.view = this.door("view", toml.reader, [...this.looks(), ...this.journal("reader")]);
    this.triggers = new TickTriggers(
      common,
      { tick: this.tick.function, alarmNames: args.alarmNames },
      { parent: this },
    );
    this.registerOutputs();
  }

  private door(
    door: "tick" | "command" | "view",
    toml: pulumi.Output<string>,
    statements: readonly Statement[],
  ): RolloutFunction {
    const { settings, ledger } = this.args;
    const name = new Names(this.common).function(door);
    return new RolloutFunction(
      name,
      this.common,
      {
        description: `Rollout controller, ${door}`,
        code: settings,
        memoryMb: settings.memoryMb,
        timeoutSeconds: settings.timeoutSeconds,
        // Two ticks at once would be harmless (the journal decides who is first), but useless.
        reservedConcurrency: door === "tick" ? 1 : undefined,
        publish: false,
        environment: {
          ROLLOUT_DOOR: door,
          ROLLOUT_CONFIG: toml,
          ...(ledger.login === "iam" && { ROLLOUT_LEDGER_IAM: "1" }),
        },
        statements,
      },
      { parent: this },
    );
  }

  /** None of those on `*` knows resources; alarms on `*`, because composite ones are only returned then. */
  private looks(): Statement[] {
    const { functionArns } = this.args;
    return [
      {
        sid: "ReadRulesAndTargets",
        actions: ["elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetHealth"],
        resources: ["*"],
      },
      {
        // The code asks for a function and names version or alias beside it, so IAM sees
        // the ARN without one. GetFunctionConfiguration shows environment variables too;
        // the code keeps three other fields.
        sid: "ReadWhichCodeRuns",
        actions: ["lambda:GetAlias", "lambda:GetFunctionConfiguration"],
        resources: functionArns,
      },
      readParameters(this.common),
      {
        sid: "ReadMetricsAndAlarms",
        actions: ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"],
        resources: ["*"],
      },
    ];
  }

  /**
   * Examples of wrong answers, for the page of a rollback. With `:*` at the end, which all
   * actions on what is in a log group are held against.
   */
  private readsExamples(): Statement[] {
    const { answersLogArn } = this.args;
    if (answersLogArn === undefined) return [];
    const resources = [pulumi.interpolate`${answersLogArn}:*`];
    return [{ sid: "ReadExamples", actions: ["logs:FilterLogEvents"], resources }];
  }

  /** IAM cannot see weights: this is as narrow as it gets. The code changes nothing else of a rule. */
  private setsWeights(): Statement[] {
    const actions = ["elasticloadbalancing:ModifyRule"] as const;
    return [{ sid: "SetWeights", actions, resources: this.args.weightedRuleArns }];
  }

  /** What protection needs to know while the journal cannot be read. */
  private remembers(which: "run" | "order"): Statement {
    const sid = which === "run" ? "RememberRun" : "LeaveOrder";
    return writeParameter(sid, this.common, which);
  }

  /** Pages, chat messages and state changes. */
  private tells(): Statement[] {
    const { paging, settings } = this.args;
    const { region } = this.common;
    const topics = [paging.topicArn, ...(paging.chatTopicArn === undefined ? [] : [paging.chatTopicArn])];
    const statements: Statement[] = [{ sid: "Page", actions: ["sns:Publish"], resources: topics }];
    paging.kmsKeyArns.forEach((key, index) => {
      const actions = ["kms:Decrypt", "kms:GenerateDataKey"] as const;
      statements.push(useKey(`PageEncrypted${index}`, actions, key, "sns", region));
    });
    if (settings.eventBus !== undefined) {
      const bus = new Names(this.common).arn("events", pulumi.interpolate`event-bus/${settings.eventBus}`);
      statements.push({ sid: "Announce", actions: ["events:PutEvents"], resources: [bus] });
    }
    return statements;
  }

  private journal(door: "writer" | "reader"): Statement[] {
    const { ledger } = this.args;
    const { region } = this.common;
    if (ledger.login === "iam") {
      const user = door === "writer" ? ledger.user : ledger.reader;
      const dbuser = pulumi.interpolate`dbuser:${ledger.proxyResourceId}/${user}`;
      const arn = new Names(this.common).arn("rds-db", dbuser);
      return [{ sid: "Journal", actions: ["rds-db:connect"], resources: [arn] }];
    }
    const secretArn = door === "writer" ? ledger.secretArn : ledger.readerSecretArn;
    return readSecret("Journal", region, secretArn, ledger.secretKmsKeyArn);
  }
}
