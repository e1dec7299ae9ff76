/** A Lambda function from an image or a zip, with its log group and its own role. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { leastRole, useKey } from "./iam";
import type { Statement } from "./iam";
import { FAST_CLOCK, FAST_CLOCK_REFUSED } from "./settings";
import type { CodeSettings, Common } from "./settings";

export interface RolloutFunctionArgs {
  readonly description: string;
  readonly code: CodeSettings;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly reservedConcurrency?: number;
  /** Whether each deployment makes a version, for an alias to point at. */
  readonly publish: boolean;
  readonly environment: Record<string, pulumi.Input<string>>;
  /** What it may do besides logging, tracing, and living in the VPC. */
  readonly statements: readonly Statement[];
}

export class RolloutFunction extends pulumi.ComponentResource {
  readonly function: aws.lambda.Function;
  readonly logGroup: aws.cloudwatch.LogGroup;

  constructor(
    name: string,
    common: Common,
    args: RolloutFunctionArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:RolloutFunction", name, {}, opts);
    // Every function of the stack is made here, so no way leads around this.
    if (FAST_CLOCK in args.environment) {
      throw new Error(`${name}: environment variable ${FAST_CLOCK} ${FAST_CLOCK_REFUSED}`);
    }
    const parent = { parent: this };
    const names = new Names(common);
    // Made here, or Lambda makes one that keeps everything forever.
    this.logGroup = new aws.cloudwatch.LogGroup(
      name,
      {
        name: names.logGroup(name),
        retentionInDays: common.logRetentionDays,
        kmsKeyId: common.kmsKeyArn,
        tags: common.tags,
      },
      parent,
    );
    const functionArn = names.arn("lambda", `function:${name}`);
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
            resources: [pulumi.interpolate`${names.logGroupArn(name)}:*`],
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
        ...runs(args.code),
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
            ...(args.code.zip !== undefined && IN_ZIP),
          },
        },
        kmsKeyArn: common.kmsKeyArn,
        // Our lines are JSON already; Lambda's own format would wrap them.
        loggingConfig: { logFormat: "Text", logGroup: this.logGroup.name },
        tracingConfig: { mode: common.tracing === "xray" ? "Active" : "PassThrough" },
        vpcConfig: {
          subnetIds: common.network.subnetIds,
          securityGroupIds: common.network.securityGroupIds,
        },
        tags: common.tags,
      },
      // Lambda tries the VPC permissions out when it makes the function.
      { ...parent, dependsOn: [policy, this.logGroup] },
    );
    this.registerOutputs();
  }
}

/** What our images say themselves; files of a zip lie in /var/task. */
const IN_ZIP = {
  OPENTELEMETRY_COLLECTOR_CONFIG_URI: "/var/task/collector.yaml",
  SSL_CERT_FILE: "/var/task/ca-certificates.crt",
};

function runs({ image, zip, layers }: CodeSettings): Partial<aws.lambda.FunctionArgs> {
  if (image !== undefined) return { packageType: "Image", imageUri: image };
  // The oldest runtime with the glibc that our programs ask for.
  return { packageType: "Zip", runtime: "provided.al2023", handler: "bootstrap", code: zip, layers };
}

/** Lambda uses the function's role to plug it into the VPC; the code itself has no business there. */
function inVpc(functionArn: pulumi.Input<string>): Statement[] {
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
  return [useKey("ReadEnvironment", ["kms:Decrypt"], common.kmsKeyArn, "lambda", common.region)];
}
