/** Topics: for PagerDuty, as found or made here, and for Slack, if wanted. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Common, PagingSettings } from "./settings";

export class Paging extends pulumi.ComponentResource {
  /** Pages and alarms go here. */
  readonly topicArn: pulumi.Input<string>;
  /** Messages for people in a chat. */
  readonly chatTopicArn?: pulumi.Output<string>;
  /** Keys that a publisher needs. */
  readonly kmsKeyArns: readonly pulumi.Input<string>[];

  constructor(
    private readonly common: Common,
    settings: PagingSettings,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:Paging", `${common.name}-paging`, {}, opts);
    const keys = new Set<pulumi.Input<string>>();
    if (settings.topicArn !== undefined) {
      this.topicArn = settings.topicArn;
      if (settings.topicKmsKeyArn !== undefined) keys.add(settings.topicKmsKeyArn);
    } else {
      // The check asks for one of the two.
      this.topicArn = this.pagerDuty(settings.pagerDutyKey ?? "");
    }
    if (settings.slack !== undefined) this.chatTopicArn = this.slack(settings.slack);
    const ownTopics = settings.topicArn === undefined || settings.slack !== undefined;
    if (ownTopics && common.kmsKeyArn !== undefined) keys.add(common.kmsKeyArn);
    this.kmsKeyArns = [...keys];
    this.registerOutputs();
  }

  private pagerDuty(key: pulumi.Input<string>): pulumi.Output<string> {
    const topic = this.topic(`${this.common.name}-oncall`);
    new aws.sns.TopicSubscription(
      `${this.common.name}-oncall`,
      {
        topic: topic.arn,
        protocol: "https",
        // Whoever has the key can page, so the address is a secret.
        endpoint: pulumi.secret(pulumi.interpolate`https://events.pagerduty.com/integration/${key}/enqueue`),
        // PagerDuty confirms by itself, and reads SNS's own envelope.
        endpointAutoConfirms: true,
        rawMessageDelivery: false,
      },
      { parent: this },
    );
    return topic.arn;
  }

  private slack(slack: { readonly teamId: string; readonly channelId: string }): pulumi.Output<string> {
    const name = `${this.common.name}-chat`;
    const parent = { parent: this };
    const topic = this.topic(name);
    const role = new aws.iam.Role(
      name,
      {
        name,
        description: "Amazon Q Developer in chat applications; tells, and may do nothing",
        assumeRolePolicy: pulumi.jsonStringify({
          Version: "2012-10-17",
          Statement: [
            {
              Effect: "Allow",
              Principal: { Service: "chatbot.amazonaws.com" },
              Action: "sts:AssumeRole",
              Condition: { StringEquals: { "aws:SourceAccount": this.common.accountId } },
            },
          ],
        }),
        permissionsBoundary: this.common.permissionsBoundaryArn,
        tags: this.common.tags,
      },
      parent,
    );
    new aws.chatbot.SlackChannelConfiguration(
      name,
      {
        configurationName: name,
        iamRoleArn: role.arn,
        slackTeamId: slack.teamId,
        slackChannelId: slack.channelId,
        snsTopicArns: [topic.arn],
        // Left out, the guardrail would be AdministratorAccess.
        guardrailPolicyArns: ["arn:aws:iam::aws:policy/AWSDenyAll"],
        loggingLevel: "ERROR",
        userAuthorizationRequired: true,
        tags: this.common.tags,
      },
      parent,
    );
    return topic.arn;
  }

  private topic(name: string): aws.sns.Topic {
    const { accountId, kmsKeyArn, tags } = this.common;
    const parent = { parent: this };
    const topic = new aws.sns.Topic(name, { name, kmsMasterKeyId: kmsKeyArn, tags }, parent);
    new aws.sns.TopicPolicy(
      name,
      {
        arn: topic.arn,
        policy: pulumi.jsonStringify({
          Version: "2012-10-17",
          Statement: [
            {
              Sid: "Alarms",
              Effect: "Allow",
              Principal: { Service: "cloudwatch.amazonaws.com" },
              Action: "sns:Publish",
              Resource: topic.arn,
              Condition: { StringEquals: { "aws:SourceAccount": accountId } },
            },
            {
              Sid: "OnlyWithTls",
              Effect: "Deny",
              Principal: "*",
              Action: "sns:Publish",
              Resource: topic.arn,
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            },
          ],
        }),
      },
      parent,
    );
    return topic;
  }
}
