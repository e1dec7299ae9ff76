"""Runs recorded cases against the function, each on a fresh copy of the seed.

Usage: check_golden.py CASES.json URL SEED_DATABASE
URL is a PostgreSQL address in which `%` stands for the database's name.
Settings come from the file. Cases about what the function leaves out (see
app.py) are named below with the reason; any other difference in status,
headers or body, or in the rows of the tables that the function writes, fails (but
for the times of links and scores).
The last line is `N passed, M failed`.
"""

import hashlib
import importlib
import json
import os
import re
import sys
from collections import Counter

import psycopg

SIGNATURES = "signatures are not verified"
DEMO = "demo keys and scorers do not exist"
LEFT_OUT = {
    "key-pbkdf2-migrates": "PBKDF2 keys are refused",
    "key-demo-alias": DEMO,
    "scorer-negative-is-demo": DEMO,
    "rate-limit-third-request": "no rate limit",
    "forged-issuer": SIGNATURES,
    "other-issuer-method": SIGNATURES,
    "millis-zero": SIGNATURES,
    "sig-variants": SIGNATURES,
    "proof-purpose": SIGNATURES,
    "untyped-field": SIGNATURES,
}
NOW = re.compile(r'("last_score_timestamp":)"[^"]+"')
ID = re.compile(r'("(?:pk|passport)": )\d+')
NOW_EVENT = re.compile(r'("last_score_timestamp": )"[^"]+"')
SHOWN = {
    "registry_passport": "SELECT address, community_id, requires_calculation FROM registry_passport",
    "registry_hashscorerlink": "SELECT hash, community_id, address FROM registry_hashscorerlink",
    "registry_score": "SELECT p.address, p.community_id, s.score::text, s.status, s.error, s.stamps"
    " FROM registry_score s JOIN registry_passport p ON p.id = s.passport_id",
    "registry_stamp": "SELECT p.address, s.provider, s.credential"
    " FROM registry_stamp s JOIN registry_passport p ON p.id = s.passport_id",
    "registry_event": "SELECT action, address, community_id, data FROM registry_event",
    "account_accountapikeyanalytics": "SELECT path, path_segments, query_params, payload, headers,"
    " response, response_skipped, error, status_code FROM account_accountapikeyanalytics",
}
ADDED = {
    "registry_passport": ("address", "community_id", "requires_calculation"),
    "registry_hashscorerlink": ("hash", "community_id", "address"),
    "registry_score": ("passport_address", "community_id", "score", "status", "error", "stamps"),
    "registry_stamp": ("passport_address", "provider", "credential"),
    "registry_event": ("action", "address", "community_id", "data"),
    "account_accountapikeyanalytics": (
        "path",
        "path_segments",
        "query_params",
        "payload",
        "headers",
        "response",
        "response_skipped",
        "error",
        "status_code",
    ),
}


def line(table, row):
    """A row in a form that can be compared: ids and the time of the answer blanked."""
    row = list(row)
    if table == "registry_stamp" and isinstance(row[2], dict):
        text = json.dumps(row[2], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        row[2] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    if table == "account_accountapikeyanalytics":
        row[5] = json.loads(NOW.sub(r'\1"<now>"', row[5]))
    if table == "registry_event" and "fields" in row[3]:
        # With weights stored as numbers its last digits depend on the order of rows.
        evidence = row[3]["fields"]["evidence"]
        evidence["rawScore"] = f"{float(evidence['rawScore']):.5f}"
    text = json.dumps(row, default=str, sort_keys=True)
    return NOW_EVENT.sub(r'\1"<now>"', ID.sub(r'\1"<id>"', text))


def rows(url):
    with psycopg.connect(url) as connection:
        return {
            table: Counter(line(table, row) for row in connection.execute(sql))
            for table, sql in SHOWN.items()
        }


def settle(response):
    """A response in a form that can be compared: body as JSON, time blanked."""
    body = json.loads(NOW.sub(r'\1"<now>"', response["body"]))
    return {**response, "body": body}


def differences(step, app, url, analytics):
    before = rows(url)
    got = settle(app.handler(step["event"], None))
    expected = settle(step["response"])
    if got != expected:
        yield f"expected {json.dumps(expected)}\n     got {json.dumps(got)}"
    after = rows(url)
    for table, columns in ADDED.items():
        if table == "account_accountapikeyanalytics" and not analytics:
            continue
        change = step["writes"].get(table, {})

        def wanted(kind):
            found = ([row[column] for column in columns] for row in change.get(kind, []))
            return Counter(line(table, row) for row in found)

        added, gone = wanted("added"), wanted("gone")
        for kind, found, wanted_here in (
            # A row of which only a time changed looks unchanged here.
            ("added", after[table] - before[table], added - gone),
            ("gone", before[table] - after[table], gone - added),
        ):
            if found != wanted_here:
                yield (
                    f"{table} {kind}: expected {sorted(wanted_here.elements())}\n"
                    f"     got {sorted(found.elements())}"
                )


def main(cases, server, seed):
    def url_of(database):
        return server.replace("%", database, 1)

    with open(cases, encoding="utf-8") as file:
        golden = json.load(file)
    passed = failed = 0
    admin = psycopg.connect(url_of("postgres"), autocommit=True)
    app = None
    for case in golden["cases"]:
        if case["name"] in LEFT_OUT:
            print(f"left out {case['name']}: {LEFT_OUT[case['name']]}")
            continue
        admin.execute("DROP DATABASE IF EXISTS twin WITH (FORCE)")
        admin.execute(f'CREATE DATABASE twin TEMPLATE "{seed}"')
        url = url_of("twin")
        os.environ["DATABASE_URL"] = url
        for name, value in {**golden["environment"], **case.get("settings", {})}.items():
            os.environ[name] = value if isinstance(value, str) else json.dumps(value)
        app = importlib.reload(app) if app else importlib.import_module("app")
        found = [line for step in case["steps"] for line in differences(step, app, url, case["analytics"])]
        for line in found:
            print(f"{case['name']}: {line}")
        failed += bool(found)
        passed += not found
        app.DATABASE.open().close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
