/** Roles that list what they may do, on what, and nothing else. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import type { Common } from "./settings";

/** One thing a role may do. Actions are whole names: a `*` in one does not compile. */
export interface Statement {
  readonly sid: string;
  readonly effect?: "Deny";
  readonly actions: readonly `${string}:${string}`[];
  readonly resources: readonly pulumi.Input<string>[];
  readonly conditions?: Record<string, Record<string, pulumi.Input<string> | readonly string[]>>;
}

/** A policy document. */
export function policy(statements: readonly Statement[]): pulumi.Output<string> {
  return pulumi.jsonStringify({
    Version: "2012-10-17",
    Statement: statements.map(({ sid, effect, actions, resources, conditions }) => ({
      Sid: sid,
      Effect: effect ?? "Allow",
      Action: actions,
      Resource: resources,
      ...(conditions && { Condition: conditions }),
    })),
  });
}

/** Who may take a role. */
export type Trust =
  | { readonly service: string; readonly sourceArn?: pulumi.Input<string> }
  | { readonly principals: readonly pulumi.Input<string>[]; readonly requireMfa: boolean };

function trustPolicy(trust: Trust, accountId: pulumi.Input<string>): pulumi.Output<string> {
  if ("service" in trust) {
    const source = trust.sourceArn && { "aws:SourceArn": trust.sourceArn };
    // Lambda itself does not say for which function it takes a role.
    const condition =
      trust.service === "lambda.amazonaws.com"
        ? {}
        : { Condition: { StringEquals: { "aws:SourceAccount": accountId, ...source } } };
    return pulumi.jsonStringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { Service: trust.service }, Action: "sts:AssumeRole", ...condition },
      ],
    });
  }
  const mfa = { Condition: { Bool: { "aws:MultiFactorAuthPresent": "true" } } };
  return pulumi.jsonStringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: trust.principals },
        Action: "sts:AssumeRole",
        ...(trust.requireMfa ? mfa : {}),
      },
    ],
  });
}

/** A role with one inline policy. */
export interface LeastRole {
  readonly role: aws.iam.Role;
  /** To wait for before the role is used. */
  readonly policy: aws.iam.RolePolicy;
}

/** Makes a role. Its inline policy is its only one, so this file's users are all there is to read. */
export function leastRole(
  name: string,
  common: Common,
  args: { readonly description: string; readonly trust: Trust; readonly statements: readonly Statement[] },
  opts: pulumi.CustomResourceOptions,
): LeastRole {
  const role = new aws.iam.Role(
    name,
    {
      name,
      description: args.description,
      assumeRolePolicy: trustPolicy(args.trust, common.accountId),
      permissionsBoundary: common.permissionsBoundaryArn,
      tags: common.tags,
    },
    opts,
  );
  const inline = new aws.iam.RolePolicy(
    name,
    { name, role: role.name, policy: policy(args.statements) },
    opts,
  );
  return { role, policy: inline };
}

/** To read one secret, and to decrypt it if it has a key of its own. */
export function readSecret(
  sid: string,
  region: pulumi.Input<string>,
  secretArn: pulumi.Input<string>,
  kmsKeyArn: pulumi.Input<string> | undefined,
): Statement[] {
  const read: Statement = { sid, actions: ["secretsmanager:GetSecretValue"], resources: [secretArn] };
  if (kmsKeyArn === undefined) return [read];
  return [read, useKey(`${sid}Key`, ["kms:Decrypt"], kmsKeyArn, "secretsmanager", region)];
}

/** To read what the controller keeps of its run outside the journal. One call asks for both. */
export function readParameters(common: Common): Statement {
  const names = new Names(common);
  return {
    sid: "ReadLastKnownRun",
    actions: ["ssm:GetParameters"],
    resources: [names.parameterArn("run"), names.parameterArn("order")],
  };
}

/**
 * To write one of the two. The first write makes it: they are no resources of this
 * stack, since a deployment that replaced them would take from protection what it
 * needs to know.
 */
export function writeParameter(sid: string, common: Common, which: "run" | "order"): Statement {
  const names = new Names(common);
  return { sid, actions: ["ssm:PutParameter"], resources: [names.parameterArn(which)] };
}

/** To use a key, through one service only. */
export function useKey(
  sid: string,
  actions: readonly `kms:${string}`[],
  kmsKeyArn: pulumi.Input<string>,
  service: string,
  region: pulumi.Input<string>,
): Statement {
  const viaService = pulumi.interpolate`${service}.${region}.amazonaws.com`;
  return {
    sid,
    actions,
    resources: [kmsKeyArn],
    conditions: { StringEquals: { "kms:ViaService": viaService } },
  };
}

/** To send to a queue of this stack that is encrypted with the stack's own key, if there is one. */
export function encrypts(sid: string, common: Common, service: "sqs"): Statement[] {
  if (common.kmsKeyArn === undefined) return [];
  return [useKey(sid, ["kms:Decrypt", "kms:GenerateDataKey"], common.kmsKeyArn, service, common.region)];
}
