"""The smallest Lambda function that can do everything wrong; standard library only.

What it does with an ALB event is its path:
  /ok      200 with the name of the function
  /echo    200 with the whole event as body
  /raw     the request body, unchanged, as the answer of the function
  /large   an answer of more than 1 MB
  /raise   a function error
  /exit    the process ends
  /slow/MS 200 after so many milliseconds
  /5xx     a 503 of its own
  /version 200 with version and TINY_BUILD
Any other event is answered with itself, version, TINY_BUILD and ROLLOUT_CLOCK,
`{"sleep_ms": N}` after a while, `{"print": [LINE, …]}` with these lines printed, and `{"raise": true}` with an error. `TINY_INIT=fail|exit|hang` spoils the start.
The header x-local-cloud-fault is honoured as the scorers do.
"""

import http.client
import json
import os
import sys
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime"


def call(connection, method, path, body=None, chunked=False):
    headers = {"Lambda-Runtime-Function-Error-Type": "Tiny.Error"} if "error" in path else {}
    if chunked:
        parts = iter([body[: len(body) // 2], body[len(body) // 2 :]])
        connection.request(method, BASE + path, parts, headers, encode_chunked=True)
    else:
        connection.request(method, BASE + path, body, headers)
    answer = connection.getresponse()
    return answer, answer.read()


def answer_of(event, answer):
    path = event.get("path")
    if path is None:
        time.sleep(event.get("sleep_ms", 0) / 1000)
        for line in event.get("print", []):
            print(line, flush=True)
        if event.get("raise"):
            raise ValueError("asked to")
        headers = {k.lower(): v for k, v in answer.getheaders()}
        version, clock = os.environ["AWS_LAMBDA_FUNCTION_VERSION"], os.environ.get("ROLLOUT_CLOCK")
        return json.dumps({
            "event": event, "headers": headers, "pid": os.getpid(), "version": version,
            "build": os.environ.get("TINY_BUILD"), "clock": clock})
    headers = event.get("headers", {})
    kind, _, value = headers.get("x-local-cloud-fault", "").partition("=")
    if os.environ.get("LOCAL_CLOUD_FAULTS") == "1" and kind:
        if kind == "error":
            return json.dumps({"statusCode": 500, "body": "fault"})
        if kind == "latency":
            time.sleep(int(value) / 1000)
        if kind == "crash":
            os._exit(1)
        if kind == "hang":
            time.sleep(3600)
    if path.startswith("/raw"):
        return event["body"]
    if path.startswith("/large"):
        return json.dumps({"statusCode": 200, "body": "x" * (1024 * 1024 + 1)})
    if path.startswith("/raise"):
        raise ValueError("asked to")
    if path.startswith("/exit"):
        os._exit(3)
    if path.startswith("/slow/"):
        time.sleep(int(path.rsplit("/", 1)[1]) / 1000)
    if path.startswith("/5xx"):
        return json.dumps({"statusCode": 503, "body": "mine"})
    if path.startswith("/version"):
        version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        return json.dumps({"statusCode": 200, "body": version + " " + os.environ.get("TINY_BUILD", "")})
    body = json.dumps(event) if path.startswith("/echo") else os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    return json.dumps(
        {
            "statusCode": 200,
            "statusDescription": "200 OK",
            "isBase64Encoded": False,
            "headers": {"content-type": "text/plain", "x-function": os.environ["AWS_LAMBDA_FUNCTION_NAME"]},
            "body": body,
        }
    )


def main():
    connection = http.client.HTTPConnection(API)
    spoiled = os.environ.get("TINY_INIT")
    if spoiled == "exit":
        sys.exit(7)
    if spoiled == "hang":
        time.sleep(3600)
    if spoiled == "fail":
        error = json.dumps({"errorMessage": "no config", "errorType": "Tiny.Config"}).encode()
        call(connection, "POST", "/init/error", error)
        sys.exit(1)
    print(json.dumps({
        "_aws": {"Timestamp": 0, "CloudWatchMetrics": [
            {"Namespace": "Tiny", "Dimensions": [["Service"]], "Metrics": [{"Name": "Started"}]}]},
        "Service": "tiny", "Started": 1}), flush=True)
    while True:
        answer, event = call(connection, "GET", "/invocation/next")
        request_id = answer.getheader("Lambda-Runtime-Aws-Request-Id")
        try:
            result = answer_of(json.loads(event), answer).encode()
            call(connection, "POST", f"/invocation/{request_id}/response", result, chunked=len(result) > 64)
        except ValueError as error:
            body = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__}).encode()
            call(connection, "POST", f"/invocation/{request_id}/error", body)


main()
