/** The query for a listener's tester requests, from the stack's outputs. */

import { loadBalancerDimension, targetGroupDimension } from "../src/arns";
import { ALB } from "../src/metrics";

/**
 * Makes a `--metric-data-queries` for `RequestCount` of the tester group.
 *
 * @param outputs what `pulumi stack output --json` printed
 * @param listener key in the configuration's `listeners`
 * @throws {Error} if the stack has no such listener
 */
export function testerQueries(outputs: string, listener: string): unknown {
  const { testerGroupArns = {}, listenerArns = {} } = JSON.parse(outputs) as {
    testerGroupArns?: Record<string, string>;
    listenerArns?: Record<string, string>;
  };
  const [group, balancer] = [testerGroupArns[listener], listenerArns[listener]];
  if (group === undefined || balancer === undefined) {
    throw new Error(`the stack has no listener ${listener}; it has: ${Object.keys(listenerArns).join(", ")}`);
  }
  const Dimensions = [
    { Name: "LoadBalancer", Value: loadBalancerDimension(balancer) },
    { Name: "TargetGroup", Value: targetGroupDimension(group) },
  ];
  const Metric = { Namespace: ALB, MetricName: "RequestCount", Dimensions };
  return [{ Id: "requests", MetricStat: { Metric, Period: 60, Stat: "Sum" } }];
}
