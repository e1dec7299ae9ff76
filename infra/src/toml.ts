/** The controller's configuration, written from the same values as the infrastructure. */

import { stringify } from "smol-toml";
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

const minutes = (count: number | undefined) => (count === undefined ? undefined : `${count}m`);

/** Address of the journal. The user stands in it only if a token is its password. */
export function ledgerUrl(ledger: LedgerSettings, door: "writer" | "reader"): string {
  const user = ledger.login === "iam" ? `${door === "writer" ? ledger.user : ledger.reader}@` : "";
  const root = ledger.sslRootCert === undefined ? "" : `&sslrootcert=${ledger.sslRootCert}`;
  return `postgres://${user}${ledger.host}:${ledger.port}/${ledger.database}?sslmode=verify-full${root}`;
}

/** A list without entries says no more than one that is left out. */
const some = (list: readonly string[] | undefined) => (list?.length === 0 ? undefined : list);

/** A table without keys would be a bare heading. */
function filled<T extends object>(table: T): T | undefined {
  return Object.values(table).some((value) => value !== undefined) ? table : undefined;
}

/** The whole text. Checked by `rolloutctl config check` in the tests. */
export function controllerToml(text: ControllerText): string {
  const { controller, ledger, slo } = text;
  const secretArn =
    ledger.login === "iam" ? undefined : text.door === "writer" ? ledger.secretArn : ledger.readerSecretArn;
  const calendar = controller.calendar && {
    time_zone: controller.calendar.timeZone,
    windows: some(controller.calendar.windows),
    freeze: some(controller.calendar.freeze),
  };
  const route = (one: RouteArns) => ({
    name: one.name,
    rule: one.rule,
    old_group: one.oldGroup,
    new_group: one.newGroup,
    header_rule: {
      priority: HEADER_PRIORITY,
      header: HEADER,
      value: text.headerValue,
      group: one.testerGroup,
    },
  });
  return stringify({
    ledger: {
      url: ledgerUrl(ledger, text.door),
      secret_arn: secretArn,
      keep_minutes: controller.keepDays === undefined ? undefined : `${controller.keepDays}days`,
    },
    paging: {
      topic_arn: text.topicArn,
      chat_topic_arn: text.chatTopicArn,
      runbooks: controller.runbooksUrl,
    },
    events: filled({ bus: controller.eventBus }),
    rollout: [
      {
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
        slo: {
          error_rate: `${slo.errorRatePercent}%`,
          p50: `${slo.p50Ms}ms`,
          p95: `${slo.p95Ms}ms`,
          p99: `${slo.p99Ms}ms`,
        },
        evidence: filled(controller.evidence),
        alarms: {
          rollback_on: [text.rollbackOn],
          hold_on: some(controller.holdOnAlarms),
          python_twin: { [text.rollbackOn]: text.pythonTwin },
        },
        calendar,
        route: text.routes.map(route),
      },
    ],
  });
}
