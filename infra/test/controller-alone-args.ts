/** Plain arguments, for changes of one of them. */

import type { RolloutArgs } from "../src";

const elb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";
const id = "0123456789abcdef";

export const base: Partial<RolloutArgs> = {
  region: "eu-west-1",
  accountId: "111122223333",
  listeners: { shop: { arn: `${elb}:listener/app/shop/${id}/${id}`, headerRule: false } },
  controller: {
    image: `111122223333.dkr.ecr.eu-west-1.amazonaws.com/rollout-controller@sha256:${"2".repeat(64)}`,
    mode: "shadow",
  },
  operators: {
    operators: ["arn:aws:iam::111122223333:role/oncall"],
    emergency: ["arn:aws:iam::111122223333:role/oncall"],
  },
  routes: [
    {
      name: "checkout",
      listener: "shop",
      ruleArn: `${elb}:listener-rule/app/shop/${id}/${id}/${id}`,
      priority: 300,
      paths: ["/checkout/*"],
      oldTargetGroupArn: `${elb}:targetgroup/a/${id}`,
      oldFunctionArn: "arn:aws:lambda:eu-west-1:111122223333:function:node",
      newTargetGroup: {
        arn: `${elb}:targetgroup/b/${id}`,
        functionArn: "arn:aws:lambda:eu-west-1:111122223333:function:go",
      },
    },
  ],
};
