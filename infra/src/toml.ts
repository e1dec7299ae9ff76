/** The controller's configuration, written from the same values as the infrastructure. */

import { stringify } from "smol-toml";
import { DEFAULT_LABELS } from "./settings";
import type { CompareSettings, ControllerSettings, Settings, Slo } from "./settings";

/** One route with the ARNs that AWS gave. */
export interface RouteArns {
  readonly name: string;
  readonly rule: string;
  readonly oldGroup: string;
  readonly newGroup: string;
  readonly headerRule?: { readonly priority: number; readonly group: string };
}

/** Where the journal is, for one door. */
export interface Journal {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslRootCert?: string;
  /** With a token of the function's role; without it user and password are in the secret. */
  readonly user?: string;
  readonly secretArn?: string;
}

/** Everything that stands in the text. */
export interface ControllerText {
  readonly name: string;
  readonly labels: Settings["labels"];
  readonly ledger: Journal;
  readonly topicArn: string;
  readonly chatTopicArn?: string;
  readonly eventBus?: string;
  readonly controller: Omit<ControllerSettings, "holdOnAlarms" | "eventBus">;
  readonly slo: Slo;
  readonly compare?: CompareSettings;
  /** Log group of the scorer, which comparing needs one of. */
  readonly answersLog: string;
  readonly rollbackOn: string;
  readonly holdOn: readonly string[];
  readonly oldTwin: string;
  readonly headerName: string;
  readonly headerValue: string;
  readonly routes: readonly RouteArns[];
}

const minutes = (count: number | undefined) => (count === undefined ? undefined : `${count}m`);

/** Address of the journal. The user stands in it only if a token is its password. */
export function ledgerUrl({ user, host, port, database, sslRootCert }: Journal): string {
  const login = user === undefined ? "" : `${user}@`;
  const root = sslRootCert === undefined ? "" : `&sslrootcert=${sslRootCert}`;
  return `postgres://${login}${host}:${port}/${database}?sslmode=verify-full${root}`;
}

/** A list without entries says no more than one that is left out. */
const some = (list: readonly string[] | undefined) => (list?.length === 0 ? undefined : list);

/** A table without keys would be a bare heading. */
function filled<T extends object>(table: T): T | undefined {
  return Object.values(table).some((value) => value !== undefined) ? table : undefined;
}

/** What the sides are called; absent where it is what the controller calls them itself. */
export function labelsTable({ old, new: rolledOut }: Settings["labels"]) {
  const usual = old === DEFAULT_LABELS.old && rolledOut === DEFAULT_LABELS.new;
  return usual ? undefined : { old, new: rolledOut };
}

/** What may differ between two answers, by the names of answers/src/rules.rs. */
export function compareRules({ ignoreHeaders, ...rules }: NonNullable<CompareSettings["rules"]>) {
  return { ...rules, ignore_headers: ignoreHeaders };
}

/** The whole text. Checked by `rolloutctl config check` in the tests. */
export function controllerToml(text: ControllerText): string {
  const { controller, ledger, slo, labels, compare } = text;
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
    header_rule: one.headerRule && {
      priority: one.headerRule.priority,
      header: text.headerName,
      value: text.headerValue,
      group: one.headerRule.group,
    },
  });
  return stringify({
    ledger: {
      url: ledgerUrl(ledger),
      secret_arn: ledger.secretArn,
      keep_minutes: controller.keepDays === undefined ? undefined : `${controller.keepDays}days`,
    },
    paging: {
      topic_arn: text.topicArn,
      chat_topic_arn: text.chatTopicArn,
      runbooks: controller.runbooksUrl,
    },
    events: filled({ bus: text.eventBus }),
    rollout: [
      {
        name: text.name,
        labels: labelsTable(labels),
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
        wrong_answers: compare && {
          limit: `${compare.limitPercent}%`,
          required: compare.required,
          log_group: text.answersLog,
        },
        compare: compare?.rules && filled(compareRules(compare.rules)),
        evidence: filled(controller.evidence),
        alarms: {
          rollback_on: [text.rollbackOn],
          hold_on: some(text.holdOn),
          python_twin: { [text.rollbackOn]: text.oldTwin },
        },
        calendar,
        route: text.routes.map(route),
      },
    ],
  });
}
