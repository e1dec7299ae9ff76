/** Our rules among those that a listener has. The stack is that of examples/existing-stack. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EVERYTHING, SECRET } from "../src/conditions";
import type { Conditions } from "../src/conditions";
import { compare, compareGroups } from "../src/existing";
import type { AwsRule, OurRule } from "../src/existing";

const ELB = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";
const group = (name: string) => `${ELB}:targetgroup/${name}/0123456789abcdef`;
const ruleArn = (id: number) => `${ELB}:listener-rule/app/public/1/2/${String(id).padStart(16, "0")}`;

const OLD = group("python-score");
const SCORE = "/v2/stamps/*/score/*";
const HOST = "api.example.com";

type Tuple = [name: string, weight: number];
const forward = (...tuples: Tuple[]) => [
  {
    Type: "forward",
    ForwardConfig: {
      TargetGroups: tuples.map(([name, Weight]) => ({ TargetGroupArn: group(name), Weight })),
    },
  },
];

interface Shape {
  readonly paths?: string[];
  readonly hosts?: string[];
  readonly methods?: string[];
  readonly headers?: Record<string, string[]>;
}

const rule = (
  priority: number | "default",
  { paths, hosts, methods, headers = {} }: Shape,
  Actions: any[],
): AwsRule => ({
  RuleArn: ruleArn(priority === "default" ? 0 : priority),
  Priority: String(priority),
  IsDefault: priority === "default",
  Conditions: [
    ...(paths ? [{ Field: "path-pattern", PathPatternConfig: { Values: paths } }] : []),
    ...(hosts ? [{ Field: "host-header", HostHeaderConfig: { Values: hosts } }] : []),
    ...(methods ? [{ Field: "http-request-method", HttpRequestMethodConfig: { Values: methods } }] : []),
    ...Object.entries(headers).map(([HttpHeaderName, Values]) => ({
      Field: "http-header",
      HttpHeaderConfig: { HttpHeaderName, Values },
    })),
  ],
  Actions,
});

const BLOCK = rule(2000, { hosts: ["bad.example.com"] }, [
  { Type: "fixed-response", FixedResponseConfig: { StatusCode: "403" } },
]);
const HISTORY = rule(2111, { paths: [`${SCORE}/history`], hosts: [HOST] }, forward(["registry", 1]));
const WEIGHTED = rule(
  2113,
  { paths: [SCORE], hosts: [HOST] },
  forward(["python-score", 100], ["rust-shared", 0]),
);
const CATCH_ALL = rule(2200, { paths: ["/v2/*"], hosts: [HOST] }, forward(["registry", 1]));
const DEFAULT = rule("default", {}, [{ Type: "redirect" }]);
const FOUND = [BLOCK, HISTORY, WEIGHTED, CATCH_ALL, DEFAULT];

const conditions = (more: Partial<Conditions> = {}): Conditions => ({
  ...EVERYTHING,
  paths: [SCORE],
  hosts: [HOST],
  ...more,
});

const weighted = (more: Partial<OurRule> = {}): OurRule => ({
  key: "routes[0]",
  kind: "weighted",
  priority: 2113,
  conditions: conditions(),
  ruleArn: ruleArn(2113),
  asFound: false,
  group: "score-public-rust",
  madeHere: true,
  old: [OLD],
  takesFrom: [],
  ...more,
});

const header = (more: Partial<OurRule> = {}, before = weighted()): OurRule => ({
  ...weighted({ key: "listeners.public.headerRule", kind: "header", priority: 2112, ruleArn: undefined }),
  conditions: conditions({ headers: { "x-use-rust-scorer": ["true"] } }),
  group: "score-public-tester",
  old: [OLD, group("score-public-rust")],
  before,
  ...more,
});

const texts = (ours: OurRule[], rules: readonly AwsRule[] = FOUND) =>
  compare(ours, rules).map(({ key, fix }) => `${key}: ${fix}`);
const one = (ours: OurRule[], text: RegExp, rules: readonly AwsRule[] = FOUND) => {
  const found = texts(ours, rules);
  assert.equal(found.length, 1, found.join("\n"));
  assert.match(found[0] ?? "", text);
};

describe("adopting the weighted rule where it is", () => {
  test("takes nothing from anybody", () => {
    assert.deepEqual(texts([weighted({ asFound: true }), header()]), []);
  });

  test("other conditions or another priority than it has are refused in the step that takes it as it is", () => {
    const text = /^routes\[0\]: describes rule 2113 \(.*methods? GET.*\), but it is rule 2113 \(/;
    one([weighted({ asFound: true, conditions: conditions({ methods: ["GET"] }) })], text);
    one([weighted({ asFound: true, priority: 2114 })], /describes rule 2114 .*, but it is rule 2113/);
  });

  test("a rule that is gone", () => {
    one([weighted({ ruleArn: ruleArn(9) })], /names the rule .*0009, which the listener does not have/);
  });

  test("the listener's default rule", () => {
    one(
      [weighted({ ruleArn: ruleArn(0) })],
      /is the listener's default rule: .*ModifyListener.*rule with a number/,
    );
  });

  test("the header rule's value in other letters is the same rule", () => {
    const existing = rule(
      2112,
      { paths: [SCORE], hosts: ["API.example.com"], headers: { "X-Use-Rust-Scorer": ["TRUE"] } },
      forward(["rust-shared", 1]),
    );
    const adopted = header({ ruleArn: ruleArn(2112), asFound: true });
    assert.deepEqual(texts([weighted(), adopted], [...FOUND, existing]), []);
    const other = { ...existing, Conditions: existing.Conditions?.slice(0, 2) };
    one([weighted(), adopted], /headerRule: describes rule 2112/, [...FOUND, other]);
  });

  test("a secret value is neither compared nor shown", () => {
    const existing = rule(
      2112,
      { paths: [SCORE], hosts: [HOST], headers: { "X-Use-Rust-Scorer": ["s3cret"] } },
      forward(["rust-shared", 1]),
    );
    const secret = conditions({ headers: { "x-use-rust-scorer": [SECRET] } });
    assert.deepEqual(
      texts(
        [weighted(), header({ ruleArn: ruleArn(2112), asFound: true, conditions: secret })],
        [...FOUND, existing],
      ),
      [],
    );
    const wrong = texts(
      [header({ ruleArn: ruleArn(2112), asFound: true, priority: 2110, conditions: secret })],
      [...FOUND, existing],
    );
    assert.doesNotMatch(wrong.join(), /s3cret/);
  });
});

describe("a rule of our own before the others", () => {
  const ours = (more: Partial<OurRule> = {}) => weighted({ ruleArn: undefined, priority: 110, ...more });

  test("may take what goes to the old side anyway", () => {
    assert.deepEqual(texts([ours({ priority: 2112 })]), []);
  });

  test("takes the more specific history rule's requests, and is refused", () => {
    one(
      [ours()],
      /^routes\[0\]\.priority: is 110; it would take requests from rule 2111 \(.*history, host api.*\), which leads to registry\. Give it a number above 2111, .*or name 2111 in takesFrom/,
    );
  });

  test("unless that is wanted", () => {
    assert.deepEqual(texts([ours({ takesFrom: [2111] })]), []);
  });

  test("without its hosts it would open the block, too", () => {
    const open = ours({ conditions: conditions({ hosts: [] }), takesFrom: [2111] });
    const found = texts([open]);
    assert.equal(found.length, 3, found.join("\n"));
    assert.match(
      found[0] ?? "",
      /from rule 2000 \(host bad.example.com\), which answers 403 and blocks them/,
    );
    assert.match(found[1] ?? "", /from rule 2200 .*leads to registry/);
    assert.match(found[2] ?? "", /from the default rule, which redirects them.*name "default"/);
  });

  test("a rule with shares for others takes the old side's requests only in part", () => {
    const moved = { ...WEIGHTED, Actions: forward(["python-score", 95], ["rust-shared", 5]) };
    one([ours({ priority: 2112 })], /from rule 2113 .*leads to python-score and rust-shared/, [
      BLOCK,
      HISTORY,
      moved,
      CATCH_ALL,
    ]);
  });

  test("a login that the rule behind asks for would be gone", () => {
    const login = { ...WEIGHTED, Actions: [{ Type: "authenticate-oidc" }, ...forward(["python-score", 1])] };
    one([ours({ priority: 2112 })], /from rule 2113 .*asks for a login first/, [login]);
  });

  test("a catch-all of another service", () => {
    one([ours({ conditions: conditions({ paths: ["/v2/other"] }) })], /from rule 2200 .*leads to registry/);
  });

  test("nothing behind a rule that takes all of them is looked at", () => {
    const behind = rule(2114, { paths: [`${SCORE}/history`], hosts: [HOST] }, forward(["registry", 1]));
    assert.deepEqual(texts([ours({ priority: 2112 })], [WEIGHTED, behind]), []);
  });

  test("a number that is taken", () => {
    one(
      [ours({ priority: 2111 })],
      /priority: is 2111; rule 2111 .* has that number already: choose another number/,
    );
    one([ours({ priority: 2113 })], /rule 2113 .* has that number already: take it over with `adopt`/);
    const elsewhere = rule(50, { hosts: ["other.example.com"] }, forward(["registry", 1]));
    one([ours({ priority: 50, takesFrom: [2111] })], /rule 50 .* has that number already/, [
      ...FOUND,
      elsewhere,
    ]);
  });

  test("a rule before it that takes everything", () => {
    const all = rule(7, { paths: ["/v2/*"] }, forward(["python-score", 1]));
    one([ours({ takesFrom: [2111] })], /rule 7 \(\/v2\/\*\) takes all its requests before it/, [
      ...FOUND,
      all,
    ]);
    const some = rule(7, { paths: ["/v2/*"], methods: ["POST"] }, forward(["registry", 1]));
    assert.deepEqual(texts([ours({ takesFrom: [2111] })], [...FOUND, some]), []);
  });

  test("what cannot be compared could take the same requests", () => {
    const query = rule(120, {}, forward(["registry", 1]));
    const regex = { ...query, Conditions: [{ Field: "path-pattern", PathPatternConfig: {} }] };
    const strings = { ...query, Conditions: [{ Field: "query-string", QueryStringConfig: {} }] };
    for (const unclear of [regex, strings]) {
      one([ours({ priority: 110, takesFrom: [2111] })], /from rule 120/, [unclear, ...FOUND]);
    }
  });

  test("another host, another method, another address are other requests", () => {
    const of = (more: Partial<Conditions>) => [
      ours({ conditions: conditions(more), takesFrom: [2200, "default"] }),
    ];
    assert.deepEqual(texts(of({ hosts: ["other.example.com"] })), []);
    const posts = { ...HISTORY, Conditions: rule(1, { paths: [SCORE], methods: ["POST"] }, []).Conditions };
    assert.deepEqual(texts(of({ methods: ["GET"] }), [posts]), []);
    const office = {
      ...HISTORY,
      Conditions: [{ Field: "source-ip", SourceIpConfig: { Values: ["10.0.0.0/8"] } }],
    };
    assert.deepEqual(texts(of({ sourceIps: ["203.0.113.0/24"] }), [office]), []);
    one(of({ sourceIps: ["10.1.0.0/16"] }), /from rule 2111 \(from 10\.0\.0\.0\/8\)/, [office]);
    const v6 = {
      ...HISTORY,
      Conditions: [{ Field: "source-ip", SourceIpConfig: { Values: ["2001:db8::/32"] } }],
    };
    assert.deepEqual(texts(of({ sourceIps: ["10.1.0.0/16"] }), [v6]), []);
  });

  test("once it is there, it is ours, and the check is quiet", () => {
    const made = rule(
      110,
      { paths: [SCORE], hosts: [HOST] },
      forward(["python-score", 75], ["score-public-rust", 25]),
    );
    assert.deepEqual(texts([ours()], [...FOUND, made]), []);
    one([ours({ conditions: conditions({ paths: ["/v2/*"] }) })], /from rule 2111/, [
      BLOCK,
      HISTORY,
      WEIGHTED,
      made,
    ]);
  });
});

describe("the header rule", () => {
  test("at 99 takes testers' requests from a more specific rule, and is refused", () => {
    one(
      [weighted(), header({ priority: 99 })],
      /^listeners\.public\.headerRule\.priority: is 99; it would take requests with the header from rule 2111/,
    );
  });

  test("at 99 without hosts it would be a way around the block", () => {
    const open = weighted({ conditions: conditions({ hosts: [] }) });
    const found = texts([
      header(
        { priority: 99, conditions: { ...open.conditions, headers: { h: ["x"] } }, takesFrom: [2111] },
        open,
      ),
    ]);
    assert.match(found[0] ?? "", /requests with the header from rule 2000 .*blocks them/);
  });

  test("rules behind the weighted rule have lost those requests already", () => {
    assert.deepEqual(texts([weighted(), header()]), []);
  });

  test("but for methods that the weighted rule does not take", () => {
    const gets = weighted({ conditions: conditions({ methods: ["GET"] }) });
    one([header({}, gets)], /requests with the header from rule 2200/, [CATCH_ALL]);
    const same = header({ conditions: { ...header().conditions, methods: ["GET"] } }, gets);
    assert.deepEqual(texts([same], [CATCH_ALL]), []);
  });
});

describe("a group of your own for the new side", () => {
  test("that other rules lead to as well is no evidence for one route", () => {
    const shared = weighted({ group: "rust-shared", madeHere: false });
    const other = rule(
      2150,
      { paths: ["/v2/cache"], hosts: [HOST] },
      forward(["python-cache", 100], ["rust-shared", 0]),
    );
    one(
      [shared],
      /leads to rust-shared, and so does rule 2150 .*Make one group a route: a function may be in any number of groups/,
      [...FOUND, other],
    );
  });

  test("in a rule made here, which is found again by its number", () => {
    const ours = weighted({ group: "rust-own", madeHere: false, ruleArn: undefined, priority: 2112 });
    const made = rule(2112, { paths: [SCORE], hosts: [HOST] }, forward(["python-score", 1], ["rust-own", 0]));
    assert.deepEqual(texts([ours], [...FOUND, made]), []);
  });
});

describe("groups", () => {
  const named = [{ key: "routes[0].oldTargetGroupArn", arn: OLD, loadBalancer: "app/public/1" }];
  const is = (more: object) => [{ TargetGroupArn: OLD, TargetType: "lambda", LoadBalancerArns: [], ...more }];

  test("of type lambda, on this load balancer or none", () => {
    assert.deepEqual(compareGroups(named, is({})), []);
    assert.deepEqual(
      compareGroups(named, is({ LoadBalancerArns: [`${ELB}:loadbalancer/app/public/1`] })),
      [],
    );
  });

  test("of instances or addresses: refused with the reason", () => {
    for (const type of ["instance", "ip", "alb"]) {
      const [problem] = compareGroups(named, is({ TargetType: type }));
      assert.match(
        problem?.fix ?? "",
        new RegExp(`a group of type ${type}; only groups of type lambda are supported: failed`),
      );
    }
  });

  test("of another load balancer, or gone", () => {
    const [other] = compareGroups(named, is({ LoadBalancerArns: [`${ELB}:loadbalancer/app/internal/1`] }));
    assert.match(other?.fix ?? "", /belongs to .*app\/internal\/1; a group serves one load balancer/);
    assert.match(compareGroups(named, [])[0]?.fix ?? "", /does not exist/);
  });
});
