/** Who called `command`, by CloudTrail. The journal says so too, in the caller's own words. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import type { Common } from "./settings";

export class Audit extends pulumi.ComponentResource {
  constructor(common: Common, bucket: pulumi.Input<string>, opts?: pulumi.ComponentResourceOptions) {
    super("rollout:infra:Audit", `${common.name}-audit`, {}, opts);
    const names = new Names(common);
    new aws.cloudtrail.Trail(
      `${common.name}-rollout-commands`,
      {
        name: `${common.name}-rollout-commands`,
        s3BucketName: bucket,
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
      { parent: this },
    );
    this.registerOutputs();
  }
}
