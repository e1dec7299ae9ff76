/** What the stack needs to know, checked. `config.ts` makes it, the components use it. */

import type { Input } from "@pulumi/pulumi";

/** Where a secret value is: a key of a JSON secret in Secrets Manager. */
export interface SecretKey {
  readonly secretArn: string;
  /** Key in the secret's JSON object. */
  readonly key: string;
}

/** The VPC side of every function. */
export interface Network {
  /** Private subnets, in at least two availability zones. */
  readonly subnetIds: readonly string[];
  /** They must let the functions reach RDS Proxy (5432) and the VPC's endpoints (443). */
  readonly securityGroupIds: readonly string[];
}

/** What all functions and roles of this stack share. */
export interface Common {
  /** Name of the rollout; also the beginning of every resource's name. */
  readonly name: string;
  readonly region: string;
  readonly accountId: string;
  /** On every resource that can carry tags. */
  readonly tags: Readonly<Record<string, string>>;
  /** Upper limit of every role of this stack, if the account asks for one. */
  readonly boundaryArn?: string;
  /** Own key for logs, queue, topic and environment; without it the service's own encryption is used. */
  readonly kmsKeyArn?: string;
  readonly logRetentionDays: number;
  readonly network: Network;
  /** Whether functions send traces to X-Ray. */
  readonly tracing: "xray" | "off";
}

/** The Rust scorer. */
export interface ScorerSettings {
  /** `REPOSITORY@sha256:…` of an ARM64 image. */
  readonly image: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** Environments that this function may use at most, and that nobody else can take. */
  readonly reservedConcurrency?: number;
  /** Environments kept warm on the alias: the scorer connects to its database in their init. */
  readonly provisionedConcurrency?: number;
  readonly database: {
    /** Secret with `username` and `password`. */
    readonly secretArn: string;
    /** Key of that secret, if it is not the account's own. */
    readonly secretKmsKeyArn?: string;
    /** Endpoint of RDS Proxy. */
    readonly host: string;
    readonly port: number;
    readonly name: string;
    /** Path of a PEM bundle in the image, for RDS without its proxy: `/opt/certs/rds.pem`. */
    readonly sslRootCert?: string;
  };
  /** `TRUSTED_IAM_ISSUERS`: issuers whose stamps count. */
  readonly trustedIssuers: readonly string[];
  /** Further variables, as on the Python side. */
  readonly environment: Readonly<Record<string, string>>;
  /** Further variables whose values are in Secrets Manager. */
  readonly secretEnvironment: Readonly<Record<string, SecretKey>>;
}

/** Where the journal is. Every function logs in as the user that may do just what it must. */
export type LedgerSettings = {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly sslRootCert?: string;
} & (
  | {
      /** A token signed by the function's role. */
      readonly login: "iam";
      /** `prx-…`, of RDS Proxy. */
      readonly proxyResourceId: string;
      /** Database user of `tick` and `command`. */
      readonly user: string;
      /** Database user of `view`, which may only read. */
      readonly reader: string;
    }
  | {
      /** User and password from Secrets Manager. */
      readonly login: "secret";
      readonly secretArn: string;
      readonly readerSecretArn: string;
      readonly secretKmsKeyArn?: string;
    }
);

/** Service level objectives: the controller tests them, the alarms watch them. */
export interface Slo {
  readonly errorRatePercent: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** The controller. What is left out has the controller's own default. */
export interface ControllerSettings {
  /** `REPOSITORY@sha256:…` of an ARM64 image. */
  readonly image: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** `shadow` decides and reports, and moves nothing. */
  readonly mode: "shadow" | "active";
  /** Shares such as `5%`, rising, the last `100%`. */
  readonly stages?: readonly string[];
  readonly start?: string;
  readonly bakeMinutes?: number;
  readonly lagMinutes?: number;
  readonly historyMinutes?: number;
  readonly maxHoldMinutes?: number;
  readonly blindAfterMinutes?: number;
  readonly keepDays?: number;
  /** Whether other Rust code in the middle of a rollout keeps its share, or begins again at the first stage. */
  readonly onNewCode?: "stay" | "first-stage";
  /** How limits are tested; a run ends with the engine that it began with. */
  readonly engine?: "evidence-2" | "evidence-1";
  /** Settings of that engine, by its own names. */
  readonly evidence: Readonly<Record<string, string | number>>;
  readonly calendar?: {
    readonly timeZone: string;
    readonly windows: readonly string[];
    readonly freeze: readonly string[];
  };
  /** Alarms of others, such as the database's, during which nothing advances. */
  readonly holdOnAlarms: readonly string[];
  /** EventBridge bus for state changes. */
  readonly eventBus?: string;
  /** Address below which the runbooks can be read. */
  readonly runbooksUrl?: string;
}

/** How testers reach Rust whatever the weights are. */
export interface HeaderSettings {
  /** A secret whose text the header must be; without it the value is `true`. */
  readonly valueSecretArn?: string;
  /** Addresses of the connecting peer, in CIDR form; none: from anywhere. */
  readonly sourceIps: readonly string[];
}

/** A rule that is there already. Its adoption takes three deployments, see docs/deploy.md. */
export interface Adoption {
  readonly ruleArn: string;
  /**
   * `import`: take the rule as found, forwarding to Python alone.
   * `split`: write the two groups, 100 to 0, once.
   * `managed`: from here on the weights belong to the controller.
   */
  readonly step: "import" | "split" | "managed";
  /** Tags that the rule has; an import must describe the rule as it is. */
  readonly tags: Readonly<Record<string, string>>;
}

/** One weighted rule. */
export interface RouteSettings {
  readonly name: string;
  /** Key in `listeners`. */
  readonly listener: string;
  /** The Python side's group, as found. */
  readonly pythonTargetGroupArn: Input<string>;
  /** The function in that group, without version or alias: the controller asks which code it runs. */
  readonly pythonFunctionArn: Input<string>;
  readonly priority: number;
  readonly paths: readonly string[];
  readonly hosts: readonly string[];
  readonly methods: readonly string[];
  /** Take over this rule; without it a new one is made. */
  readonly adopt?: Adoption;
}

/** Who gets told. */
export type PagingSettings = (
  | {
      readonly topic: "existing";
      readonly topicArn: string;
      /** Key of the topic, if it is encrypted with one. */
      readonly topicKmsKeyArn?: string;
    }
  | {
      readonly topic: "own";
      /** Integration key of PagerDuty's "Amazon CloudWatch" integration. */
      readonly pagerDutyKey: Input<string>;
    }
) & {
  /** Slack through Amazon Q Developer in chat applications. */
  readonly slack?: { readonly teamId: string; readonly channelId: string };
};

/** Limits of the alarms that are not the objectives themselves. */
export interface AlarmSettings {
  /** Minutes with fewer requests say nothing about the error rate. */
  readonly minRequestsPerMinute: number;
  /** The last so many minutes are looked at. */
  readonly evaluationMinutes: number;
  /** Bad minutes among them that raise the alarm. */
  readonly badMinutes: number;
  /** Whether the Python side's alarm pages too; most teams have one already. */
  readonly pythonPages: boolean;
}

/** Who may do what, as ARNs of roles or users. */
export interface OperatorSettings {
  /** May look. */
  readonly readers: readonly string[];
  /** May look and give commands. */
  readonly operators: readonly string[];
  /** May read the header's secret value. */
  readonly testers: readonly string[];
  /** May set the weights without the controller: `rolloutctl rollback --direct`. */
  readonly emergency: readonly string[];
  readonly requireMfa: boolean;
}

/** Everything. */
export interface Settings extends Common {
  readonly scorer: ScorerSettings;
  readonly ledger: LedgerSettings;
  readonly slo: Slo;
  readonly controller: ControllerSettings;
  readonly header: HeaderSettings;
  /** Listener ARNs by a short name. */
  readonly listeners: Readonly<Record<string, Input<string>>>;
  readonly routes: readonly RouteSettings[];
  readonly paging: PagingSettings;
  readonly alarms: AlarmSettings;
  readonly operators: OperatorSettings;
  /** Bucket for CloudTrail's record of who called `command`; left out: no such record. */
  readonly auditBucket?: string;
}

/** Header that testers send. */
export const HEADER = "X-Use-Rust-Scorer";
/** Priority of the header rule: before every weighted rule. */
export const HEADER_PRIORITY = 99;
