/** A stand-in of ELBv2's API, on a socket: what the check of existing rules asks of AWS. */

import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { AwsGroup, AwsRule } from "../src/existing";

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function xml(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => `<member>${xml(item)}</member>`).join("");
  if (typeof value !== "object" || value === null) return escape(String(value));
  return Object.entries(value)
    .map(([name, inner]) => `<${name}>${xml(inner)}</${name}>`)
    .join("");
}

export interface StandIn {
  readonly url: string;
  /** Operations that were asked for, with the page. */
  readonly asked: string[];
  close(): void;
}

/** Serves these rules of the listener of load balancer `public`, one a page, and none of others; `refuse` answers as AWS without the right. */
export async function elbv2(
  rules: readonly AwsRule[],
  groups: readonly AwsGroup[],
  refuse = false,
): Promise<StandIn> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (data: Buffer) => (body += data.toString()));
    request.on("end", () => {
      const form = new URLSearchParams(body);
      const action = form.get("Action") ?? "";
      const page = Number(form.get("Marker") ?? "0");
      asked.push(`${action} ${page}`);
      response.setHeader("content-type", "text/xml");
      if (refuse) {
        const error = { Type: "Sender", Code: "AccessDenied", Message: "not authorized to perform this" };
        response.statusCode = 403;
        response.end(`<ErrorResponse>${xml({ Error: error })}</ErrorResponse>`);
        return;
      }
      const its = form.get("ListenerArn")?.includes("/app/public/") === true ? rules : [];
      const more = page + 1 < its.length ? { NextMarker: String(page + 1) } : {};
      const result =
        action === "DescribeRules" ? { Rules: its.slice(page, page + 1), ...more } : { TargetGroups: groups };
      response.end(
        `<${action}Response><${action}Result>${xml(result)}</${action}Result></${action}Response>`,
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked, close: () => server.close() };
}
