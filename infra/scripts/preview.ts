/**
 * Whether a planned deployment leaves the weights alone.
 *
 * Reads what `pulumi preview --json --refresh` prints. Refuses by default: what
 * it does not understand is a reason to stop, not to go on.
 */

/** One planned step, as Pulumi's preview digest has it. */
interface Step {
  readonly op: string;
  readonly urn: string;
  readonly oldState?: State;
  readonly newState?: State;
  readonly diffReasons?: readonly string[];
  readonly detailedDiff?: Readonly<Record<string, unknown>> | null;
}

interface State {
  readonly type?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
}

/** A reason to stop, or something to know. */
export interface Finding {
  readonly urn: string;
  readonly text: string;
}

/** What a plan means for the weights. */
export interface Verdict {
  /** Nothing may be deployed while there is one. */
  readonly refused: readonly Finding[];
  /** For the person who reads the pipeline's log. */
  readonly notes: readonly Finding[];
  /** Steps that change something. */
  readonly changes: number;
}

const RULE = "aws:lb/listenerRule:ListenerRule";
const GROUP = "aws:lb/targetGroup:TargetGroup";
/** Steps that change nothing in AWS. */
const HARMLESS = new Set(["same", "read", "refresh", "import", "read-replacement", "discard"]);

/** A preview that cannot be understood. */
export class PreviewError extends Error {}

/**
 * Judges a preview.
 *
 * @param text what the CLI printed
 * @param accepted URNs whose steps a person has looked at and wants
 * @throws {PreviewError} if this is no complete preview
 */
export function judge(text: string, accepted: ReadonlySet<string> = new Set()): Verdict {
  const refused: Finding[] = [];
  const notes: Finding[] = [];
  const steps = stepsOf(text);
  for (const step of steps) {
    const finding = judgeStep(step);
    if (finding === undefined) continue;
    const { urn } = step;
    if (finding.kind === "note") notes.push({ urn, text: finding.text });
    else if (accepted.has(urn)) notes.push({ urn, text: `accepted: ${finding.text}` });
    else refused.push({ urn, text: finding.text });
  }
  return { refused, notes, changes: steps.filter(({ op }) => !HARMLESS.has(op)).length };
}

type Found = { readonly kind: "refuse" | "note"; readonly text: string };

const refuse = (text: string): Found => ({ kind: "refuse", text });

function judgeStep(step: Step): Found | undefined {
  const type = step.newState?.type ?? step.oldState?.type ?? typeOf(step.urn);
  if (type === GROUP) return judgeGroup(step);
  if (type !== RULE) return undefined;
  const [before, after] = [groupsOf(step.oldState), groupsOf(step.newState)];
  switch (step.op) {
    case "same":
    case "read":
    case "refresh":
      return undefined;
    case "import":
      return { kind: "note", text: "is taken over as it is" };
    case "create":
      return judgeCreation(after);
    case "update":
      return judgeUpdate(step, before, after);
    default:
      // A header rule may come and go; the controller pages for it, and no weight is lost.
      return isWeighted(before) || isWeighted(after) || (before === undefined && after === undefined)
        ? refuse(`would be changed by "${step.op}", and its weights with it`)
        : { kind: "note", text: `is changed by "${step.op}"; the controller pages while it is not there` };
  }
}

/** A new group in a rule is a change of its actions, which resends the weights. */
function judgeGroup({ op }: Step): Found | undefined {
  return HARMLESS.has(op) || op === "create" || op === "update"
    ? undefined
    : refuse(`would be changed by "${op}"; rules that use it would be rewritten, their weights too`);
}

function judgeCreation(groups: Groups | undefined): Found | undefined {
  if (groups === undefined) return refuse("has actions that this check does not understand");
  if (!isWeighted(groups)) return undefined;
  const [old, ...others] = groups;
  const safe = (old?.weight ?? 0) > 0 && others.every(({ weight }) => weight === 0);
  return safe
    ? { kind: "note", text: "is new, with all requests on the old side" }
    : refuse(
        `would be made with the weights ${shown(groups)}; a new rule begins with all requests on the old side`,
      );
}

function judgeUpdate(step: Step, before: Groups | undefined, after: Groups | undefined): Found | undefined {
  if (before === undefined || after === undefined) {
    return refuse("has actions that this check does not understand");
  }
  if (!isWeighted(before) && !isWeighted(after)) return undefined;
  const paths = changedPaths(step);
  if (paths === undefined) return refuse("changes, and the preview does not say what");
  const touched = paths.filter((path) => path === "actions" || /^actions[.[]/.test(path));
  const sameActions =
    JSON.stringify(step.oldState?.inputs?.actions) === JSON.stringify(step.newState?.inputs?.actions);
  if (touched.length === 0 && sameActions) return undefined;
  const [old, ...others] = after;
  const isSplit =
    old !== undefined &&
    others.length === 1 &&
    old.weight > 0 &&
    others.every(({ arn }) => before.every((group) => group.arn !== arn)) &&
    others.every(({ weight }) => weight === 0) &&
    before.some(({ weight }) => weight > 0) &&
    before.every(({ arn, weight }) => arn === old.arn || weight === 0);
  if (isSplit) return { kind: "note", text: `is split ${shown(after)}; all requests stay where they are` };
  const what = touched.length > 0 ? touched.join(", ") : "actions";
  return refuse(`would be sent its weights again (${shown(after)}), because of ${what}`);
}

/** Which properties change; `undefined` if the preview does not say. */
function changedPaths({ detailedDiff, diffReasons }: Step): string[] | undefined {
  const paths = [...Object.keys(detailedDiff ?? {}), ...(diffReasons ?? [])];
  return paths.length === 0 ? undefined : paths;
}

interface Group {
  readonly arn: string;
  readonly weight: number;
}
type Groups = readonly Group[];

const isWeighted = (groups: Groups | undefined) => (groups?.length ?? 0) > 1;
const shown = (groups: Groups) => groups.map(({ weight }) => weight).join(" to ");

/** Target groups that a rule sends requests to; `undefined` if that is not plain to see. */
function groupsOf(state: State | undefined): Groups | undefined {
  const actions = state?.inputs?.actions;
  if (!Array.isArray(actions) || actions.length === 0) return undefined;
  const action = actions.at(-1) as {
    type?: string;
    targetGroupArn?: string;
    forward?: { targetGroups?: { arn?: string; weight?: unknown }[] };
  };
  if (action.type !== "forward") return [];
  const groups = action.forward?.targetGroups;
  if (groups === undefined) {
    return action.targetGroupArn === undefined ? undefined : [{ arn: action.targetGroupArn, weight: 1 }];
  }
  const plain = groups.map(({ arn, weight }) => ({ arn: arn ?? "", weight: weight ?? 1 }));
  return plain.every((group): group is Group => typeof group.weight === "number") ? plain : undefined;
}

/** `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`. */
function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

function stepsOf(text: string): readonly Step[] {
  let digest: unknown;
  try {
    digest = JSON.parse(text);
  } catch (cause) {
    throw new PreviewError("this is no JSON; give the output of `pulumi preview --json --refresh`", {
      cause,
    });
  }
  const { steps, diagnostics } = (digest ?? {}) as { steps?: unknown; diagnostics?: unknown };
  if (!Array.isArray(steps) || steps.length === 0) {
    throw new PreviewError("the preview has no steps; it failed, or it is of something else");
  }
  const errors = (Array.isArray(diagnostics) ? diagnostics : []) as { severity?: string; message?: string }[];
  const failed = errors.find(({ severity }) => severity === "error");
  if (failed) throw new PreviewError(`the preview itself failed: ${failed.message?.trim() ?? "no message"}`);
  const whole = steps.every((step: unknown): step is Step => {
    const { op, urn } = (step ?? {}) as { op?: unknown; urn?: unknown };
    return typeof op === "string" && typeof urn === "string";
  });
  if (!whole) throw new PreviewError("a step of the preview has no `op` or no `urn`");
  return steps;
}
