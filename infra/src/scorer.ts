/** The Rust scorer as a Lambda function behind an alias. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { RolloutFunction } from "./function";
import { readSecret } from "./iam";
import type { Common, ScorerSettings } from "./settings";

/** Name of the alias that every target group calls. */
export const ALIAS = "live";

export class RustScorer extends pulumi.ComponentResource {
  /** What target groups register. */
  readonly alias: aws.lambda.Alias;
  readonly function: aws.lambda.Function;
  /** Warm environments; `undefined`: none. */
  readonly warm?: aws.lambda.ProvisionedConcurrencyConfig;

  constructor(common: Common, settings: ScorerSettings, opts?: pulumi.ComponentResourceOptions) {
    const name = new Names(common).function("scorer");
    super("rollout:infra:RustScorer", name, {}, opts);
    const parent = { parent: this };
    const { database } = settings;
    const made = new RolloutFunction(
      name,
      common,
      {
        description: "Scores, in Rust",
        code: settings,
        memoryMb: settings.memoryMb,
        timeoutSeconds: settings.timeoutSeconds,
        reservedConcurrency: settings.reservedConcurrency,
        publish: true,
        environment: this.environment(settings),
        statements: readSecret(
          "ReadDatabaseLogin",
          common.region,
          database.secretArn,
          database.secretKmsKeyArn,
        ),
      },
      parent,
    );
    this.function = made.function;
    // The load balancer calls the alias, so a deployment changes version at one instant,
    // and back by pointing it at the version before. No second split of traffic here.
    this.alias = new aws.lambda.Alias(
      name,
      { name: ALIAS, functionName: this.function.name, functionVersion: this.function.version },
      parent,
    );
    if (settings.provisionedConcurrency !== undefined) {
      this.warm = new aws.lambda.ProvisionedConcurrencyConfig(
        name,
        {
          functionName: this.function.name,
          qualifier: this.alias.name,
          provisionedConcurrentExecutions: settings.provisionedConcurrency,
        },
        parent,
      );
    }
    this.registerOutputs();
  }

  private environment(settings: ScorerSettings): Record<string, pulumi.Input<string>> {
    const { database } = settings;
    const fromSecrets = Object.entries(settings.secretEnvironment).map(
      ([name, where]) => [name, secretValue(where, this)] as const,
    );
    return {
      ...settings.environment,
      ...Object.fromEntries(fromSecrets),
      TRUSTED_IAM_ISSUERS: pulumi.jsonStringify(settings.trustedIssuers),
      // Read by the function when it first needs it, and again after a rotation.
      DATABASE_SECRET_ARN: database.secretArn,
      // The secret names the database itself; requests go through the proxy.
      DATABASE_HOST: database.host,
      DATABASE_PORT: pulumi.interpolate`${database.port}`,
      DATABASE_NAME: database.name,
      DATABASE_SSLMODE: "verify-full",
      ...(database.sslRootCert !== undefined && { DATABASE_SSLROOTCERT: database.sslRootCert }),
    };
  }
}

/** Read at deployment, as the existing stack does, and a secret from there on. */
function secretValue(
  { secretArn, key }: ScorerSettings["secretEnvironment"][string],
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const version = aws.secretsmanager.getSecretVersionOutput({ secretId: secretArn }, { parent });
  const value = version.secretString.apply((text) => {
    const found = (JSON.parse(text) as Record<string, unknown>)[key];
    if (typeof found !== "string")
      throw new Error(`the secret of a variable has no text under the key ${key}`);
    return found;
  });
  return pulumi.secret(value);
}
