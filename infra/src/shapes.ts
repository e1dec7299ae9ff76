/** Shapes of configuration values. */

/** A shape that a text must have, and how to say so. */
export interface Shape {
  readonly pattern: RegExp;
  /** An example or a description that completes "must be …". */
  readonly like: string;
}

const shape = (pattern: RegExp, like: string): Shape => ({ pattern, like });

export const account = shape(/^\d{12}$/, "an account number of 12 digits, in quotes");
export const region = shape(/^[a-z]{2}(-[a-z]+)+-\d$/, "a region such as eu-west-1");
/** Room for the longest suffix of a target group, whose names end at 32. */
export const name = shape(
  /^[a-z][a-z0-9]{1,11}$/,
  "2 to 12 small letters and digits, beginning with a letter",
);
export const shortName = shape(/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/, "2 to 12 small letters, digits and hyphens");
export const tag = shape(/^[\p{L}\p{N} _.:/=+\-@]{1,256}$/u, "1 to 256 letters, digits, spaces or _.:/=+-@");
export const policy = shape(/^arn:aws:iam::(\d{12}|aws):policy\/.+$/, "the ARN of an IAM policy");
export const subnet = shape(/^subnet-[0-9a-f]{8,17}$/, "a subnet such as subnet-0123456789abcdef0");
export const securityGroup = shape(/^sg-[0-9a-f]{8,17}$/, "a security group such as sg-0123456789abcdef0");
export const host = shape(
  /^(?!.*:\/\/)[a-z0-9]([a-z0-9.-]*[a-z0-9])$/,
  "a host name, without scheme and port",
);
export const databaseName = shape(/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/, "a database's name");
export const databaseUser = shape(/^[a-z_][a-z0-9_]{0,62}$/, "a database user's name");
export const path = shape(/^\/[\w./-]+$/, "an absolute path in the image");
export const proxyResourceId = shape(
  /^prx-[0-9a-f]+$/,
  "the proxy's resource ID, prx-… (not db-…, not its name)",
);
export const issuer = shape(/^did:[a-z0-9]+:.+$/, "an issuer such as did:ethr:0x…");
export const share = shape(/^(100|[1-9]?\d(\.\d)?)%$/, 'a share such as "5%" or "0.1%"');
export const startShare = shape(/^(auto|(100|[1-9]?\d(\.\d)?)%)$/, '"auto" or a share such as "5%"');
export const window = shape(
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? \d\d:\d\d-\d\d:\d\d$/,
  'hours such as "Mon-Fri 08:00-17:00"',
);
export const freeze = shape(
  /^\d{4}-\d\d-\d\d(\.\.\d{4}-\d\d-\d\d)?$/,
  'dates such as "2026-12-20..2027-01-03"',
);
export const eventBus = shape(/^[\w./-]{1,256}$/, "the name of an event bus in this account");
export const https = shape(/^https:\/\/\S+[^/\s]$/, "an https:// address without a slash at its end");
export const cidr = shape(
  /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$|^[0-9a-f:]+\/\d{1,3}$/,
  "a block such as 203.0.113.0/24",
);
export const pathPattern = shape(
  /^\/[\w.\-$/~"'@:+&*?]{0,127}$/,
  "a path pattern such as /v2/stamps/*/score/*",
);
export const hostPattern = shape(/^(?=.*\.)[a-z0-9.*?-]{1,128}$/, "a host name, in small letters");
export const method = shape(/^[A-Z_-]{1,40}$/, "a method such as GET");
export const headerName = shape(
  /^(?!host$)[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$/i,
  "a header's name, of at most 40 characters and not Host",
);
export const headerValue = shape(/^[\x20-\x7e]{1,128}$/, "1 to 128 printable ASCII characters");
export const label = shape(
  /^(?=.{1,20}$)[A-Za-z][A-Za-z0-9 .+#-]*(?<! )$/,
  "1 to 20 letters, digits, spaces or .+#-, beginning with a letter and not ending with a space",
);
export const aliasName = shape(/^(?!\d+$)[A-Za-z0-9_-]{1,128}$/, "a Lambda alias");
export const slackTeam = shape(/^T[A-Z0-9]+$/, "a Slack workspace ID such as T0123456789");
export const slackChannel = shape(/^[CG][A-Z0-9]+$/, "a Slack channel ID such as C0123456789");
export const memberPath = shape(
  /^[^.]+(\.(?!(\[\])+(\.|$))[^.]+)*$/,
  'a member\'s path such as "stamps.*.score"',
);
export const headerPattern = shape(
  /^[A-Za-z0-9!#$%&'+.^_`|~-]+\*?$/,
  'a header\'s name, such as "date" or "x-amzn-*"',
);
export const tolerance = shape(/^\d+(\.\d+)?$/, 'a decimal from 0 on in quotes, such as "0.00001"');
export const bucket = shape(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "the name of an S3 bucket");

/** Shapes of ARNs that must lie in the stack's own account and region. */
export interface Here {
  readonly function: Shape;
  /** A function as it is called: with a version or alias, or without. */
  readonly callable: Shape;
  readonly image: Shape;
  readonly kmsKey: Shape;
  readonly layer: Shape;
  readonly listener: Shape;
  readonly principal: Shape;
  readonly rule: Shape;
  readonly secret: Shape;
  readonly targetGroup: Shape;
  readonly topic: Shape;
}

/** A function, its groups, its listeners and its image must be in one account and region, if these are known. */
export function inAccount(knownRegion: string | undefined, knownAccount: string | undefined): Here {
  const where = knownRegion ?? "[a-z0-9-]+";
  const who = knownAccount ?? "\\d{12}";
  const lies = [knownRegion, knownAccount].filter((one) => one !== undefined).join(", ");
  const within = lies === "" ? "" : ` in ${lies}`;
  const place = knownRegion === undefined ? "" : ` in ${knownRegion}`;
  const registry = `${knownRegion ?? "REGION"}.amazonaws.com`;
  const arn = (service: string, rest: string, what: string): Shape =>
    shape(new RegExp(`^arn:aws:${service}:${where}:${who}:${rest}$`), `the ARN of ${what}${within}`);
  const id = "[0-9a-f]{16}";
  const load = "[A-Za-z0-9-]{1,32}";
  return {
    function: arn("lambda", "function:[\\w-]{1,64}", "a Lambda function, without version or alias,"),
    callable: arn(
      "lambda",
      "function:[\\w-]{1,64}(:(\\$LATEST|[\\w-]{1,128}))?",
      "a Lambda function, perhaps with a version or alias,",
    ),
    image: shape(
      new RegExp(`^\\d{12}\\.dkr\\.ecr\\.${where}\\.amazonaws\\.com/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$`),
      `an image in a registry${place} by its digest: ACCOUNT.dkr.ecr.${registry}/NAME@sha256:…, no tag`,
    ),
    kmsKey: arn("kms", "key/[\\w-]+", "a KMS key"),
    layer: shape(
      new RegExp(`^arn:aws:lambda:${where}:\\d{12}:layer:[\\w-]{1,140}:\\d+$`),
      `the ARN of a layer's version${place}`,
    ),
    listener: arn(
      "elasticloadbalancing",
      `listener/app/${load}/${id}/${id}`,
      "the listener of an Application Load Balancer",
    ),
    principal: shape(
      new RegExp(`^arn:aws:iam::\\d{12}:(role|user)/[\\w+=,.@/-]+$`),
      "the ARN of one role or user, without *",
    ),
    rule: arn("elasticloadbalancing", `listener-rule/app/${load}/${id}/${id}/${id}`, "a listener rule"),
    secret: arn(
      "secretsmanager",
      "secret:[\\w/+=.@-]+-[A-Za-z0-9]{6}",
      "a secret, its six last characters too,",
    ),
    targetGroup: arn("elasticloadbalancing", `targetgroup/${load}/${id}`, "a target group"),
    topic: arn("sns", "[\\w-]+", "a topic"),
  };
}
