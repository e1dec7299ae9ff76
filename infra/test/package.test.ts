/** The package as a program installs it: packed, unpacked beside a program, imported, type-checked. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

const INFRA = join(__dirname, "..");
const MODULES = join(INFRA, "node_modules");

let program: string;
let listed: string[];

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

before(() => {
  program = mkdtempSync(join(tmpdir(), "rollout-package-"));
  const installed = join(program, "node_modules", "rollout-infra");
  mkdirSync(installed, { recursive: true });
  // `prepack` builds.
  const [packed] = JSON.parse(
    run("npm", ["pack", "--json", "--silent", "--pack-destination", program], INFRA),
  );
  listed = packed.files.map(({ path }: { path: string }) => path);
  run("tar", ["xzf", join(program, packed.filename), "-C", installed, "--strip-components", "1"], program);
  // Peers are the program's own; the package's dependencies lie beside it.
  for (const name of ["@pulumi", "@aws-sdk", "@smithy", "@types", "zod", "smol-toml"]) {
    symlinkSync(join(MODULES, name), join(program, "node_modules", name));
  }
});
after(() => rmSync(program, { recursive: true, force: true }));

describe("the packed package", () => {
  test("holds the built library, and neither tests nor examples", () => {
    for (const needed of ["dist/index.js", "dist/index.d.ts", "package.json", "README.md"]) {
      assert.ok(listed.includes(needed), needed);
    }
    assert.deepEqual(
      listed.filter((path) => /^(test|examples|src|node_modules)\//.test(path) || path.endsWith(".tgz")),
      [],
    );
  });

  test("asks its program for the Pulumi SDKs, and brings none", () => {
    const { peerDependencies, dependencies, main, types, exports } = JSON.parse(
      readFileSync(join(INFRA, "package.json"), "utf8"),
    );
    assert.deepEqual(Object.keys(peerDependencies), ["@pulumi/aws", "@pulumi/pulumi"]);
    assert.deepEqual(
      Object.keys(dependencies).filter((name) => name.startsWith("@pulumi/")),
      [],
    );
    assert.deepEqual([`./${main}`, `./${types}`], [exports["."].default, exports["."].types]);
  });

  test("does nothing when it is imported, and does not load the AWS SDK", () => {
    const script = `
      const { Rollout, ConfigError } = require("rollout-infra");
      const loaded = Object.keys(require.cache).filter((file) => /@aws-sdk/.test(file));
      console.log(typeof Rollout, typeof ConfigError, loaded.length);
    `;
    // No Pulumi engine is there, so making a resource would fail.
    assert.equal(run(process.execPath, ["-e", script], program), "function function 0\n");
  });

  test("has types that a program can use, and that find a mistake", () => {
    const compiler = join(MODULES, "typescript", "bin", "tsc");
    const options = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--skipLibCheck",
      "--types",
      "node",
    ];
    const source = `
      import * as aws from "@pulumi/aws";
      import { Rollout, type RolloutArgs } from "rollout-infra";
      const topic = new aws.sns.Topic("pages");
      const controller: RolloutArgs["controller"] = { image: topic.name, mode: "shadow" };
      const paging: RolloutArgs["paging"] = { topicArn: topic.arn };
      export const make = (args: RolloutArgs) => new Rollout("score", { ...args, controller, paging }).controllerToml;
      // @ts-expect-error
      export const wrong: RolloutArgs["controller"] = { image: topic.name, mode: "shadowy" };
      // @ts-expect-error
      export const unknown: RolloutArgs["paging"] = { topicArm: topic.arn };
    `;
    writeFileSync(join(program, "program.ts"), source);
    run(process.execPath, [compiler, ...options, "program.ts"], program);
  });
});
