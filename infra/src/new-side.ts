/** The function that the new side is: made here, or yours. */

import * as pulumi from "@pulumi/pulumi";
import type { RustScorer } from "./scorer";
import type { Settings } from "./settings";

/** What a target group registers. */
export interface NewSide {
  /** With its alias, if it has one. */
  readonly targetArn: pulumi.Input<string>;
  readonly functionName: pulumi.Input<string>;
  readonly alias?: pulumi.Input<string>;
  /** Without version or alias. */
  readonly functionArn: pulumi.Input<string>;
}

export function newSide(
  { newFunction }: Pick<Settings, "newFunction">,
  scorer: RustScorer | undefined,
): NewSide | undefined {
  if (scorer !== undefined) {
    const { function: made, alias } = scorer;
    return { targetArn: alias.arn, functionName: made.name, alias: alias.name, functionArn: made.arn };
  }
  if (newFunction === undefined) return undefined;
  const { functionArn, alias } = newFunction;
  const targetArn = alias === undefined ? functionArn : pulumi.interpolate`${functionArn}:${alias}`;
  // Lambda takes a whole ARN where it asks for a function's name.
  return { targetArn, functionName: functionArn, alias, functionArn };
}
