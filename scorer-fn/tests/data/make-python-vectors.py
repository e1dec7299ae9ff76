"""Writes python-vectors.json: what Python itself says about numbers and dates.

Needs nothing beside Python 3.11 or later. The seed is fixed, so the file
changes only with this script or with Python.
"""

import base64
import binascii
import json
import random
import unicodedata
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

numbers = []
for text in ("-0", "-0.0", "-0.000001", "-0.000005", "-0.0000050001", "-0E-9", "-0e3", "0", "-1", "１２.５", "\x1f٣\u3000", "-1e-40",
             "12345678901234567890123"):
    number = Decimal(text)
    numbers.append({"text": text, "str": str(number), "fixed": f"{number:.5f}", "float": f"{float(number):.5f}",
                    "double_fixed": f"{Decimal(float(number)):.5f}"})
for weights in (["-0"], ["-0.000001"], ["-0", "-0.00"], ["0.5", "-0.50"], ["-0.25", "0.249999"]):
    result = total(weights)
    sums.append({"weights": weights, "str": str(result), "fixed": f"{result:.5f}", "float": float(result)})

refused = []
for text in ("", "abc", "1.2.3", "1e", "e5", "--1", "1 2", ".", "0x10", "1,5", "²", "１,5"):
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

def note_date(text):
    try:
        time = datetime.fromisoformat(text)
        aware = time.tzinfo is not None
        dates.append({"text": text, "aware": aware} | ({"isoformat": time.isoformat()} if aware else {}))
    except ValueError as error:
        dates.append({"text": text, "error": str(error)})


for text in (
    "2099-W01-1T00:00:00Z", "2099-W01T00:00:00Z", "2099W011T00:00:00Z", "2099W01T00:00:00Z", "2099W01", "2099-W01", "2099-W01-1",
    "2099W011", "2020-W53-7T23:59:59.5+01:00", "2099-W53-1T00Z", "2098-W53-1T00Z", "2099-W00-1T00Z", "2099-W54-1T00Z",
    "2099-W01-0T00Z", "2099-W01-8T00Z", "9999-W52-5T00Z", "9999-W52-6T00Z", "0001-W01-1T00Z", "0000-W01-1T00Z", "0000-W53-1T00Z",
    "2099W01100Z", "2099W0100Z", "2099W0110000Z", "2099W011000000Z", "2099-W01-00Z", "2099-W01-1-00:00Z", "2099-W01-",
    "2099-W01-1T", "2099-W011T00Z", "2099W01-1T00Z", "2099-W1-1T00Z", "2099-w01-1T00Z", "2099W011é00Z", "2099-W01é00Z",
    "2099-W01-é00Z", "209901", "2099-01", "2099010", "20990101", "2099W1", "2099W1é", "209901é",
):
    note_date(text)
for clock in (
    "12:34:56.5xZ", "12:34:56.5x", "12.5Z", "12:34.5Z", "12,5", "12345678Z", "12345678", "1234567Z", "12:34:5678Z", "12:34:56:78Z",
    "12:34:56:Z", "12:34:56xZ", "12:34:56xyZ", "12:3456Z", "1234:56Z", "12:34:56.Z", "12:34:56.", "12:Z", "12:", "12.Z", "1234.Z",
    "12345Z", "12:34:56.1234567xZ", "12:34:56.123456xyzZ", "12:34:56.1234567x", "00+01:00x", "00+01:", "00Z+01:00", "00+Z", "00+", "00ZZ",
    "00-01-01", "12:34:56éZ", "12:34:56.123456éZ", "00+24", "00+01:99", "12:34:567Z", "123456789", "1Z", "Z", "é", "24.5Z",
):
    note_date("2099-01-01T" + clock)
for _ in range(300):
    year = rng.choice(["2020", "2026", "2098", "2099", f"{rng.randrange(1, 10000):04}"])
    week = f"W{rng.choice([1, 2, 30, 52, 53, rng.randrange(100)]):02}"
    day = rng.choice(["", str(rng.randrange(10)), f"-{rng.randrange(1, 8)}"])
    clock = rng.choice(["", "00", "0000", "12:34", "123456", "12:34:56.5", "7"])
    text = year + rng.choice(["", "-"]) + week + day + rng.choice(["T", "", "-", "5", " "]) + clock + rng.choice(["", "Z", "+01:00"])
    if rng.randrange(4) == 0:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice("0-W:Z5é") + text[at + rng.randrange(2):]
    note_date(text)
for _ in range(200):
    clock = "".join(rng.choice("0123459:.,Zx+") for _ in range(rng.randrange(3, 12)))
    if "+" not in clock:
        note_date("20990101T12" + clock + rng.choice(["", "Z"]))

integers = []
for text in ("0", "-0", "007", "1_000", "_1", "1_", "1__0", " 12 ", "+5", "-5", "--5", "", "+", "0x1", "1.0", "9223372036854775807",
             "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "-00001", "１０１", "-١", "१_२", "１2", "²",
             "Ⅷ", "\x1c5\x1f", "\u20035\x85", "_１", "𝟙𝟘"):
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
             "{\"a\":1 \"b\":2}", "\"é\" x", "é", "{1:2}", "\"\\u12\"", "[", "{\"a\":1", "{\"a\":", "{\"a\"", "\ufeff{}", "\ufeff", " \ufeff{}"):
    try:
        json.loads(text)
        bodies.append({"text": text})
    except ValueError as error:
        bodies.append({"text": text, "error": str(error)})

undecodable = []
for data in (b"\xff", b"a\xc0\x80", b"\xe2\x82", b"\xe2(\xa1", b"\xc3", b"\xc3(", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf0\x9f(",
             b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"{}\x80"):
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        undecodable.append({"hex": data.hex(), "error": str(error)})


def ranges(holds):
    """The characters of which something holds, as `first-last first-last …` in hex."""
    found = []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or not holds(chr(code)):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return " ".join(f"{first:x}-{last:x}" for first, last in found)


printable = ranges(str.isprintable)
unassigned = ranges(lambda c: unicodedata.category(c) == "Cn")
digits = ranges(str.isdecimal)
reprs = [{"text": text, "repr": repr(text)} for text in (
    "a\xa0b", "\xad", "\u200b", "\u2028\u2029", "e\u0301", "\u0301", "\ufeff", "\U000e0001", "\U0010ffff", "\ue000", "\u3000", "\x7f\x80",
    "\x00\x1b", "it's \u200b\"", "☃ é 😀", "\\", "\u0378")]

with open("python-vectors.json", "w", encoding="utf-8") as out:
    json.dump({"sums": sums, "refused": refused, "dates": dates, "integers": integers, "decodings": decodings,
               "bodies": bodies, "numbers": numbers, "undecodable": undecodable, "reprs": reprs, "printable": printable,
               "unassigned": unassigned, "digits": digits}, out, indent=0, ensure_ascii=False)
    out.write("\n")
