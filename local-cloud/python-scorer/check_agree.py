"""Asks this function and the Rust scorer the same, in turn, on one database.

Usage: check_agree.py HTTP_URL API_KEY ADDRESSES
HTTP_URL is a running Rust scorer; DATABASE_URL and the settings in the
environment must be those it has; ADDRESSES is a file with a wallet a line.
Who is asked first alternates, so each side also answers from what the other
wrote. Status and body are compared, but for the time of the answer. The last
line is `N passed, M failed`.
"""

import http.client
import json
import re
import sys
from urllib.parse import urlsplit

import app

NOW = re.compile(r'("last_score_timestamp":)"[^"]+"')
SCORERS = ("1", "2", "3", "demo")


def requests(key, addresses):
    """(path, API key): everything that counts, and the common errors."""
    first = addresses[0]
    yield from ((f"/v2/stamps/{s}/score/{a}", key) for s in SCORERS for a in addresses)
    for path in (
        f"/v2/stamps/1/score/{first.upper()}",
        f"/v2/stamps/1/score/{first}/",
        "/v2/stamps/1/score/0x12",
        "/v2/stamps/1/score/vitalik.eth",
        f"/v2/stamps/999/score/{first}",
        f"/v2/stamps/word/score/{first}",
    ):
        yield path, key
    for wrong in (None, "", "DemoKeyA", key + "x", "Nobody.1"):
        yield f"/v2/stamps/1/score/{first}", wrong


def settled(status, body):
    return status, json.loads(NOW.sub(r'\1"<now>"', body))


def ask_python(path, key):
    event = {
        "path": path,
        "headers": {} if key is None else {"x-api-key": key},
        "queryStringParameters": {},
        "body": "",
        "isBase64Encoded": False,
    }
    answer = app.handler(event, None)
    return settled(answer["statusCode"], answer["body"])


def main(url, key, file):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def ask_rust(path, key):
        connection.request("GET", path, headers={} if key is None else {"x-api-key": key})
        response = connection.getresponse()
        return settled(response.status, response.read().decode())

    with open(file, encoding="utf-8") as lines:
        addresses = lines.read().split()
    passed = failed = scored = 0
    for turn in range(2):
        for number, (path, given) in enumerate(requests(key, addresses)):
            rust_first = (number + turn) % 2
            rust = ask_rust(path, given) if rust_first else None
            python = ask_python(path, given)
            rust = rust or ask_rust(path, given)
            scored += python[0] == 200 and python[1]["error"] is None
            if rust == python:
                passed += 1
            else:
                failed += 1
                print(f"{path}\n  rust   {rust}\n  python {python}")
    print(f"{scored} answers were scores")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not scored else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
