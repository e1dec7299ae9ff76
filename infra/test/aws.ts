/** What AWS would answer: identifiers of the real shape, so that checks of ARNs check something. */

import { createHash } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";

const REGION = "eu-west-1";
const ACCOUNT = "111122223333";

/** Stable hexadecimal digits for a name. */
function hex(name: string, length: number): string {
  return createHash("sha256").update(name).digest("hex").slice(0, length);
}

function arn(service: string, rest: string): string {
  return `arn:aws:${service}:${REGION}:${ACCOUNT}:${rest}`;
}

/** Texts of the secrets that the example names. */
const SECRETS: Record<string, string> = {
  "scorer/environment": JSON.stringify({ REDIS_URL: "redis://:secret-password@redis.internal:6379/0" }),
  "scorer/tester-header": "a-secret-header-value",
};

/** Outputs of the stack `core` of examples/existing-stack. */
const OF_ANOTHER_STACK = {
  privateSubnetIds: ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
  vpcId: "vpc-0a1b2c3d4e5f60009",
  certificateArn: arn("acm", "certificate/1"),
  oncallRoleArn: `arn:aws:iam::${ACCOUNT}:role/oncall`,
  redisUrl: "redis://redis.internal:6379/0",
};

/** What a resource has beside its inputs. */
function outputs(type: string, name: string, inputs: any): Record<string, unknown> {
  switch (type) {
    case "aws:lb/targetGroup:TargetGroup": {
      const tail = `targetgroup/${inputs.name}/${hex(name, 16)}`;
      return { arn: arn("elasticloadbalancing", tail), arnSuffix: tail };
    }
    case "aws:lb/loadBalancer:LoadBalancer":
      return { arn: arn("elasticloadbalancing", `loadbalancer/app/${inputs.name}/${hex(name, 16)}`) };
    case "aws:lb/listener:Listener": {
      const balancer = String(inputs.loadBalancerArn).replace(":loadbalancer/", ":listener/");
      return { arn: `${balancer}/${hex(name, 16)}` };
    }
    case "aws:secretsmanager/secret:Secret":
      return { arn: arn("secretsmanager", `secret:${inputs.name}-AbCdEf`) };
    case "aws:rds/proxy:Proxy":
      return {
        arn: arn("rds", `db-proxy:prx-${hex(name, 17)}`),
        endpoint: `${inputs.name}.proxy-abcdefghijkl.${REGION}.rds.amazonaws.com`,
      };
    case "aws:ec2/securityGroup:SecurityGroup":
      return { id: `sg-${hex(name, 17)}` };
    case "pulumi:pulumi:StackReference":
      return { outputs: OF_ANOTHER_STACK };
    case "aws:lb/listenerRule:ListenerRule": {
      const listener = String(inputs.listenerArn).replace(":listener/", ":listener-rule/");
      return { arn: `${listener}/${hex(name, 16)}` };
    }
    case "aws:lambda/function:Function":
      return { arn: arn("lambda", `function:${inputs.name}`), version: "7" };
    case "aws:lambda/alias:Alias":
      return { arn: arn("lambda", `function:${inputs.functionName}:${inputs.name}`) };
    case "aws:iam/role:Role":
      return { arn: `arn:aws:iam::${ACCOUNT}:role/${inputs.name}` };
    case "aws:sqs/queue:Queue":
      return {
        arn: arn("sqs", inputs.name),
        url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${inputs.name}`,
      };
    case "aws:sns/topic:Topic":
      return { arn: arn("sns", inputs.name) };
    case "aws:cloudwatch/logGroup:LogGroup":
      return { arn: arn("logs", `log-group:${inputs.name}`) };
    case "aws:cloudwatch/metricAlarm:MetricAlarm":
      return { arn: arn("cloudwatch", `alarm:${inputs.name}`) };
    case "aws:cloudwatch/compositeAlarm:CompositeAlarm":
      return { arn: arn("cloudwatch", `alarm:${inputs.alarmName}`) };
    case "aws:cloudwatch/dashboard:Dashboard":
      return { dashboardArn: `arn:aws:cloudwatch::${ACCOUNT}:dashboard/${inputs.dashboardName}` };
    case "aws:cloudwatch/eventRule:EventRule":
      return { arn: arn("events", `rule/${inputs.name}`) };
    case "aws:scheduler/scheduleGroup:ScheduleGroup":
      return { arn: arn("scheduler", `schedule-group/${inputs.name}`) };
    default:
      return {};
  }
}

export const mocks: pulumi.runtime.Mocks = {
  newResource({ type, name, inputs }) {
    const { id = `${name}-id`, ...state } = outputs(type, name, inputs);
    return { id: String(id), state: { ...inputs, ...state } };
  },
  call({ token, inputs }) {
    if (token === "aws:secretsmanager/getSecretVersion:getSecretVersion") {
      const secret = Object.entries(SECRETS).find(([name]) => String(inputs.secretId).includes(`:${name}-`));
      if (secret) return { ...inputs, secretString: secret[1] };
    }
    if (token === "aws:index/getRegion:getRegion") return { region: REGION };
    if (token === "aws:index/getCallerIdentity:getCallerIdentity") return { accountId: ACCOUNT };
    throw new Error(`nobody answers ${token} ${JSON.stringify(inputs)} in this test`);
  },
};
