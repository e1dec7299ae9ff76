/** Asks AWS what is on a load balancer, with the credentials of the process, as the AWS CLI has them. */

import type { AwsGroup, AwsRule, DescribesLoadBalancer } from "./existing";

/** `DescribeTargetGroups` takes so many ARNs. */
const PAGE = 20;

export function asksAws(region: string): DescribesLoadBalancer {
  // Loaded when it is needed: a program that brings its own reader has no use for it.
  const sdk = import("@aws-sdk/client-elastic-load-balancing-v2");
  const connected = sdk.then(
    ({ ElasticLoadBalancingV2Client }) => new ElasticLoadBalancingV2Client({ region, maxAttempts: 5 }),
  );
  return {
    async rules(listenerArn) {
      const [{ paginateDescribeRules }, client] = await Promise.all([sdk, connected]);
      const rules: AwsRule[] = [];
      const pages = paginateDescribeRules({ client, pageSize: 400 }, { ListenerArn: listenerArn });
      for await (const page of pages) rules.push(...(page.Rules ?? []));
      return rules;
    },
    async groups(arns) {
      const [{ DescribeTargetGroupsCommand }, client] = await Promise.all([sdk, connected]);
      const groups: AwsGroup[] = [];
      for (let from = 0; from < arns.length; from += PAGE) {
        const TargetGroupArns = arns.slice(from, from + PAGE);
        const answer = await client.send(new DescribeTargetGroupsCommand({ TargetGroupArns }));
        groups.push(...(answer.TargetGroups ?? []));
      }
      return groups;
    },
  };
}
