import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { compare } from "../scripts/smoke-compare";
import { testerQueries } from "../scripts/tester-query";

type Answer = (rust: boolean) => { status?: number; body: string };

/** A load balancer with a header rule, on loopback. */
async function against(answer: Answer, header = "true"): Promise<string> {
  const server = createServer((request, response) => {
    assert.equal(request.headers["x-api-key"], "the-key");
    const { status = 200, body } = answer(request.headers["x-use-rust-scorer"] === "true");
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await compare({ url: `http://127.0.0.1:${port}/v2/stamps/1/score/0xab`, key: "the-key", header });
  } finally {
    server.close();
  }
}

const score = (value: string, more = {}) => JSON.stringify({ score: value, passing_score: true, ...more });

test("the same answer, but for the time it was made at", async () => {
  const said = await against((rust) => ({
    body: score("22.5", { last_score_timestamp: rust ? "10:01" : "10:00" }),
  }));
  assert.match(said, /^ok: .*3 fields/);
});

test("another score", async () => {
  await assert.rejects(
    against((rust) => ({ body: score(rust ? "22.4" : "22.5") })),
    /differ in score$/,
  );
});

test("a field more", async () => {
  await assert.rejects(
    against((rust) => ({ body: score("1", rust ? { error: null } : {}) })),
    /differ in error$/,
  );
});

test("a fault of the Rust side", async () => {
  const fault = against((rust) => (rust ? { status: 502, body: "bad gateway" } : { body: score("1") }));
  await assert.rejects(fault, /with the header: status 502: bad gateway/);
});

test("a page instead of a score", async () => {
  await assert.rejects(
    against(() => ({ body: "<html>" })),
    /without the header: no JSON with a score/,
  );
});

test("nobody there", async () => {
  const url = "http://127.0.0.1:9/";
  await assert.rejects(compare({ url, key: "the-key", header: "true" }), (error: Error) => {
    assert.match(error.message, /no answer/);
    assert.doesNotMatch(error.message, /the-key/);
    return true;
  });
});

test("the testers' requests are asked for with both dimensions", () => {
  const elb = "arn:aws:elasticloadbalancing:eu-west-1:111122223333";
  const outputs = JSON.stringify({
    listenerArns: { public: `${elb}:listener/app/public/50dc6c495c0c9188/f2f7dc8efc522ab2` },
    testerGroupArns: { public: `${elb}:targetgroup/score-public-tester/09966783158cda59` },
  });
  const [query] = testerQueries(outputs, "public") as any[];
  assert.deepEqual(query.MetricStat.Metric, {
    Namespace: "AWS/ApplicationELB",
    MetricName: "RequestCount",
    Dimensions: [
      { Name: "LoadBalancer", Value: "app/public/50dc6c495c0c9188" },
      { Name: "TargetGroup", Value: "targetgroup/score-public-tester/09966783158cda59" },
    ],
  });
  assert.throws(() => testerQueries(outputs, "internal"), /no listener internal; it has: public/);
});
