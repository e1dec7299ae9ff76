/** The pipeline's files: order, rights, pins, and nothing that does not exist. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parse } from "yaml";

const ROOT = join(__dirname, "..", "..");
const FOLDER = join(ROOT, ".github", "workflows");
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), "utf8");

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".yml"));
const texts = new Map(files.map((name) => [name, readFileSync(join(FOLDER, name), "utf8")] as const));
const workflows = new Map([...texts].map(([name, text]) => [name, parse(text)] as const));
const deploy = workflows.get("deploy.yml");

const steps = (job: any): any[] => job.steps;
/** Where in a job something is done for the first time. */
const at = (job: any, what: RegExp) =>
  steps(job).findIndex((step) => what.test(step.run ?? "") || what.test(step.uses ?? ""));
const allSteps = [...workflows.values()].flatMap((workflow) =>
  Object.values<any>(workflow.jobs).flatMap(steps),
);

/** Jobs that leave something on GitHub, and nothing else may. */
const PUBLISHES: Record<string, Record<string, string>> = {
  "release.yml images": {
    contents: "read",
    packages: "write",
    "id-token": "write",
    attestations: "write",
  },
  "release.yml publish": { contents: "write", "id-token": "write", attestations: "write" },
};

test("there are four workflows", () =>
  assert.deepEqual(files.sort(), ["arm64.yml", "ci.yml", "deploy.yml", "release.yml"]));

test("CI has what only root can install before the tests run, and leaves none out", () => {
  const { rust } = workflows.get("ci.yml").jobs;
  const install = at(rust, /sudo .*apt-get install/);
  assert.ok(install >= 0);
  for (const name of ["postgresql", "pgbouncer", "redis-server"]) {
    assert.match(steps(rust)[install].run, new RegExp(`[ ]${name}\\b`), name);
  }
  const left = at(rust, /grep WITHOUT \.dev\/env/);
  const run = at(rust, /^\.ci\/run$/);
  assert.ok(install < left && left < run, `${install} ${left} ${run}`);
  // What scripts/dev-env says when it has to leave something out.
  assert.match(read("scripts", "dev-env"), /echo 'export LOCAL_CLOUD_WITHOUT_PGBOUNCER=1'/);
});

describe("every workflow", () => {
  for (const [name, text] of texts) {
    test(`${name}: actions are pinned by commit, with their version beside it`, () => {
      for (const [line] of text.matchAll(/uses:.*/g)) {
        assert.match(line, /^uses: [\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d/, line);
      }
    });

    test(`${name}: may read the sources; only jobs that reach AWS or publish get a token`, () => {
      const { permissions, jobs } = workflows.get(name);
      assert.deepEqual(permissions, { contents: "read" });
      for (const [id, job] of Object.entries<any>(jobs)) {
        const toAws = at(job, /configure-aws-credentials/) >= 0;
        const expected = toAws ? { contents: "read", "id-token": "write" } : PUBLISHES[`${name} ${id}`];
        assert.deepEqual(job.permissions, expected, id);
        assert.ok(job["timeout-minutes"] > 0, `${id} ends by itself`);
      }
    });

    test(`${name}: nothing from outside is pasted into a script`, () => {
      const { jobs, defaults } = workflows.get(name);
      assert.equal(defaults.run.shell, "bash");
      for (const step of Object.values<any>(jobs).flatMap(steps))
        assert.doesNotMatch(step.run ?? "", /\$\{\{/);
    });
  }

  test("what they call exists", () => {
    const makefile = read("Makefile");
    const { scripts } = JSON.parse(read("infra", "package.json"));
    const commands = allSteps.map((step) => step.run ?? "").join("\n");
    for (const [, target] of commands.matchAll(/(?<!')\bmake ([\w-]+)/g)) {
      assert.match(makefile, new RegExp(`^${target}:`, "m"), `make ${target}`);
    }
    for (const [, script] of commands.matchAll(/npm run -s ([\w-]+)/g))
      assert.ok(scripts[script as string], script);
  });

  test("no long-lived key of AWS is anywhere", () => {
    for (const text of texts.values())
      assert.doesNotMatch(text, /aws-(access-key-id|secret-access-key)|AWS_SECRET/i);
  });
});

describe("a deployment", () => {
  const { jobs } = deploy;

  test("goes step by step", () => {
    const needs = Object.fromEntries(Object.entries<any>(jobs).map(([id, job]) => [id, job.needs ?? []]));
    assert.deepEqual(needs, {
      images: [],
      tools: [],
      migrate: ["images", "tools"],
      plan: ["migrate"],
      deploy: ["plan"],
      prove: ["deploy"],
      start: ["prove"],
    });
  });

  test("both images: built, listed, scanned, and only then pushed, by digest", () => {
    const { images } = jobs;
    assert.deepEqual(
      images.strategy.matrix.include.map(({ target }: any) => target),
      ["scorer-fn", "rollout-controller"],
    );
    const order = [/docker buildx build/, /anchore\/sbom-action/, /anchore\/scan-action/, /docker push/].map(
      (what) => at(images, what),
    );
    assert.ok((order[0] as number) >= 0);
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
    const scan = steps(images).find((step) => /scan-action/.test(step.uses ?? ""));
    assert.deepEqual([scan.with["fail-build"], scan.with["severity-cutoff"]], [true, "high"]);
    const push = steps(images)[order[3] as number].run;
    assert.match(push, /RepoDigests/);
    for (const job of [jobs.plan, jobs.deploy]) {
      const take = steps(job)[at(job, /pulumi config set/)].run;
      assert.match(take, /scorer\.image "\$\(cat \.\.\/scorer-fn\.image\)"/);
      assert.match(take, /controller\.image "\$\(cat \.\.\/rollout-controller\.image\)"/);
    }
  });

  describe("images without what the stack asks of them", () => {
    const index = at(jobs.images, /COLLECTOR_IMAGE/);
    const BASES = "BUILDER_IMAGE=b@sha256:1\nRUNTIME_IMAGE=r@sha256:2\n";
    const EXAMPLE = read("infra", "Pulumi.example.yaml");

    /** Runs the step where there is nothing but these two files. */
    const refused = (settings: string, bases: string): string => {
      const folder = mkdtempSync(join(tmpdir(), "images-"));
      try {
        mkdirSync(join(folder, "infra"));
        mkdirSync(join(folder, "docker"));
        writeFileSync(join(folder, "infra", "Pulumi.prod.yaml"), settings);
        writeFileSync(join(folder, "docker", "bases.env"), bases);
        const env = { PATH: process.env.PATH, STACK: "prod" };
        const script = steps(jobs.images)[index].run;
        const { status, stdout } = spawnSync("bash", ["-eo", "pipefail", "-c", script], { cwd: folder, env });
        assert.equal(status !== 0, stdout.length > 0);
        return String(stdout);
      } finally {
        rmSync(folder, { recursive: true });
      }
    };

    test("are refused before they are built", () => {
      assert.ok(index >= 0 && index < at(jobs.images, /docker buildx build/));
    });

    test("traces, and nobody who collects them", () => {
      assert.match(refused(EXAMPLE, BASES), /says 'tracing: xray', .* names no COLLECTOR_IMAGE/);
      for (const spelling of ['"xray"', "'xray'", "xray # here"]) {
        const text = EXAMPLE.replace(/tracing: xray/, `tracing: ${spelling}`);
        assert.match(refused(text, BASES), /COLLECTOR_IMAGE/, spelling);
      }
      assert.match(refused(EXAMPLE, `${BASES}COLLECTOR_IMAGE=\n`), /COLLECTOR_IMAGE/);
      assert.equal(refused(EXAMPLE, `${BASES}COLLECTOR_IMAGE=c@sha256:3\n`), "");
      assert.equal(refused(EXAMPLE.replace("tracing: xray", 'tracing: "off"'), BASES), "");
    });

    test("certificates of the database that are not there", () => {
      const text = EXAMPLE.replace("tracing: xray", "tracing: off").replace("# sslRootCert:", "sslRootCert:");
      assert.match(refused(text, BASES), /names \/opt\/certs\/rds\.pem, .* no RDS_CA_IMAGE/);
      assert.equal(refused(text, `${BASES}RDS_CA_IMAGE=c@sha256:3\n`), "");
    });

    test("bases or settings that are missing", () => {
      assert.match(refused(EXAMPLE, ""), /docker\/bases\.env is missing/);
      assert.match(refused("", BASES), /infra\/Pulumi\.prod\.yaml is missing/);
    });
  });

  test("tables are made from inside the VPC", () => {
    assert.equal(jobs.migrate["runs-on"], "${{ vars.VPC_RUNNER }}");
    assert.ok(at(jobs.migrate, /rolloutctl migrate/) >= 0);
  });

  test("a refreshed plan is judged before anything is deployed, and again right before", () => {
    for (const job of [jobs.plan, jobs.deploy]) {
      const { run } = steps(job)[at(job, /preview-check/)];
      assert.match(run, /pulumi preview --json --refresh >preview\.json/);
      assert.ok(run.indexOf("pulumi preview") < run.indexOf("preview-check"));
    }
    assert.equal(at(jobs.plan, /pulumi up/), -1);
    assert.ok(at(jobs.deploy, /preview-check/) < at(jobs.deploy, /pulumi up/));
    assert.match(steps(jobs.deploy)[at(jobs.deploy, /pulumi up/)].run, /pulumi up --refresh --yes/);
  });

  test("Rust answers through the header rule, then the controller looks at everything", () => {
    const order = [/npm run -s smoke/, /tester-queries/, /rolloutctl check/].map((what) =>
      at(jobs.prove, what),
    );
    assert.ok((order[0] as number) >= 0);
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  });

  test("traffic moves only if asked for, after an approval of its own", () => {
    assert.equal(jobs.start.if, "${{ inputs.start }}");
    assert.equal(deploy.on.workflow_dispatch.inputs.start.default, false);
    assert.equal(jobs.start.environment, "${{ inputs.stack }}-start");
    assert.equal(jobs.deploy.environment, "${{ inputs.stack }}-deploy");
    const starting = Object.entries(jobs).filter(([, job]) => at(job, /rolloutctl start/) >= 0);
    assert.deepEqual(
      starting.map(([id]) => id),
      ["start"],
    );
  });

  test("one deployment of a stack at a time, and none is cut off", () => {
    assert.deepEqual(deploy.concurrency, {
      group: "deploy-${{ inputs.stack }}",
      "cancel-in-progress": false,
    });
  });

  /** Rows of the table of variables and secrets in docs/deploy.md: name, where, kind. */
  const explained = new Map(
    [...read("docs", "deploy.md").matchAll(/^ *\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|/gm)].map(
      ([, name = "", where = "", what = ""]) => [name, { where: where.trim(), what: what.trim() }] as const,
    ),
  );

  test("every variable and secret is explained", () => {
    const names = new Set(
      [...(texts.get("deploy.yml") ?? "").matchAll(/(?:vars|secrets)\.(\w+)/g)].map(([, name]) => name ?? ""),
    );
    assert.ok(names.size >= 8);
    assert.deepEqual([...names].sort(), [...explained.keys()].sort());
  });

  test("and stands where GitHub reads it", () => {
    const used = (part: unknown) =>
      [...JSON.stringify(part ?? "").matchAll(/(?:vars|secrets)\.(\w+)/g)].map(([, name]) => name ?? "");
    // Without an environment, and before a runner has taken the job, only the repository's are known.
    const early = [deploy.env, deploy.concurrency, ...Object.values<any>(jobs).map((job) => job["runs-on"])];
    const bare = Object.values<any>(jobs).filter((job) => job.environment === undefined);
    for (const name of used([...early, ...bare])) {
      assert.match(explained.get(name)?.where ?? "", /^repository$/, name);
    }
    const stackOnly = Object.entries<any>(jobs).filter(
      ([, job]) => job.environment === "${{ inputs.stack }}",
    );
    for (const [name, { where }] of explained) {
      if (where !== "environment `<stack>`") continue;
      const users = Object.entries<any>(jobs).filter(([, job]) => used(job).includes(name));
      for (const user of users)
        assert.ok(
          stackOnly.some(([id]) => id === user[0]),
          `${name} in ${user[0]}`,
        );
    }
  });
});

describe("a release", () => {
  const { jobs: release, on } = workflows.get("release.yml");

  test("is made of a tag, from everything that people download", () => {
    assert.deepEqual(on, { push: { tags: ["v*"] } });
    assert.deepEqual(release.publish.needs.sort(), ["images", "package", "rolloutctl", "zips"]);
    const platforms = release.rolloutctl.strategy.matrix.include.map(({ platform }: any) => platform);
    assert.deepEqual(platforms, ["linux-x86_64", "linux-arm64", "macos-arm64", "macos-x86_64"]);
    for (const { platform, container } of release.rolloutctl.strategy.matrix.include) {
      assert.equal(container !== undefined, platform.startsWith("linux-"), `${platform}: an old glibc`);
    }
    assert.deepEqual(release.images.strategy.matrix.target, ["scorer-fn", "rollout-controller"]);
  });

  test("has checksums and provenance of every file and image", () => {
    const order = [/download-artifact/, /sha256sum/, /attest-build-provenance/, /gh release create/].map(
      (what) => at(release.publish, what),
    );
    assert.deepEqual(order, [0, 1, 2, 3]);
    assert.equal(steps(release.publish)[2].with["subject-path"], "files/*");
    assert.ok(at(release.images, /--push/) < at(release.images, /attest-build-provenance/));
    // Everything that is uploaded gets into `files`.
    const uploads = Object.values<any>(release)
      .flatMap(steps)
      .filter((step) => /upload-artifact/.test(step.uses ?? ""));
    assert.ok(uploads.length >= 4);
    for (const { with: to } of uploads) assert.match(to.name, /^release-/);
  });
});

describe("infra/scripts/lambda-zip", () => {
  const folder = mkdtempSync(join(tmpdir(), "lambda-zip-"));
  const script = join(ROOT, "infra", "scripts", "lambda-zip");
  const [program, roots] = [join(folder, "program"), join(folder, "roots.pem")];
  const elf = (machine: number) =>
    Buffer.concat([
      Buffer.from("7f454c4602010100", "hex"),
      Buffer.alloc(8),
      Buffer.from([3, 0, machine, 0]),
      Buffer.alloc(100),
    ]);
  const zip = (name: string) => spawnSync(script, [program, join(folder, name), roots], { encoding: "utf8" });
  after(() => rmSync(folder, { recursive: true }));

  test("packs program, collector's configuration and roots, each time alike", () => {
    writeFileSync(program, elf(0xb7));
    writeFileSync(roots, "-----BEGIN CERTIFICATE-----\n");
    for (const name of ["a.zip", "b.zip"]) assert.equal(zip(name).status, 0, zip(name).stderr);
    assert.deepEqual(readFileSync(join(folder, "a.zip")), readFileSync(join(folder, "b.zip")));
    const list =
      "import sys, zipfile\nfor i in zipfile.ZipFile(sys.argv[1]).infolist(): print(i.filename, oct(i.external_attr >> 16))";
    const { stdout } = spawnSync("python3", ["-c", list, join(folder, "a.zip")], { encoding: "utf8" });
    assert.equal(stdout, "bootstrap 0o100755\ncollector.yaml 0o100444\nca-certificates.crt 0o100444\n");
  });

  test("refuses a program for another machine, and roots that are none", () => {
    writeFileSync(program, elf(0x3e));
    assert.match(zip("c.zip").stderr, /no program for ARM64/);
    writeFileSync(program, elf(0xb7));
    writeFileSync(roots, "");
    assert.match(zip("c.zip").stderr, /has no certificate/);
  });
});
