import { stack } from "./src/stack";

export const {
  controllerToml,
  rolloutctlProfile,
  runbookShell,
  allToPython,
  region,
  commandFunction,
  viewFunction,
  tickFunction,
  dashboard,
  operatorRoleArn,
  emergencyRoleArn,
  listenerArns,
  testerGroupArns,
  weightedRuleArns,
} = stack();
