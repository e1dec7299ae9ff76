/** The team's program. What is about `step` and `rollout` came with the rollout. */

import * as pulumi from "@pulumi/pulumi";
import { allToOld } from "rollout-infra";
import { rustScorer } from "./rust-scorer";
import { scoring, type Step } from "./scoring";
import { shared } from "./shared";

const config = new pulumi.Config("scorer");
const on = shared();
const functions = scoring(on, config.requireNumber("rustPercent"), config.require<Step>("step"));

const rollout = rustScorer(on, functions);
export const controllerToml = rollout.controllerToml;
export const allToPython = rollout.handover.apply(allToOld);
