/**
 * What Pulumi and its AWS provider do with a changed listener rule, as far as
 * aws-facts G records it:
 *
 * - `ignoreChanges` puts the value of the *state* in place of the program's; a
 *   path that the state does not have is taken out of the program's.
 * - the provider then sends only the parts that changed: `Actions` and
 *   `Conditions` each as a whole, the priority by SetRulePriorities, tags apart.
 * - another listener is another rule.
 * - a refresh tells the groups of an action in any order: for the provider they are a set.
 */

import { isDeepStrictEqual } from "node:util";

/** One call to AWS. */
export interface Call {
  readonly operation: "CreateRule" | "DeleteRule" | "ModifyRule" | "SetRulePriorities" | "AddTags";
  readonly Actions?: any;
  readonly Conditions?: any;
}

/** Calls that an update makes, from the state's inputs to the program's. */
export function callsFor(state: any, program: any, ignoreChanges: readonly string[]): Call[] {
  const wanted = structuredClone(program);
  for (const path of ignoreChanges) keep(wanted, state, path.split(/\.|(?=\[)/));
  if (wanted.listenerArn !== state.listenerArn)
    return [{ operation: "CreateRule" }, { operation: "DeleteRule" }];
  const differs = (key: string) => !isDeepStrictEqual(comparable(wanted[key]), comparable(state[key]));
  const modified = {
    ...(differs("actions") && { Actions: wanted.actions }),
    ...(differs("conditions") && { Conditions: wanted.conditions }),
  };
  return [
    ...(Object.keys(modified).length > 0 ? [{ operation: "ModifyRule", ...modified } as const] : []),
    ...(differs("priority") ? [{ operation: "SetRulePriorities" } as const] : []),
    ...(differs("tags") ? [{ operation: "AddTags" } as const] : []),
  ];
}

/** Walks a path such as `actions[*].forward.targetGroups[*].weight`. */
function keep(wanted: any, state: any, [step, ...rest]: string[]): void {
  if (step === undefined || wanted === undefined || wanted === null) return;
  if (step === "[*]") {
    for (let index = 0; index < wanted.length; index++) keep(wanted[index], state?.[index], rest);
  } else if (rest.length > 0) {
    keep(wanted[step], state?.[step], rest);
  } else if (state?.[step] === undefined) delete wanted[step];
  else wanted[step] = state[step];
}

/** Groups are a set: their order means nothing. A weight that is not given is 1. */
function comparable(part: any): any {
  if (!Array.isArray(part)) return part;
  return part.map((action) => {
    if (!action.forward) return action;
    const groups = action.forward.targetGroups.map((group: any) => ({ weight: 1, ...group }));
    groups.sort((a: any, b: any) => String(a.arn).localeCompare(b.arn));
    return { ...action, forward: { ...action.forward, targetGroups: groups } };
  });
}
