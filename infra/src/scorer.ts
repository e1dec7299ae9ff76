/** The Rust scorer as a Lambda function behind an alias. */

import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { functionName, Names } from "./arns";
import { ITSELF } from "./checks";
import { RolloutFunction } from "./function";
import { readSecret } from "./iam";
import type { Statement } from "./iam";
import type { CompareSettings, ScorerSettings, Settings } from "./settings";
import { compareRules } from "./toml";

/** Name of the alias that every target group calls. */
export const ALIAS = "live";

export class RustScorer extends pulumi.ComponentResource {
  /** What target groups register. */
  readonly alias: aws.lambda.Alias;
  readonly function: aws.lambda.Function;
  /** Warm environments; `undefined`: none. */
  readonly warm?: aws.lambda.ProvisionedConcurrencyConfig;

  constructor(common: Settings, settings: ScorerSettings, opts?: pulumi.ComponentResourceOptions) {
    const name = new Names(common).function("scorer");
    super("rollout:infra:RustScorer", name, {}, opts);
    const parent = { parent: this };
    const { database } = settings;
    const compared = common.compare && { ...common.compare, functionArn: another(common.compare, name) };
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
        environment: { ...this.environment(settings), ...(compared && asks(compared)) },
        statements: [
          ...readSecret("ReadDatabaseLogin", common.region, database.secretArn, database.secretKmsKeyArn),
          ...(compared === undefined ? [] : mayAsk(compared)),
        ],
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

/** The function that is asked, once more checked when its name is known. */
function another({ functionArn }: CompareSettings, own: string): pulumi.Output<string> {
  return pulumi.output(functionArn).apply((arn) => {
    if (functionName(arn) !== own) return arn;
    throw new pulumi.RunError(`compare.functionArn: is ${arn}, the scorer itself, which ${ITSELF}`);
  });
}

/** Variables of live comparison (scorer-fn/src/live.rs). */
function asks({
  functionArn,
  share,
  perMinute,
  budgetMs,
  rules,
}: CompareSettings): Record<string, pulumi.Input<string>> {
  return {
    COMPARE_FUNCTION_ARN: functionArn,
    COMPARE_SHARE: String(share),
    COMPARE_PER_MINUTE: String(perMinute),
    COMPARE_BUDGET_MS: String(budgetMs),
    ...(rules !== undefined && { COMPARE_RULES: JSON.stringify(compareRules(rules)) }),
  };
}

/** IAM compares the version or alias too: this allows what is called, and no other version. */
function mayAsk({ functionArn }: CompareSettings): Statement[] {
  return [{ sid: "AskPythonAgain", actions: ["lambda:InvokeFunction"], resources: [functionArn] }];
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
