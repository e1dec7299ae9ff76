/**
 * What a rollout needs to know: one schema for `Pulumi.<stack>.yaml` and for the
 * arguments of `Rollout`. Every value that names a resource may be an output.
 *
 * Numbers, words and conditions of rules are plain values: they decide what is made,
 * so they must be known before anything is.
 */

import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { DescribesLoadBalancer } from "./existing";
import { either, input, required } from "./inputs";
import { must } from "./problems";
import * as shapes from "./shapes";
import type { Shape } from "./shapes";

/** Header that testers send, unless the configuration names another. */
export const HEADER = "X-Use-Rust-Scorer";
/** Priority of the header rule, unless the configuration names another. */
export const HEADER_PRIORITY = 99;
/** What the sides are called, unless the configuration names them. */
export const DEFAULT_LABELS = { old: "Python", new: "Rust" };
/** What CloudWatch Logs takes. */
const RETENTION_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192];

const filled = { pattern: /^[^]+$/, like: "a text that is not empty" };

function text({ pattern, like }: Shape = filled) {
  const error = must(like);
  return z.string({ error }).regex(pattern, { error });
}

/** A text, or an output of one. */
const name = (shape?: Shape) => input(text(shape));

function number(min: number, max: number) {
  const error = must(`a number from ${min} to ${max}`);
  return z.number({ error }).min(min, { error }).max(max, { error });
}

function int(min: number, max: number) {
  const error = must(`a whole number from ${min} to ${max}`);
  return z.int({ error }).min(min, { error }).max(max, { error });
}

function choice<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: must(`one of ${words.join(", ")}`) });
}

const flag = () => z.boolean({ error: must("true or false") });

function list<S extends z.ZodType>(
  item: S,
  { min = 0, max = Infinity }: { min?: number; max?: number } = {},
) {
  const size = max === Infinity ? `at least ${min}` : `${min} to ${max}`;
  const error = (issue: { readonly input?: unknown }) => {
    const found = Array.isArray(issue.input) ? `has ${issue.input.length} entries; give ${size}` : "";
    return found === "" ? must("a list")(issue) : found;
  };
  const checked = z.array(item, { error }).min(min, { error });
  const bounded = max === Infinity ? checked : checked.max(max, { error });
  return bounded.refine(
    (items) => {
      const texts = items.filter((one) => typeof one === "string");
      return new Set(texts).size === texts.length;
    },
    { error: "names something twice" },
  );
}

const texts = (shape?: Shape, size?: { min?: number; max?: number }) => list(text(shape), size);
const names = (shape?: Shape, size?: { min?: number; max?: number }) => input(list(name(shape), size));

function table<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `is not a known key; known here: ${Object.keys(shape).sort().join(", ")}`
        : must("a table")(issue),
  });
}

function record<S extends z.ZodType>(value: S) {
  return z.record(z.string(), value, { error: must("a table") });
}

const isTable = (value: unknown) =>
  typeof value === "object" &&
  value !== null &&
  !pulumi.Output.isInstance(value) &&
  !(value instanceof Promise);

/** An archive, or the path of a zip file. */
const archive = z
  .custom<pulumi.asset.Archive | string>(
    (value) => pulumi.asset.Archive.isInstance(value) || (typeof value === "string" && value !== ""),
    { error: must("an archive, or the path of a zip file") },
  )
  .transform((value) => (typeof value === "string" ? new pulumi.asset.FileArchive(value) : value));

/** Where a function's code comes from: exactly one of image and zip. */
const code = (here: shapes.Here) => ({
  /** `REPOSITORY@sha256:…` of an ARM64 image. */
  image: name(here.image).optional(),
  /**
   * The same program as a zip: `bootstrap`, `collector.yaml` and `ca-certificates.crt`,
   * as `infra/scripts/lambda-zip` packs them.
   */
  zip: input(archive).optional(),
  /** Layers beside a zip, such as ADOT's collector for ARM64. Images take none. */
  layers: names(here.layer, { max: 5 }).optional(),
});

interface Code {
  readonly image?: unknown;
  readonly zip?: unknown;
  readonly layers?: unknown;
}

function oneCode({ image, zip, layers }: Code, ctx: z.RefinementCtx): void {
  const problem = (key: string, message: string) => {
    ctx.addIssue({ code: "custom", path: [key], message });
  };
  if (image === undefined && zip === undefined)
    problem("image", "is missing, and so is zip; give one of them");
  if (image !== undefined && zip !== undefined) problem("zip", "stands beside image; keep one of them");
  if (image !== undefined && layers !== undefined) {
    problem(
      "layers",
      "are for a zip; Lambda takes none with an image (build the image with COLLECTOR_IMAGE)",
    );
  }
}

const port = () => input(int(1, 65_535)).default(5432);
/** Paths in a zip lie in /var/task, those of layers and of our images in /opt. */
const sslRootCert = () => text(shapes.path).optional();

/** The variable by which stand-ins on a laptop run an hour in a minute (rollout-controller/src/adapters/clock.rs). */
export const FAST_CLOCK = "ROLLOUT_CLOCK";
export const FAST_CLOCK_REFUSED =
  "is the clock of stand-ins with fast time; in AWS pauses, ages and windows would be wrong. Remove it";

/** Variables of the scorer that other keys set. */
const OWN_VARIABLES =
  /^(DATABASE_(SECRET_ARN|URL|HOST|PORT|NAME|SSLMODE|SSLROOTCERT)|TRUSTED_IAM_ISSUERS|COMPARE_.*|AWS_.*)$/;

/** The Rust scorer as a function of this rollout. */
const scorer = (here: shapes.Here) =>
  table({
    ...code(here),
    memoryMb: int(128, 10_240),
    /** Below the load balancer's idle timeout of 60 s. */
    timeoutSeconds: int(1, 59).default(30),
    /** Environments that this function may use at most, and that nobody else can take. */
    reservedConcurrency: int(1, 10_000).optional(),
    /** Environments kept warm on the alias: the scorer connects to its database in their init. */
    provisionedConcurrency: int(1, 10_000).optional(),
    database: table({
      /** Secret with `username` and `password`. */
      secretArn: name(here.secret),
      /** Key of that secret, if it is not the account's own. */
      secretKmsKeyArn: name(here.kmsKey).optional(),
      /** Endpoint of RDS Proxy. */
      host: name(shapes.host),
      port: port(),
      name: name(shapes.databaseName),
      /** Path of a PEM bundle, for RDS without its proxy: `/opt/certs/rds.pem` in an image. */
      sslRootCert: sslRootCert(),
    }),
    /** `TRUSTED_IAM_ISSUERS`: issuers whose stamps count. */
    trustedIssuers: names(shapes.issuer, { min: 1 }),
    /** Further variables, as on the Python side. */
    environment: record(input(z.string({ error: must("a text; put it in quotes") }))).default({}),
    /** Further variables whose values are read from JSON secrets in Secrets Manager at deployment. */
    secretEnvironment: record(table({ secretArn: name(here.secret), key: text() })).default({}),
  })
    .superRefine(oneCode)
    .superRefine((settings, ctx) => {
      const problem = (path: string[], message: string) => {
        ctx.addIssue({ code: "custom", path, message });
      };
      const { reservedConcurrency: reserved, provisionedConcurrency: warm } = settings;
      if (reserved !== undefined && warm !== undefined && warm > reserved) {
        const why = "provisioned environments count as reserved ones";
        problem(["provisionedConcurrency"], `is ${warm}, more than reservedConcurrency ${reserved}; ${why}`);
      }
      const { environment, secretEnvironment } = settings;
      for (const variable of new Set([...Object.keys(environment), ...Object.keys(secretEnvironment)])) {
        const path = [variable in environment ? "environment" : "secretEnvironment", variable];
        if (OWN_VARIABLES.test(variable)) {
          problem(path, "is set by another key of this configuration, or by Lambda");
        }
        if (variable.startsWith("LOCAL_CLOUD_"))
          problem(path, "breaks requests on purpose; never set it in AWS");
        if (variable === FAST_CLOCK) problem(path, FAST_CLOCK_REFUSED);
        if (variable in environment && variable in secretEnvironment) {
          problem(path, "stands in `environment` and in `secretEnvironment`; keep one");
        }
      }
    });

/**
 * Live comparison: the scorer asks Python again, when its own answer is out
 * (docs/compare.md). Left out, it is off.
 */
const compare = (here: shapes.Here) =>
  table({
    /** The Python function that is asked, with the version or alias that its group calls. */
    functionArn: name(here.callable),
    /** Share of requests that are repeated. 0 is the kill switch: nothing is, and all else stays. */
    share: number(0, 1),
    /** Most calls of one environment in a minute. */
    perMinute: int(1, 600).default(6),
    /** Longest that one call may take; the environment takes no other request meanwhile. */
    budgetMs: int(1, 30_000).default(3000),
    /** Differing answers among those compared, above which the controller rolls back and the alarm pages. */
    limitPercent: number(0.001, 10).default(0.1),
    /** Whether too few comparisons hold the share. */
    required: flag().default(false),
    /** What may differ, for the scorer and for `rolloutctl compare`; left out, what they know of the endpoint. */
    rules: table({
      ignore: texts(shapes.memberPath).optional(),
      now: texts(shapes.memberPath).optional(),
      keyed: texts(shapes.memberPath).optional(),
      ignoreHeaders: texts(shapes.headerPattern).optional(),
      tolerance: text(shapes.tolerance).optional(),
    }).optional(),
  });

/** Where the journal is. Every function logs in as the user that may do just what it must. */
function ledger(here: shapes.Here) {
  const address = {
    host: name(shapes.host),
    port: port(),
    database: name(shapes.databaseName).default("rollout"),
    sslRootCert: sslRootCert(),
  };
  const differ =
    (key: "reader" | "readerSecretArn", other: string) => (ledger: object, ctx: z.RefinementCtx) => {
      const [mine, its] = [
        (ledger as Record<string, unknown>)[key],
        (ledger as Record<string, unknown>)[other],
      ];
      if (typeof mine !== "string" || mine !== its) return;
      const found = key === "reader" ? `is ${mine}, as is` : "is";
      const message = `${found} \`${other}\`; \`view\` needs a user that may only read`;
      ctx.addIssue({ code: "custom", path: [key], message });
    };
  /** A token signed by the function's role. */
  const iam = table({
    ...address,
    login: z.literal("iam"),
    /** `prx-…`, of RDS Proxy. */
    proxyResourceId: name(shapes.proxyResourceId),
    /** Database user of `tick` and `command`. */
    user: name(shapes.databaseUser).default("rollout"),
    /** Database user of `view`, which may only read. */
    reader: name(shapes.databaseUser).default("rollout_reader"),
  }).superRefine(differ("reader", "user"));
  /** User and password from Secrets Manager. */
  const secret = table({
    ...address,
    login: choice(["secret"]),
    secretArn: name(here.secret),
    readerSecretArn: name(here.secret),
    secretKmsKeyArn: name(here.kmsKey).optional(),
  }).superRefine(differ("readerSecretArn", "secretArn"));
  const unclear = table({ login: choice(["iam", "secret"]) }).loose();
  const login = (value: unknown) => (isTable(value) ? (value as { login?: unknown }).login : undefined);
  return either(
    (value) => login(value) === "iam" || login(value) === "secret",
    either((value) => login(value) === "iam", iam, secret),
    unclear as unknown as typeof iam,
  );
}

/** Service level objectives: the controller tests them, the alarms watch them. */
const slo = () =>
  table({
    errorRatePercent: number(0.001, 50),
    p50Ms: int(1, 60_000),
    p95Ms: int(1, 60_000),
    p99Ms: int(1, 60_000),
  }).superRefine(({ p50Ms, p95Ms, p99Ms }, ctx) => {
    if (p50Ms <= p95Ms && p95Ms <= p99Ms) return;
    const message = `must lie between p50Ms ${p50Ms} and p99Ms ${p99Ms}`;
    ctx.addIssue({ code: "custom", path: ["p95Ms"], message });
  });

/** The controller. What is left out has the controller's own default. */
const controller = (here: shapes.Here) =>
  table({
    ...code(here),
    memoryMb: int(128, 10_240).default(256),
    /** A tick writes for at most 20 s and must end within its minute. */
    timeoutSeconds: int(15, 55).default(45),
    /** `shadow` decides and reports, and moves nothing. */
    mode: choice(["shadow", "active"]),
    /** Shares such as `5%`, rising, the last `100%`. */
    stages: texts(shapes.share, { min: 1 }).optional(),
    /** `auto`, or one of the stages. */
    start: text(shapes.startShare).optional(),
    bakeMinutes: int(1, 1440).optional(),
    lagMinutes: int(1, 15).optional(),
    historyMinutes: int(1, 1440).optional(),
    maxHoldMinutes: int(10, 43_200).optional(),
    blindAfterMinutes: int(2, 120).optional(),
    keepDays: int(1, 3650).optional(),
    /** Whether other new code in the middle of a rollout keeps its share, or begins again at the first stage. */
    onNewCode: choice(["stay", "first-stage"]).optional(),
    /** How limits are tested; a run ends with the engine that it began with. */
    engine: choice(["evidence-2", "evidence-1"]).optional(),
    /** Settings of that engine, by its own names; the controller's own check knows them. */
    evidence: record(z.union([z.string(), z.number()], { error: must("a number or a text") })).default({}),
    calendar: table({
      timeZone: text(),
      windows: texts(shapes.window).default([]),
      freeze: texts(shapes.freeze).default([]),
    }).optional(),
    /** Alarms of others, such as the database's, during which nothing advances. */
    holdOnAlarms: list(name()).default([]),
    /** EventBridge bus for state changes. */
    eventBus: name(shapes.eventBus).optional(),
    /** Address below which the runbooks can be read. */
    runbooksUrl: text(shapes.https).optional(),
  })
    .superRefine(oneCode)
    .superRefine(({ stages, start }, ctx) => {
      const problem = (path: string, message: string) => {
        ctx.addIssue({ code: "custom", path: [path], message });
      };
      const shares = (stages ?? []).map((share) => Number.parseFloat(share));
      if (shares.some((share, index) => index > 0 && !(share > (shares[index - 1] ?? 0)))) {
        problem("stages", `is ${JSON.stringify(stages)}; stages must rise`);
      }
      if (shares.length > 0 && shares.at(-1) !== 100) problem("stages", "must end with 100%");
      if (start !== undefined && start !== "auto" && stages?.includes(start) === false) {
        problem("start", `is ${start}, which is none of \`stages\``);
      }
    });

/** How testers reach the new side whatever the weights are. */
const header = (here: shapes.Here) =>
  table({
    /** Name of the header; the load balancer ignores its case. */
    name: text(shapes.headerName).default(HEADER),
    /** Its value, compared without case; `*` and `?` are wildcards. */
    value: text(shapes.headerValue).optional(),
    /** A secret whose text is the value. Without either the value is `true`. */
    valueSecretArn: name(here.secret).optional(),
    /** Addresses of the connecting peer, in CIDR form; none: from anywhere. */
    sourceIps: texts(shapes.cidr, { max: 3 }).default([]),
  }).superRefine(({ value, valueSecretArn }, ctx) => {
    if (value === undefined || valueSecretArn === undefined) return;
    ctx.addIssue({
      code: "custom",
      path: ["value"],
      message: "stands beside valueSecretArn; keep one of them",
    });
  });

/** Tags that an adopted resource has; an import must describe it as it is. */
const found = () => record(text(shapes.tag)).default({});

/** Where an adopted resource is: by its ARN in AWS, or by its place in this very program. */
const alias = z.custom<pulumi.URN | pulumi.Alias>(
  (value) => (typeof value === "string" && value.startsWith("urn:pulumi:")) || isTable(value),
  { error: must("a URN (`pulumi stack --show-urns`), or a pulumi.Alias such as { name, parent }") },
);

/** A rule that is there already. Its adoption takes three deployments, see docs/adopt.md. */
const adopt = <const Steps extends readonly [string, ...string[]]>(here: shapes.Here, steps: Steps) =>
  table({
    /**
     * Plain: an import has to know it. It says which rule it is in every step, so that
     * the check against the listener's rules knows its own. Not needed with `from`.
     */
    ruleArn: text(here.rule).optional(),
    /** Its place in this program until now: it is taken over by name, and nothing is imported. */
    from: alias.optional(),
    step: choice(steps),
    tags: found(),
  }).superRefine(({ ruleArn, from }, ctx) => {
    if (ruleArn !== undefined || from !== undefined) return;
    const message = "is missing, and so is from; say which rule it is";
    ctx.addIssue({ code: "custom", path: ["ruleArn"], message });
  });

/** The header rule of one listener. */
const headerRule = (here: shapes.Here) =>
  table({
    priority: int(1, 50_000).default(HEADER_PRIORITY),
    /**
     * Take over a rule that is there: `import` takes it with the action it has, `managed`
     * lets it lead to the testers' group.
     */
    adopt: adopt(here, ["import", "managed"]).optional(),
    /** Your own group for testers; without it one is made here. */
    testerGroupArn: name(here.targetGroup).optional(),
  });

/** A stack's configuration gives it as text. */
const noAudit = z.literal([false, "false"]).transform((): false => false);

const noHeaderRule = z.literal(false, { error: must("a table, or false for no header rule") });

/** A listener: its ARN, or a table with it and its header rule. */
const listener = (here: shapes.Here) => {
  const full = table({
    arn: name(here.listener),
    headerRule: either((value) => value === false, noHeaderRule, headerRule(here)).optional(),
  });
  const short = name(here.listener).transform((arn): z.output<typeof full> => ({
    arn,
    headerRule: undefined,
  }));
  return either(isTable, full, short);
};

/** One weighted rule. */
const route = (here: shapes.Here) =>
  table({
    name: text(shapes.shortName),
    /** Key in `listeners`. */
    listener: text(),
    /** The old side's group, as found: never changed. */
    oldTargetGroupArn: name(here.targetGroup),
    /** The function in that group, without version or alias: the controller asks which code it runs. */
    oldFunctionArn: name(here.function),
    /**
     * The new side's group. Left out, one is made here that leads to `scorer` or
     * `newFunction`. A group belongs to one route: its metrics are the route's evidence.
     */
    newTargetGroup: table({
      /** Your own group, which is left alone. */
      arn: name(here.targetGroup).optional(),
      /** Or one to take over, by its ARN; what is registered in it stays. */
      importArn: text(here.targetGroup).optional(),
      /** The function in it, without version or alias. */
      functionArn: name(here.function),
      tags: found(),
    })
      .superRefine(({ arn, importArn }, ctx) => {
        if ((arn === undefined) !== (importArn === undefined)) return;
        const message =
          arn === undefined
            ? "is missing, and so is importArn; give one of them"
            : "stands beside importArn; keep one";
        ctx.addIssue({ code: "custom", path: ["arn"], message });
      })
      .optional(),
    /** Of the weighted rule; the header rule's must be smaller. */
    priority: int(1, 50_000),
    paths: texts(shapes.pathPattern, { min: 1, max: 3 }),
    hosts: texts(shapes.hostPattern, { max: 3 }).default([]),
    methods: texts(shapes.method, { max: 3 }).default([]),
    /** Take over this rule; without it a new one is made. */
    adopt: adopt(here, ["import", "split", "managed"]).optional(),
    /**
     * Your own rule, which stays yours. It must forward to both groups, with stickiness
     * off, and its program must ignore changes of its `actions`.
     */
    ruleArn: name(here.rule).optional(),
    /**
     * Write the rule's actions once more, all requests to the old side: after another
     * group, and only while no rollout runs.
     */
    rewriteActions: flag().default(false),
    /**
     * Priorities of existing rules whose requests this rule or its header rule may take,
     * or `"default"`. What is not named here is refused.
     */
    takesFrom: list(
      either(
        (value) => typeof value === "string",
        z.literal("default", { error: must('a priority, or "default"') }),
        int(1, 50_000),
      ),
    ).default([]),
  });

/** Where pages and messages go. */
const paging = (here: shapes.Here) =>
  table({
    /** An existing topic. */
    topicArn: name(here.topic).optional(),
    /** Key of that topic, if it is encrypted with one. */
    topicKmsKeyArn: name(here.kmsKey).optional(),
    /** Or the key of PagerDuty's "Amazon CloudWatch" integration, for a topic made here. */
    pagerDutyKey: name().optional(),
    /** Slack through Amazon Q Developer in chat applications. */
    slack: table({ teamId: text(shapes.slackTeam), channelId: text(shapes.slackChannel) }).optional(),
  }).superRefine(({ topicArn, pagerDutyKey }, ctx) => {
    if (topicArn !== undefined && pagerDutyKey !== undefined) {
      const message = "contradicts paging.topicArn: that topic has its subscription; keep one of the two";
      ctx.addIssue({ code: "custom", path: ["pagerDutyKey"], message });
    }
    if (topicArn === undefined && pagerDutyKey === undefined) {
      const message = "is missing, and so is pagerDutyKey; pages would reach nobody";
      ctx.addIssue({ code: "custom", path: ["topicArn"], message });
    }
  });

/** Limits of the alarms that are not the objectives themselves. */
const alarms = () =>
  table({
    /** Minutes with fewer requests say nothing about the error rate. */
    minRequestsPerMinute: int(1, 1_000_000).default(20),
    /** The last so many minutes are looked at. */
    evaluationMinutes: int(1, 60).default(5),
    /** Bad minutes among them that raise the alarm. */
    badMinutes: int(1, 60).default(3),
    /** Whether the old side's alarm pages too; most teams have one already. */
    oldSidePages: flag().default(false),
  }).superRefine(({ badMinutes, evaluationMinutes }, ctx) => {
    if (badMinutes <= evaluationMinutes) return;
    const message = `is ${badMinutes}, more than evaluationMinutes ${evaluationMinutes}`;
    ctx.addIssue({ code: "custom", path: ["badMinutes"], message });
  });

/** Who may do what, as ARNs of roles or users. One role at least can roll back with the controller, and one without it. */
const operators = (here: shapes.Here) => {
  const people = (min: number) => list(name(here.principal), { min });
  return table({
    /** May look. */
    readers: people(0).default([]),
    /** May look and give commands. */
    operators: people(1),
    /** May read the header's secret value. */
    testers: people(0).default([]),
    /** May set the weights without the controller: `rolloutctl rollback --direct`. */
    emergency: people(1),
    requireMfa: flag().default(true),
  });
};

/** Days as YAML's top level has them, in quotes, or as a number. */
const retention = z
  .custom<number | string>()
  .transform((value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value))
  .pipe(
    z
      .number({ error: (issue) => required(issue, must("a whole number of days")(issue)) })
      .refine((days) => RETENTION_DAYS.includes(days), {
        error: ({ input: days }) => `is ${String(days)}; CloudWatch Logs takes ${RETENTION_DAYS.join(", ")}`,
      }),
  );

/**
 * Everything but the rollout's name. `region` and `account` are known for values that
 * are plain; then every ARN must lie there.
 */
export function rolloutSchema(region?: string, account?: string) {
  const here = shapes.inAccount(region, account);
  return table({
    /** Left out: those of the AWS provider. */
    region: name(shapes.region).optional(),
    accountId: name(shapes.account).optional(),
    /** On every resource that can carry tags. `owner` must be there: the team that answers for it. */
    tags: record(name(shapes.tag)).refine((tags) => "owner" in tags, {
      error: "has no `owner`; name the team that answers for this stack",
    }),
    /** Upper limit of every role that is made here. */
    permissionsBoundaryArn: name(shapes.policy).optional(),
    /** Own key for logs, queue, topic and environment; without it the service's own encryption is used. */
    kmsKeyArn: name(here.kmsKey).optional(),
    logRetentionDays: retention.prefault(30),
    /** The VPC side of every function. */
    network: table({
      /** Private subnets, in at least two availability zones. */
      subnetIds: names(shapes.subnet, { min: 2, max: 16 }),
      /** They must let the functions reach RDS Proxy (5432) and the VPC's endpoints (443). */
      securityGroupIds: names(shapes.securityGroup, { min: 1, max: 5 }),
    }),
    /** Whether functions send traces to X-Ray. */
    tracing: choice(["off", "xray"]),
    /** What people call the two sides. */
    labels: table({
      old: text(shapes.label).default(DEFAULT_LABELS.old),
      new: text(shapes.label).default(DEFAULT_LABELS.new),
    }).prefault({}),
    /** The Rust scorer, made here. Leave it out for a function of your own. */
    scorer: scorer(here).optional(),
    /** Your own function: groups are made here that lead to it. */
    newFunction: table({
      /** Without version or alias. */
      functionArn: name(here.function),
      /** Alias that the load balancer calls; without it the function's newest code. */
      alias: name(shapes.aliasName).optional(),
    }).optional(),
    /** Repeats some of the scorer's requests to Python, and counts what differs. */
    compare: compare(here).optional(),
    ledger: ledger(here),
    slo: slo(),
    controller: controller(here),
    header: header(here).prefault({}),
    /** Listeners of Application Load Balancers, by a short name. */
    listeners: record(listener(here)),
    routes: list(route(here), { min: 1 }),
    paging: paging(here),
    alarms: alarms().prefault({}),
    operators: operators(here),
    /**
     * Bucket for CloudTrail's record of who called `command`. Left out, one is made that keeps
     * it for 400 days; `false` for no record, where the account's own trail has data events.
     */
    auditBucket: either(
      (value) => value === false || value === "false",
      noAudit,
      name(shapes.bucket),
    ).optional(),
    /**
     * How the listeners' existing rules are read, to refuse rules that would take requests
     * from others: `read` asks AWS with the credentials of the process; a program with
     * another provider gives its own reader; `unchecked` trusts you.
     */
    existingRules: either(
      (value) => typeof value === "string",
      choice(["read", "unchecked"]),
      z.custom<DescribesLoadBalancer>(isReader, { error: must('"read", "unchecked", or a reader') }),
    ).default("read"),
  });
}

function isReader(value: unknown): boolean {
  const { rules, groups } = (value ?? {}) as { rules?: unknown; groups?: unknown };
  return typeof rules === "function" && typeof groups === "function";
}

type Schema = ReturnType<typeof rolloutSchema>;

/** Arguments of `Rollout`. */
export type RolloutArgs = z.input<Schema>;
/** The same, checked, and with its defaults. */
export type Checked = z.output<Schema>;

/** Everything that the components need. */
export interface Settings extends Omit<Checked, "region" | "accountId"> {
  /** Name of the rollout; also the beginning of every resource's name. */
  readonly name: string;
  readonly region: pulumi.Input<string>;
  readonly accountId: pulumi.Input<string>;
}

/** What all functions and roles share. */
export type Common = Pick<
  Settings,
  | "name"
  | "region"
  | "accountId"
  | "tags"
  | "permissionsBoundaryArn"
  | "kmsKeyArn"
  | "logRetentionDays"
  | "network"
  | "tracing"
  | "labels"
>;
export type ScorerSettings = NonNullable<Settings["scorer"]>;
export type CompareSettings = NonNullable<Settings["compare"]>;
export type LedgerSettings = Settings["ledger"];
export type Slo = Settings["slo"];
export type ControllerSettings = Settings["controller"];
export type HeaderSettings = Settings["header"];
export type ListenerSettings = Settings["listeners"][string];
export type RouteSettings = Settings["routes"][number];
export type PagingSettings = Settings["paging"];
export type AlarmSettings = Settings["alarms"];
export type OperatorSettings = Settings["operators"];
/** Which code a function runs. */
export type CodeSettings = Pick<ControllerSettings, "image" | "zip" | "layers">;
