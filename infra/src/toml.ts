/** The controller's configuration, written from the same values as the infrastructure. */

import { HEADER, HEADER_PRIORITY } from "./settings";
import type { ControllerSettings, LedgerSettings, Slo } from "./settings";

/** One route with the ARNs that AWS gave. */
export interface RouteArns {
  readonly name: string;
  readonly rule: string;
  readonly oldGroup: string;
  readonly newGroup: string;
  readonly testerGroup: string;
}

/** Everything that stands in the text. */
export interface ControllerText {
  readonly name: string;
  /** Whose login to the journal. */
  readonly door: "writer" | "reader";
  readonly ledger: LedgerSettings;
  readonly topicArn: string;
  readonly chatTopicArn?: string;
  readonly controller: ControllerSettings;
  readonly slo: Slo;
  readonly rollbackOn: string;
  readonly pythonTwin: string;
  readonly headerValue: string;
  readonly routes: readonly RouteArns[];
}

type Value = string | number | readonly string[] | Readonly<Record<string, string>> | undefined;

/** A basic string of TOML 1.0: JSON's escapes are a subset of TOML's, but for DEL. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007F");
}

function written(value: Exclude<Value, undefined>): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `[${value.map(quoted).join(", ")}]`;
  const pairs = Object.entries(value as Record<string, string>);
  return `{ ${pairs.map(([key, text]) => `${quoted(key)} = ${quoted(text)}`).join(", ")} }`;
}

function table(header: string, entries: Record<string, Value>): string[] {
  const lines = Object.entries(entries)
    .filter((entry): entry is [string, Exclude<Value, undefined>] => entry[1] !== undefined)
    .filter(([, value]) => !(Array.isArray(value) && value.length === 0))
    .map(([key, value]) => `${key} = ${written(value)}`);
  return lines.length === 0 ? [] : [header, ...lines];
}

const minutes = (count: number | undefined) => (count === undefined ? undefined : `${count}m`);

/** Address of the journal. The user stands in it only if a token is its password. */
export function ledgerUrl(ledger: LedgerSettings, door: "writer" | "reader"): string {
  const user = ledger.login === "iam" ? `${door === "writer" ? ledger.user : ledger.reader}@` : "";
  const root = ledger.sslRootCert === undefined ? "" : `&sslrootcert=${ledger.sslRootCert}`;
  return `postgres://${user}${ledger.host}:${ledger.port}/${ledger.database}?sslmode=verify-full${root}`;
}

/** The whole text. Checked by `rolloutctl config check` in the tests. */
export function controllerToml(text: ControllerText): string {
  const { controller, ledger, slo } = text;
  const secretArn =
    ledger.login === "iam" ? undefined : text.door === "writer" ? ledger.secretArn : ledger.readerSecretArn;
  const lines = [
    ...table("[ledger]", {
      url: ledgerUrl(ledger, text.door),
      secret_arn: secretArn,
      keep_minutes: controller.keepDays === undefined ? undefined : `${controller.keepDays}days`,
    }),
    ...table("[paging]", {
      topic_arn: text.topicArn,
      chat_topic_arn: text.chatTopicArn,
      runbooks: controller.runbooksUrl,
    }),
    ...table("[events]", { bus: controller.eventBus }),
    ...table("[[rollout]]", {
      name: text.name,
      mode: controller.mode,
      engine: controller.engine,
      stages: controller.stages,
      start: controller.start,
      bake: minutes(controller.bakeMinutes),
      lag: minutes(controller.lagMinutes),
      history: minutes(controller.historyMinutes),
      max_hold: minutes(controller.maxHoldMinutes),
      blind_after: minutes(controller.blindAfterMinutes),
      on_new_code: controller.onNewCode,
    }),
    ...table("[rollout.slo]", {
      error_rate: `${slo.errorRatePercent}%`,
      p50: `${slo.p50Ms}ms`,
      p95: `${slo.p95Ms}ms`,
      p99: `${slo.p99Ms}ms`,
    }),
    ...table("[rollout.evidence]", controller.evidence),
    ...table("[rollout.alarms]", {
      rollback_on: [text.rollbackOn],
      hold_on: controller.holdOnAlarms,
      python_twin: { [text.rollbackOn]: text.pythonTwin },
    }),
    ...table("[rollout.calendar]", {
      time_zone: controller.calendar?.timeZone,
      windows: controller.calendar?.windows,
      freeze: controller.calendar?.freeze,
    }),
    ...text.routes.flatMap((route) => [
      ...table("[[rollout.route]]", {
        name: route.name,
        rule: route.rule,
        old_group: route.oldGroup,
        new_group: route.newGroup,
      }),
      ...table("[rollout.route.header_rule]", {
        priority: HEADER_PRIORITY,
        header: HEADER,
        value: text.headerValue,
        group: route.testerGroup,
      }),
    ]),
  ];
  return lines.join("\n") + "\n";
}
