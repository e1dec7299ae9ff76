/**
 * Who called `command`, by CloudTrail. The journal says so too, in the caller's own words:
 * Lambda does not tell a function who called it.
 */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import type { Common } from "./settings";

/** Days for which a bucket of this stack keeps the record: a year, and time to look. */
const KEPT_DAYS = 400;

export class Audit extends pulumi.ComponentResource {
  /** `bucket`: one that exists and lets CloudTrail write; left out, one is made. */
  constructor(
    private readonly common: Common,
    bucket: pulumi.Input<string> | undefined,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("rollout:infra:Audit", `${common.name}-audit`, {}, opts);
    const names = new Names(common);
    const trail = `${common.name}-rollout-commands`;
    const own =
      bucket === undefined ? this.bucket(trail, names.arn("cloudtrail", `trail/${trail}`)) : undefined;
    new aws.cloudtrail.Trail(
      trail,
      {
        name: trail,
        s3BucketName: bucket ?? own?.bucket ?? "",
        s3KeyPrefix: `${common.name}-rollout`,
        enableLogFileValidation: true,
        includeGlobalServiceEvents: false,
        isMultiRegionTrail: false,
        kmsKeyId: common.kmsKeyArn,
        advancedEventSelectors: [
          {
            name: "Invocations of command",
            fieldSelectors: [
              { field: "eventCategory", equals: ["Data"] },
              { field: "resources.type", equals: ["AWS::Lambda::Function"] },
              { field: "resources.ARN", equals: [names.functionArn("command")] },
            ],
          },
        ],
        tags: common.tags,
      },
      { parent: this, dependsOn: own === undefined ? [] : [own.policy] },
    );
    this.registerOutputs();
  }

  /**
   * A bucket that CloudTrail may write to for this trail, and nobody reads in public. It stays when
   * the stack goes: it is the record of what was done with the stack.
   */
  private bucket(trail: string, trailArn: pulumi.Output<string>) {
    const { common } = this;
    const parent = { parent: this };
    const bucket = new aws.s3.Bucket(
      trail,
      { bucket: pulumi.interpolate`${trail}-${common.accountId}-${common.region}`, tags: common.tags },
      { ...parent, retainOnDelete: true },
    );
    new aws.s3.BucketPublicAccessBlock(
      trail,
      {
        bucket: bucket.bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      parent,
    );
    new aws.s3.BucketLifecycleConfiguration(
      trail,
      {
        bucket: bucket.bucket,
        rules: [{ id: "forget", status: "Enabled", filter: { prefix: "" }, expiration: { days: KEPT_DAYS } }],
      },
      parent,
    );
    const cloudtrail = { Effect: "Allow", Principal: { Service: "cloudtrail.amazonaws.com" } };
    const policy = new aws.s3.BucketPolicy(
      trail,
      {
        bucket: bucket.bucket,
        policy: pulumi.jsonStringify({
          Version: "2012-10-17",
          Statement: [
            {
              Sid: "CloudTrailLooks",
              ...cloudtrail,
              Action: "s3:GetBucketAcl",
              Resource: bucket.arn,
              Condition: { StringEquals: { "aws:SourceArn": trailArn } },
            },
            {
              Sid: "CloudTrailWrites",
              ...cloudtrail,
              Action: "s3:PutObject",
              Resource: pulumi.interpolate`${bucket.arn}/${common.name}-rollout/AWSLogs/${common.accountId}/*`,
              Condition: {
                StringEquals: { "s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceArn": trailArn },
              },
            },
            {
              Sid: "OnlyByTls",
              Effect: "Deny",
              Principal: "*",
              Action: "s3:*",
              Resource: [bucket.arn, pulumi.interpolate`${bucket.arn}/*`],
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            },
          ],
        }),
      },
      parent,
    );
    return { bucket: bucket.bucket, policy };
  }
}
