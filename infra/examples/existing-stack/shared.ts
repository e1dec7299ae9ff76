/** What the scoring functions stand on: network, load balancers, database, pages. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export const HOST = "api.example.com";

/** As a secrets vault hands it down. */
export interface Variable {
  readonly name: string;
  readonly value: pulumi.Input<string>;
}

export interface Shared {
  /** Of another stack, so it has no type. */
  readonly privateSubnetIds: pulumi.Output<any>;
  readonly lambdaSecurityGroup: aws.ec2.SecurityGroup;
  readonly listeners: {
    readonly public: pulumi.Output<aws.lb.Listener>;
    readonly internal: pulumi.Output<aws.lb.Listener>;
  };
  readonly proxy: aws.rds.Proxy;
  /** `prx-…`, the last part of the proxy's ARN. */
  readonly proxyResourceId: pulumi.Output<string>;
  readonly login: aws.secretsmanager.Secret;
  readonly pages: aws.sns.Topic;
  readonly role: aws.iam.Role;
  /** Role of whoever is on call. */
  readonly oncall: pulumi.Output<string>;
  readonly environment: readonly Variable[];
}

export function shared(): Shared {
  const core = new pulumi.StackReference("core");
  const privateSubnetIds = core.requireOutput("privateSubnetIds");
  const certificateArn = core.requireOutput("certificateArn") as pulumi.Output<string>;
  const vpcId = core.requireOutput("vpcId") as pulumi.Output<string>;
  const lambdaSecurityGroup = new aws.ec2.SecurityGroup("lambda", { vpcId });
  const listener = (name: string, internal: boolean) => {
    const balancer = new aws.lb.LoadBalancer(name, { name, internal, subnets: privateSubnetIds });
    return certificateArn.apply(
      (certificate) =>
        new aws.lb.Listener(name, {
          loadBalancerArn: balancer.arn,
          port: 443,
          protocol: "HTTPS",
          certificateArn: certificate,
          defaultActions: [
            { type: "fixed-response", fixedResponse: { contentType: "text/plain", statusCode: "404" } },
          ],
        }),
    );
  };
  const login = new aws.secretsmanager.Secret("scorer-database", { name: "scorer-database" });
  const role = new aws.iam.Role("lambda", {
    name: "lambda",
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" }),
  });
  const proxy = new aws.rds.Proxy("scorer", {
    name: "scorer",
    engineFamily: "POSTGRESQL",
    roleArn: role.arn,
    vpcSubnetIds: privateSubnetIds,
    auths: [{ authScheme: "SECRETS", iamAuth: "REQUIRED", secretArn: login.arn }],
  });
  return {
    privateSubnetIds,
    lambdaSecurityGroup,
    listeners: { public: listener("public", false), internal: listener("internal", true) },
    proxy,
    proxyResourceId: proxy.arn.apply((arn) => arn.split(":").at(-1) ?? ""),
    login,
    pages: new aws.sns.Topic("pages", { name: "pages" }),
    role,
    oncall: core.requireOutput("oncallRoleArn") as pulumi.Output<string>,
    environment: [
      { name: "FF_MULTI_NULLIFIER", value: "on" },
      { name: "RATELIMIT_ENABLE", value: "on" },
      { name: "REDIS_URL", value: core.requireOutput("redisUrl") as pulumi.Output<string> },
    ],
  };
}
