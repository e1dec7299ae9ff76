/** What a program imports from this package. Importing makes nothing. */

export { Rollout } from "./rollout";
export { stack } from "./stack";
export type { Outputs } from "./stack";
export { allToOld, profile, shell } from "./handover";
export type { Handover, RouteHandover } from "./handover";
export { ConfigError } from "./problems";
export type { Problem } from "./problems";
export type { AwsGroup, AwsRule, DescribesLoadBalancer } from "./existing";
export type {
  AlarmSettings,
  CodeSettings,
  CompareSettings,
  ControllerSettings,
  HeaderSettings,
  LedgerSettings,
  ListenerSettings,
  OperatorSettings,
  PagingSettings,
  RolloutArgs,
  RouteSettings,
  ScorerSettings,
  Slo,
} from "./settings";
