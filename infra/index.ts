import { stack } from "./src/stack";

export const {
  controllerToml,
  commandFunction,
  viewFunction,
  dashboard,
  operatorRoleArn,
  emergencyRoleArn,
  listenerArns,
  testerGroupArns,
  weightedRuleArns,
} = stack();
