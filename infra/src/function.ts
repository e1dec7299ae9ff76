/** A Lambda function from a container image, with its log group and its own role. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { leastRole, useKey } from "./iam";
import type { Statement } from "./iam";
import type { Common } from "./settings";

/** The variable by which stand-ins on a laptop run an hour in a minute (rollout-controller/src/adapters/clock.rs). */
export const FAST_CLOCK = "ROLLOUT_CLOCK";
export const FAST_CLOCK_REFUSED =
  "is the clock of stand-ins with fast time; in AWS pauses, ages and windows would be wrong. Remove it";

export interface ContainerFunctionArgs {
  readonly description: string;
  /** `REPOSITORY@sha256:…`. */
  readonly image: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly reservedConcurrency?: number;
  /** Whether each deployment makes a version, for an alias to point at. */
  readonly publish: boolean;
  readonly environment: Record<string, pulumi.Input<string>>;
  /** What it may do besides logging, tracing, and living in the VPC. */
  readonly statements: readonly Statement[];
}

export class ContainerFunction extends pulumi.ComponentResource {
  readonly function: aws.lambda.Function;
  readonly logGroup: aws.cloudwatch.LogGroup;

  constructor(
    name: string,
    common: Common,
    args: ContainerFunctionArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:ContainerFunction", name, {}, opts);
    // Every function of the stack is made here, so no way leads around this.
    if (FAST_CLOCK in args.environment) {
      throw new Error(`${name}: environment variable ${FAST_CLOCK} ${FAST_CLOCK_REFUSED}`);
    }
    const parent = { parent: this };
    const names = new Names(common.name, common.region, common.accountId);
    // Made here, or Lambda makes one that keeps everything forever.
    this.logGroup = new aws.cloudwatch.LogGroup(
      name,
      {
        name: `/aws/lambda/${name}`,
        retentionInDays: common.logRetentionDays,
        kmsKeyId: common.kmsKeyArn,
        tags: common.tags,
      },
      parent,
    );
    const functionArn = `arn:aws:lambda:${common.region}:${common.accountId}:function:${name}`;
    const { role, policy } = leastRole(
      name,
      common,
      {
        description: `Lambda function ${name}`,
        trust: { service: "lambda.amazonaws.com" },
        statements: [
          {
            sid: "Log",
            actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
            resources: [`${names.logGroupArn(name)}:*`],
          },
          ...inVpc(functionArn),
          ...traces(common),
          ...ownKey(common),
          ...args.statements,
        ],
      },
      parent,
    );
    this.function = new aws.lambda.Function(
      name,
      {
        name,
        description: args.description,
        packageType: "Image",
        imageUri: args.image,
        architectures: ["arm64"],
        role: role.arn,
        memorySize: args.memoryMb,
        timeout: args.timeoutSeconds,
        reservedConcurrentExecutions: args.reservedConcurrency,
        publish: args.publish,
        environment: {
          variables: {
            ...args.environment,
            ...collector(common),
          },
        },
        kmsKeyArn: common.kmsKeyArn,
        // Our lines are JSON already; Lambda's own format would wrap them.
        loggingConfig: { logFormat: "Text", logGroup: this.logGroup.name },
        tracingConfig: { mode: common.tracing === "xray" ? "Active" : "PassThrough" },
        vpcConfig: {
          subnetIds: [...common.network.subnetIds],
          securityGroupIds: [...common.network.securityGroupIds],
        },
        tags: common.tags,
      },
      // Lambda tries the VPC permissions out when it makes the function.
      { ...parent, dependsOn: [policy, this.logGroup] },
    );
    this.registerOutputs();
  }
}

/** Lambda uses the function's role to plug it into the VPC; the code itself has no business there. */
function inVpc(functionArn: string): Statement[] {
  const actions = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
  ] as const;
  return [
    { sid: "LiveInVpc", actions, resources: ["*"] },
    {
      sid: "ButNotFromCode",
      effect: "Deny",
      actions,
      resources: ["*"],
      conditions: { ArnEquals: { "lambda:SourceFunctionArn": functionArn } },
    },
  ];
}

function traces(common: Common): Statement[] {
  if (common.tracing === "off") return [];
  return [{ sid: "Trace", actions: ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources: ["*"] }];
}

/**
 * Where the collector in the image listens; without traces nobody looks for one.
 * Said although it is the scorer's default, since the controller reports only if told
 * where. An address, as in docker/collector.yaml: `localhost` might be `::1`.
 */
function collector(common: Common): Record<string, string> {
  return common.tracing === "off"
    ? { OTEL_SDK_DISABLED: "true" }
    : { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };
}

/** The environment is encrypted with the stack's key, if there is one. */
function ownKey(common: Common): Statement[] {
  if (common.kmsKeyArn === undefined) return [];
  const service = `lambda.${common.region}.amazonaws.com`;
  return [useKey("ReadEnvironment", ["kms:Decrypt"], common.kmsKeyArn, service)];
}
