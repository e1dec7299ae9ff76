/** From Pulumi's configuration to {@link Settings}. Everything is checked before anything is made. */

import * as pulumi from "@pulumi/pulumi";
import { Names } from "./arns";
import { ConfigError, Section } from "./checks";
import type { Problem, Shape } from "./checks";
import { checkRoutes } from "./config-routes";
import { FAST_CLOCK, FAST_CLOCK_REFUSED } from "./function";
import * as shapes from "./shapes";
import { controllerToml } from "./toml";
import type {
  AlarmSettings,
  Common,
  ControllerSettings,
  HeaderSettings,
  LedgerSettings,
  OperatorSettings,
  PagingSettings,
  RouteSettings,
  ScorerSettings,
  Settings,
  Slo,
} from "./settings";

/** What CloudWatch Logs takes. */
const RETENTION_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192];

/** A Lambda function's variables, names and values together. */
const ENVIRONMENT_BYTES = 4096;
/** What the controller's other variables take at most. */
const OTHER_VARIABLES_BYTES = 400;
/** Longest value of a header condition. */
const HEADER_VALUE_BYTES = 128;

/** Variables of the scorer that other keys set. */
const OWN_VARIABLES =
  /^(DATABASE_(SECRET_ARN|URL|HOST|PORT|NAME|SSLMODE|SSLROOTCERT)|TRUSTED_IAM_ISSUERS|AWS_.*)$/;

/**
 * Reads and checks the stack's configuration.
 *
 * @throws {ConfigError} with every problem, each with its key's name.
 */
export function readSettings(project = pulumi.getProject()): Settings {
  const problems: Problem[] = [];
  const config = new pulumi.Config(project);
  const all = new Section(problems, project, ":", plainValues(project, problems));
  const aws = new Section(problems, "aws", ":", { region: new pulumi.Config("aws").get("region") });
  const region = aws.text("region", shapes.region);
  const accountId = all.text("accountId", shapes.account);
  // A wrong account or region is told once, not again by every ARN.
  const here = shapes.inAccount(
    shapes.region.pattern.test(region) ? region : undefined,
    shapes.account.pattern.test(accountId) ? accountId : undefined,
  );
  const settings: Settings = {
    ...common(all, region, accountId, here),
    scorer: scorer(all.section("scorer"), here),
    ledger: ledger(all.section("ledger"), here),
    slo: slo(all.section("slo")),
    controller: controller(all.section("controller"), here),
    header: header(all.maybeSection("header") ?? new Section([], "", "", {}), here),
    listeners: all.map("listeners", here.listener),
    routes: all.sections("routes").map((section) => route(section, here)),
    paging: paging(all, config, here),
    alarms: alarms(all.section("alarms")),
    operators: operators(all.section("operators"), here),
    auditBucket: all.maybeText("auditBucket", shapes.bucket),
  };
  all.done();
  checkTogether(all, settings);
  if (problems.length > 0) throw new ConfigError(problems);
  return settings;
}

/**
 * All keys of the project, JSON read. The only secret is taken as an Output
 * where it is used, so its text never comes here.
 */
function plainValues(project: string, problems: Problem[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [full, text] of Object.entries(pulumi.runtime.allConfig())) {
    if (!full.startsWith(`${project}:`)) continue;
    const name = full.slice(project.length + 1);
    if (name === "pagerDutyKey") values[name] = "(secret)";
    else if (/^\s*[[{]/.test(text)) {
      try {
        values[name] = JSON.parse(text);
      } catch {
        problems.push({
          key: full,
          fix: "cannot be read as a table or list; use YAML's own, without quotes",
        });
      }
    } else values[name] = text;
  }
  return values;
}

function common(all: Section, region: string, accountId: string, here: shapes.Here): Common {
  const retention = Number(all.text("logRetentionDays", shapes.digits));
  if (all.has("logRetentionDays") && !RETENTION_DAYS.includes(retention)) {
    all.problem("logRetentionDays", `is ${retention}; CloudWatch Logs takes ${RETENTION_DAYS.join(", ")}`);
  }
  const network = all.section("network");
  const result = {
    name: all.text("name", shapes.name),
    region,
    accountId,
    tags: all.map("tags", shapes.tag),
    boundaryArn: all.maybeText("permissionsBoundaryArn", shapes.policy),
    kmsKeyArn: all.maybeText("kmsKeyArn", here.kmsKey),
    logRetentionDays: retention,
    network: {
      subnetIds: network.texts("subnetIds", { min: 2, max: 16, shape: shapes.subnet }),
      securityGroupIds: network.texts("securityGroupIds", { min: 1, max: 5, shape: shapes.securityGroup }),
    },
    tracing: all.choice("tracing", ["off", "xray"]),
  };
  network.done();
  if (!("owner" in result.tags))
    all.problem("tags", "has no `owner`; name the team that answers for this stack");
  return result;
}

function scorer(section: Section, here: shapes.Here): ScorerSettings {
  const database = section.section("database");
  const secrets = section.maybeSection("secretEnvironment");
  const secretNames = secrets ? Object.keys(section.anyTable("secretEnvironment")) : [];
  const secretEnvironment = secretNames.map((name): [string, { secretArn: string; key: string }] => {
    const entry = secrets?.section(name) ?? section;
    const value = { secretArn: entry.text("secretArn", here.secret), key: entry.text("key") };
    entry.done();
    return [name, value];
  });
  const result = {
    image: section.text("image", here.image),
    memoryMb: section.int("memoryMb", { min: 128, max: 10_240 }),
    // Below the load balancer's idle timeout of 60 s.
    timeoutSeconds: section.int("timeoutSeconds", { min: 1, max: 59 }),
    reservedConcurrency: section.maybeInt("reservedConcurrency", { min: 1, max: 10_000 }),
    provisionedConcurrency: section.maybeInt("provisionedConcurrency", { min: 1, max: 10_000 }),
    database: {
      secretArn: database.text("secretArn", here.secret),
      secretKmsKeyArn: database.maybeText("secretKmsKeyArn", here.kmsKey),
      host: database.text("host", shapes.host),
      port: database.int("port", { min: 1, max: 65_535 }),
      name: database.text("name", shapes.databaseName),
      sslRootCert: database.maybeText("sslRootCert", shapes.path),
    },
    trustedIssuers: section.texts("trustedIssuers", { min: 1, shape: shapes.issuer }),
    environment: section.map("environment"),
    secretEnvironment: Object.fromEntries(secretEnvironment),
  };
  const { reservedConcurrency: reserved, provisionedConcurrency: provisioned } = result;
  if (reserved !== undefined && provisioned !== undefined && provisioned > reserved) {
    section.problem(
      "provisionedConcurrency",
      `is ${provisioned}, more than reservedConcurrency ${reserved}; provisioned environments count as reserved ones`,
    );
  }
  for (const name of new Set([...Object.keys(result.environment), ...secretNames])) {
    const key = name in result.environment ? `environment.${name}` : `secretEnvironment.${name}`;
    if (OWN_VARIABLES.test(name))
      section.problem(key, "is set by another key of this configuration, or by Lambda");
    if (name === "LOCAL_CLOUD_FAULTS")
      section.problem(key, "breaks requests on purpose; never set it in AWS");
    if (name === FAST_CLOCK) section.problem(key, FAST_CLOCK_REFUSED);
    if (name in result.environment && secretNames.includes(name)) {
      section.problem(key, "stands in `environment` and in `secretEnvironment`; keep one");
    }
  }
  database.done();
  section.done();
  return result;
}

function ledger(section: Section, here: shapes.Here): LedgerSettings {
  const address = {
    host: section.text("host", shapes.host),
    port: section.int("port", { min: 1, max: 65_535 }),
    database: section.text("database", shapes.databaseName),
    sslRootCert: section.maybeText("sslRootCert", shapes.path),
  };
  const login = section.choice("login", ["iam", "secret"]);
  const result: LedgerSettings =
    login === "iam"
      ? {
          ...address,
          login,
          proxyResourceId: section.text("proxyResourceId", shapes.proxyResourceId),
          user: section.text("user", shapes.databaseUser),
          reader: section.text("reader", shapes.databaseUser),
        }
      : {
          ...address,
          login,
          secretArn: section.text("secretArn", here.secret),
          readerSecretArn: section.text("readerSecretArn", here.secret),
          secretKmsKeyArn: section.maybeText("secretKmsKeyArn", here.kmsKey),
        };
  if (result.login === "iam" && result.user === result.reader && section.has("reader")) {
    section.problem(
      "reader",
      `is ${result.reader}, as is \`user\`; \`view\` needs a user that may only read`,
    );
  }
  if (result.login === "secret" && result.secretArn === result.readerSecretArn && section.has("secretArn")) {
    section.problem("readerSecretArn", "is `secretArn`; `view` needs a user that may only read");
  }
  section.done();
  return result;
}

function slo(section: Section): Slo {
  const result = {
    errorRatePercent: section.number("errorRatePercent", { min: 0.001, max: 50 }),
    p50Ms: section.int("p50Ms", { min: 1, max: 60_000 }),
    p95Ms: section.int("p95Ms", { min: 1, max: 60_000 }),
    p99Ms: section.int("p99Ms", { min: 1, max: 60_000 }),
  };
  const complete = ["p50Ms", "p95Ms", "p99Ms"].every((name) => section.has(name));
  if (complete && (result.p50Ms > result.p95Ms || result.p95Ms > result.p99Ms)) {
    section.problem("p95Ms", `must lie between p50Ms ${result.p50Ms} and p99Ms ${result.p99Ms}`);
  }
  section.done();
  return result;
}

function controller(section: Section, here: shapes.Here): ControllerSettings {
  const minutes = (name: string, min: number, max: number) => section.maybeInt(name, { min, max });
  const share: Shape = shapes.share;
  const calendar = section.maybeSection("calendar");
  const result = {
    image: section.text("image", here.image),
    memoryMb: section.int("memoryMb", { min: 128, max: 10_240 }),
    // A tick writes for at most 20 s and must end within its minute.
    timeoutSeconds: section.int("timeoutSeconds", { min: 15, max: 55 }),
    mode: section.choice("mode", ["shadow", "active"]),
    stages: section.has("stages") ? section.texts("stages", { min: 1, shape: share }) : undefined,
    start: section.maybeText("start", shapes.startShare),
    bakeMinutes: minutes("bakeMinutes", 1, 1440),
    lagMinutes: minutes("lagMinutes", 1, 15),
    historyMinutes: minutes("historyMinutes", 1, 1440),
    maxHoldMinutes: minutes("maxHoldMinutes", 10, 43_200),
    blindAfterMinutes: minutes("blindAfterMinutes", 2, 120),
    keepDays: section.maybeInt("keepDays", { min: 1, max: 3650 }),
    onNewCode: section.maybeChoice("onNewCode", ["stay", "first-stage"]),
    engine: section.maybeChoice("engine", ["evidence-2", "evidence-1"]),
    evidence: section.anything("evidence"),
    calendar: calendar && {
      timeZone: calendar.text("timeZone"),
      windows: calendar.texts("windows", { shape: shapes.window }),
      freeze: calendar.texts("freeze", { shape: shapes.freeze }),
    },
    holdOnAlarms: section.texts("holdOnAlarms", {}),
    eventBus: section.maybeText("eventBus", shapes.eventBus),
    runbooksUrl: section.maybeText("runbooksUrl", shapes.https),
  };
  const numbers = (result.stages ?? []).map((text) => Number.parseFloat(text));
  if (numbers.some((number, index) => index > 0 && !(number > (numbers[index - 1] ?? 0)))) {
    section.problem("stages", `is ${JSON.stringify(result.stages)}; stages must rise`);
  }
  if (numbers.length > 0 && numbers.at(-1) !== 100) section.problem("stages", "must end with 100%");
  if (
    result.start !== undefined &&
    result.start !== "auto" &&
    result.stages?.includes(result.start) === false
  ) {
    section.problem("start", `is ${result.start}, which is none of \`stages\``);
  }
  calendar?.done();
  section.done();
  return result;
}

function header(section: Section, here: shapes.Here): HeaderSettings {
  const result = {
    valueSecretArn: section.maybeText("valueSecretArn", here.secret),
    sourceIps: section.texts("sourceIps", { max: 3, shape: shapes.cidr }),
  };
  section.done();
  return result;
}

function route(section: Section, here: shapes.Here): RouteSettings {
  const adopt = section.maybeSection("adopt");
  const result = {
    name: section.text("name", shapes.shortName),
    listener: section.text("listener"),
    pythonTargetGroupArn: section.text("pythonTargetGroupArn", here.targetGroup),
    pythonFunctionArn: section.text("pythonFunctionArn", here.function),
    priority: section.int("priority", { min: 1, max: 50_000 }),
    paths: section.texts("paths", { min: 1, max: 3, shape: shapes.pathPattern }),
    hosts: section.texts("hosts", { max: 3, shape: shapes.hostPattern }),
    methods: section.texts("methods", { max: 3, shape: shapes.method }),
    adopt: adopt && {
      ruleArn: adopt.text("ruleArn", here.rule),
      step: adopt.choice("step", ["import", "split", "managed"]),
      tags: adopt.map("tags"),
    },
  };
  adopt?.done();
  section.done();
  return result;
}

function paging(all: Section, config: pulumi.Config, here: shapes.Here): PagingSettings {
  const section = all.section("paging");
  const slackSection = section.maybeSection("slack");
  const slack = slackSection && {
    teamId: slackSection.text("teamId", shapes.slackTeam),
    channelId: slackSection.text("channelId", shapes.slackChannel),
  };
  slackSection?.done();
  const topicArn = section.maybeText("topicArn", here.topic);
  const topicKmsKeyArn = section.maybeText("topicKmsKeyArn", here.kmsKey);
  section.done();
  const key = all.maybeText("pagerDutyKey");
  if (topicArn !== undefined && key !== undefined) {
    all.problem(
      "pagerDutyKey",
      "contradicts paging.topicArn: that topic has its subscription; keep one of the two",
    );
  }
  if (topicArn === undefined && key === undefined && all.has("paging")) {
    section.problem("topicArn", "is missing, and so is pagerDutyKey; pages would reach nobody");
  }
  if (topicArn !== undefined) return { topic: "existing", topicArn, topicKmsKeyArn, slack };
  return { topic: "own", pagerDutyKey: key === undefined ? "" : config.requireSecret("pagerDutyKey"), slack };
}

function alarms(section: Section): AlarmSettings {
  const result = {
    minRequestsPerMinute: section.int("minRequestsPerMinute", { min: 1, max: 1_000_000 }),
    evaluationMinutes: section.int("evaluationMinutes", { min: 1, max: 60 }),
    badMinutes: section.int("badMinutes", { min: 1, max: 60 }),
    pythonPages: section.flag("pythonPages", false),
  };
  if (result.badMinutes > result.evaluationMinutes) {
    section.problem(
      "badMinutes",
      `is ${result.badMinutes}, more than evaluationMinutes ${result.evaluationMinutes}`,
    );
  }
  section.done();
  return result;
}

function operators(section: Section, here: shapes.Here): OperatorSettings {
  const people = (name: string, min: number) => section.texts(name, { min, shape: here.principal });
  const result = {
    readers: people("readers", 0),
    // Somebody must be able to roll back, with the controller and without it.
    operators: people("operators", 1),
    testers: people("testers", 0),
    emergency: people("emergency", 1),
    requireMfa: section.flag("requireMfa", true),
  };
  section.done();
  return result;
}

/** What only shows when several tables are looked at. */
function checkTogether(all: Section, settings: Settings): void {
  checkRoutes(all, settings);
  const {
    paging: pages,
    kmsKeyArn,
    operators: people,
    header: testers,
    ledger: journal,
    scorer: rust,
  } = settings;
  if (kmsKeyArn === undefined && (pages.topic === "own" || pages.slack !== undefined)) {
    const why = pages.topic === "own" ? "pagerDutyKey" : "paging.slack";
    all.problem(
      "kmsKeyArn",
      `is missing; ${why} makes a topic here, and topics are encrypted with your own key`,
    );
  }
  if (people.testers.length > 0 && testers.valueSecretArn === undefined) {
    all.problem("operators.testers", "contradicts header: without valueSecretArn there is no secret to read");
  }
  if (people.testers.length === 0 && testers.valueSecretArn !== undefined) {
    all.problem("operators.testers", "is missing; nobody could read the value in header.valueSecretArn");
  }
  if (
    journal.login === "secret" &&
    [journal.secretArn, journal.readerSecretArn].includes(rust.database.secretArn)
  ) {
    all.problem("ledger.secretArn", "is the scorer's database login; the journal needs a user of its own");
  }
  const bytes = Buffer.byteLength(foreseenToml(settings)) + OTHER_VARIABLES_BYTES;
  if (bytes > ENVIRONMENT_BYTES) {
    all.problem(
      "routes",
      `make a configuration of ${bytes} bytes, and Lambda takes ${ENVIRONMENT_BYTES}; ` +
        "use shorter names, or a second stack for some of the routes",
    );
  }
}

/** The controller's text with names as long as AWS will make them. */
function foreseenToml(settings: Settings): string {
  const { name, region, accountId, paging: pages } = settings;
  const names = new Names(name, region, accountId);
  const elb = `arn:aws:elasticloadbalancing:${region}:${accountId}`;
  const id = "0123456789abcdef";
  const listener = (key: string) => {
    const arn = settings.listeners[key];
    return typeof arn === "string" ? arn : `${elb}:listener/app/${"x".repeat(32)}/${id}/${id}`;
  };
  const sns = `arn:aws:sns:${region}:${accountId}:${name}`;
  return controllerToml({
    ...settings,
    door: "writer",
    topicArn: pages.topic === "existing" ? pages.topicArn : `${sns}-oncall`,
    chatTopicArn: pages.slack && `${sns}-chat`,
    rollbackOn: names.sideAlarm("rust"),
    pythonTwin: names.sideAlarm("python"),
    headerValue: settings.header.valueSecretArn === undefined ? "true" : "x".repeat(HEADER_VALUE_BYTES),
    routes: settings.routes.map((one) => ({
      name: one.name,
      rule: `${listener(one.listener).replace(":listener/", ":listener-rule/")}/${id}`,
      oldGroup: `${elb}:targetgroup/${"x".repeat(32)}/${id}`,
      newGroup: `${elb}:targetgroup/${names.rustGroup(one.name)}/${id}`,
      testerGroup: `${elb}:targetgroup/${names.testerGroup(one.listener)}/${id}`,
    })),
  });
}
