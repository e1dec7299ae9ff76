/**
 * A run of the example in a process of its own, as the engine starts one: it asks AWS for
 * the listeners' rules, and ends with an error if one of them is in the way.
 */

import * as pulumi from "@pulumi/pulumi";
import { Rollout } from "../src";
import { readStack } from "../src/config";
import { changed } from "./example";
import { build, PROJECT } from "./graph";

const config = changed((c) => {
  for (const route of c.routes) delete route.adopt;
});

function program() {
  const { name, args } = readStack(PROJECT);
  const { CONTROLLER_IMAGE } = process.env;
  // As an output of another resource.
  const later = process.env.SECRET
    ? pulumi.secret(CONTROLLER_IMAGE ?? "")
    : pulumi.output(CONTROLLER_IMAGE ?? "");
  const image = CONTROLLER_IMAGE === undefined ? args.controller.image : later;
  const { COMPARE_WITH } = process.env;
  const compare =
    COMPARE_WITH === undefined ? undefined : { functionArn: pulumi.output(COMPARE_WITH), share: 0.01 };
  return new Rollout(name, { ...args, compare, controller: { ...args.controller, image } });
}

build(program, config).then(
  (graph) => console.log(`${graph.nodes.length} resources`),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
