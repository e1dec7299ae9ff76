"""Writes python-vectors.json: what Python itself says about numbers and dates.

Needs nothing beside Python 3.11 or later. The seed is fixed, so the file
changes only with this script or with Python.
"""

import base64
import binascii
import json
import random
from datetime import datetime
from decimal import Decimal, InvalidOperation

rng = random.Random(20261124)


def weight():
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice([0.1, 0.2, 1.000005, 1e-05, 123456.789, 3.0, 1e22, rng.random(), rng.random() * 1e-9])
    if kind == 1:
        return rng.randrange(0, 40)
    digits = rng.choice([1, 3, 5, 12, 30])
    text = str(rng.randrange(0, 10**digits))
    if kind == 2:
        return text + "." + str(rng.randrange(0, 10**digits))
    if kind == 3:
        return f"{text[0]}.{text[1:] or '0'}E{rng.choice(['+', '-', ''])}{rng.randrange(0, 12)}"
    return rng.choice(["", " ", "+", "-"]) + "0." + "0" * rng.randrange(0, 9) + text


def total(weights):
    result = Decimal(0)
    for item in weights:
        result += Decimal(item)
    return result


sums = []
for _ in range(400):
    weights = [weight() for _ in range(rng.randrange(1, 14))]
    result = total(weights)
    sums.append({"weights": weights, "str": str(result), "fixed": f"{result:.5f}", "float": float(result)})
for weights in (["1.000005"], ["1.000015"], ["0.000005"], ["0.000015"], ["-0.000025"], ["1E+1"], ["0E-7"], ["1e30", "1e-3"]):
    result = total(weights)
    sums.append({"weights": weights, "str": str(result), "fixed": f"{result:.5f}", "float": float(result)})

refused = []
for text in ("", "abc", "1.2.3", "1e", "e5", "--1", "1 2", ".", "0x10", "1,5"):
    try:
        Decimal(text)
    except InvalidOperation as error:
        refused.append({"text": text, "error": str(error)})

dates = []
for text in (
    "2099-06-01T12:34:56.789Z", "2099-06-01T12:34:56Z", "2099-06-01T12:34:56.5Z", "2099-06-01T12:34:56.123456789Z",
    "2099-06-01 12:34:56+02:00", "2099-06-01T12:34:56-05:30", "2099-06-01T12:34+00:00", "2099-06-01T12Z",
    "20990601T123456Z", "20990601T123456.5+0200", "2099-06-01", "2099-06-01T12:34:56", "2099-02-29T00:00:00Z",
    "2096-02-29T00:00:00Z", "2099-13-01T00:00:00Z", "2099-00-01T00:00:00Z", "2099-01-32T00:00:00Z",
    "2099-01-01T24:00:00Z", "2099-01-01T00:60:00Z", "2099-01-01T00:00:60Z", "0000-01-01T00:00:00Z", "garbage",
    "", "2099", "2099-1-1T00:00:00Z", "2099-01-01T", "2099-01-01TZ", "2099-01-01T00:00:00.Z", "2099-01-01T00:00:00z",
    "2099-01-01T00:00:00+25:00", "2099-01-01T00:00:00+01", "2099-01-01T00:00:00+01:02:03", "2099-01-01T00:00:00 Z",
    "2099-01-01T00:00:00Zx", "it's never", 'say "never"', "it's \"never\"", "back\\slash", "tab\there", "2099-01-01T0:00:00Z",
    "2099-01-01T000000,25Z", "2099-01-01T00:00:00,25Z", "2099/01/01T00:00:00Z", "１099-01-01T00:00:00Z",
    "2099-01-01é00:00:00Z",
):
    entry = {"text": text}
    try:
        time = datetime.fromisoformat(text)
        entry["aware"] = time.tzinfo is not None
        if time.tzinfo is not None:
            entry["isoformat"] = time.isoformat()
    except ValueError as error:
        entry["error"] = str(error)
    dates.append(entry)
for _ in range(300):
    zone = rng.choice(["Z", "+00:00", f"+{rng.randrange(24):02}:{rng.randrange(60):02}", f"-{rng.randrange(24):02}:{rng.randrange(60):02}"])
    fraction = rng.choice(["", "." + str(rng.randrange(10 ** rng.randrange(1, 10))).zfill(3)])
    text = (f"{rng.randrange(1, 10000):04}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
            f"T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction}{zone}")
    time = datetime.fromisoformat(text)
    dates.append({"text": text, "aware": True, "isoformat": time.isoformat()})

integers = []
for text in ("0", "-0", "007", "1_000", "_1", "1_", "1__0", " 12 ", "+5", "-5", "--5", "", "+", "0x1", "1.0", "9223372036854775807",
             "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "-00001"):
    try:
        value = int(text)
        integers.append({"text": text, "value": str(value)})
    except ValueError:
        integers.append({"text": text, "value": None})

decodings = []
for text in ("", "eyJhIjoxfQ==", "eyJhIjoxfQ", "eyJhIjoxfQ=", "%%%", "e", "ey", "eyJ", "ey==", "e y J h", "eyJhIjoxfQ==trailing",
             "=", "====", "e===", "ey=J=h", "/+8=", "-_8="):
    try:
        decodings.append({"text": text, "hex": base64.b64decode(text).hex()})
    except binascii.Error as error:
        decodings.append({"text": text, "error": str(error)})

bodies = []
for text in ("hello", "{", "{}", "[1,2", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "nul", "null", "  ", "{} x", "\"open", "1 2",
             "tru", "\n\n{\"a\": x}", "[\"a\" \"b\"]", "{\"a\" 1}", "\"\t\"", "01", "-", "1.", "\"\\x\"", "NaN", "[Infinity]", "-Infinity",
             "{\"a\":1 \"b\":2}", "\"é\" x", "é", "{1:2}", "\"\\u12\"", "[", "{\"a\":1", "{\"a\":", "{\"a\""):
    try:
        json.loads(text)
        bodies.append({"text": text})
    except ValueError as error:
        bodies.append({"text": text, "error": str(error)})

with open("python-vectors.json", "w", encoding="utf-8") as out:
    json.dump({"sums": sums, "refused": refused, "dates": dates, "integers": integers, "decodings": decodings,
               "bodies": bodies}, out, indent=0, ensure_ascii=False)
    out.write("\n")
