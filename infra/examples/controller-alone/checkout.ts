/** The team's functions, groups and rule, as they might be there already. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export interface Side {
  readonly function: aws.lambda.Function;
  readonly group: aws.lb.TargetGroup;
}

export function checkout() {
  const config = new pulumi.Config("checkout");
  const role = config.require("functionRoleArn");
  const listenerArn = config.require("listenerArn");
  const side = (name: string, runtime: string): Side => {
    const made = new aws.lambda.Function(name, {
      name,
      role,
      runtime,
      handler: "bootstrap",
      code: new pulumi.asset.FileArchive(`./dist/${name}.zip`),
    });
    const group = new aws.lb.TargetGroup(name, { name, targetType: "lambda" });
    const permission = new aws.lambda.Permission(name, {
      action: "lambda:InvokeFunction",
      principal: "elasticloadbalancing.amazonaws.com",
      function: made.name,
      sourceArn: group.arn,
    });
    const target = { targetGroupArn: group.arn, targetId: made.arn };
    new aws.lb.TargetGroupAttachment(name, target, { dependsOn: [permission] });
    return { function: made, group };
  };
  const [node, go] = [side("checkout-node", "nodejs22.x"), side("checkout-go", "provided.al2023")];
  const [priority, paths] = [300, ["/checkout/*"]];
  const rule = new aws.lb.ListenerRule(
    "checkout",
    {
      listenerArn,
      priority,
      conditions: [{ pathPattern: { values: paths } }],
      actions: [
        {
          type: "forward",
          forward: {
            targetGroups: [
              { arn: node.group.arn, weight: 100 },
              { arn: go.group.arn, weight: 0 },
            ],
            stickiness: { enabled: false, duration: 1 },
          },
        },
      ],
    },
    // The controller moves the weights. The whole list: its order is not ours to rely on.
    { ignoreChanges: ["actions"], protect: true },
  );
  return { node, go, rule, listenerArn, priority, paths };
}
