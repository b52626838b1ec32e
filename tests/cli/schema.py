"""schema.py: what the JSON Schema says of documents, for schema.bats.

  schema.py check SCHEMA             is it a valid schema? (exit code)
  schema.py members SCHEMA           the names it has, one a line
  schema.py judge SCHEMA FILE...     the files it accepts, one a line
  schema.py lines SCHEMA FILE        the numbers of the lines it refuses
  schema.py mutate SEED COUNT FILE...   documents made from these, one a line

Exits with 77 where there is no jsonschema.
"""
import json
import random
import sys

try:
    from jsonschema import Draft202012Validator as Validator
except ImportError:
    sys.exit(77)

# As they stand in a document.  No lone surrogates, no text that a double
# rounds: those are no matter of a schema.
POOL = """
null true false 0 -0 0.0 -1 1 2.5 3.0 1e1 1e2 1.01e2 100 101 -100 -101 1000 1001 0.99 1e-9 1e400 -1e400
255 256 315360000 315360001 315360000000 315360000001 253402300799 253402300800 9223372036854775807
9223372036854775808 18446744073709551616 4294967296 1e308 123456789012345678901234567890
"" " " "a" "A.b_c-9" "-a" ".a" "a/b" "/" "/tmp" "./tmp" "~" "true" "null" "0" "-1" "90" "1.5" "1e3" "5m" "5 m" " 5m "
"1h30m" "30m1h" "1h30" "3650d" "3651d" "5s\\n" "5s\\u0000" "low" "medium" "normal" "high" "High" "high\\n" "dead"
"retry" "dead\\n" "\\u0000" "\\n" "\\ud83d\\ude00" "\\u0663" "w0a1b2c3d-1-1-deadbeef.x" "2026-11-22" "2026-11-22\\n"
"2026-02-29" "2028-02-29" "2026-11-22T03:15Z" "2026-11-22T24:00Z" "2026-11-22T03:15+01" "20261122T031500Z"
"253402300799" "253402300800" "tomorrow" "x.json" "../x"
[] [null] [""] ["true"] ["true",null] ["true",""] ["true","\\u0000"] [["true"]] [1] [true]
{} {"A":"b"} {"":"b"} {"A=B":"c"} {"A":1} {"A":null} {"A":"\\u0000"} {"A\\u0000":"b"} {"A":"b","C":{}}
"""


def pool():
    decoder, at, text = json.JSONDecoder(), 0, POOL.strip().replace("\\\\", "\\")
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        _, end = decoder.raw_decode(text, at)
        yield text[at:end]
        at = end


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def validator(path):
    schema = load(path)
    Validator.check_schema(schema)
    return Validator(schema)


def edited(dice, raw):
    """A string with one character more, less or changed; else as it was."""
    if raw[0] != '"' or "\\" in raw or dice.randrange(2):
        return raw
    at = dice.randrange(1, len(raw))
    behind = raw[min(at + dice.randrange(2), len(raw) - 1):]
    return raw[:at] + dice.choice(["", *"0135689.dhmswT:+-Z /=_"]) + behind


def mutant(dice, documents, names, values):
    members = {name: json.dumps(value).replace("Infinity", "1e400")
               for name, value in dice.choice(documents).items()}
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        members[dice.choice(names)] = edited(dice, dice.choice(values))
    if dice.randrange(8) == 0:
        members.pop(dice.choice(list(members)))
    return "{" + ", ".join(json.dumps(name) + ": " + raw for name, raw in members.items()) + "}"


def mutate(seed, count, paths):
    """An id stands in one line only: twice is no fault of a document."""
    dice, values, taken = random.Random(seed), list(pool()), set()
    documents = [d for d in map(load, paths) if isinstance(d, dict)]
    names = sorted({name for d in documents for name in d if len(name) < 40})
    while count > 0:
        text = mutant(dice, documents, names, values)
        made = json.loads(text).get("id")
        if isinstance(made, str):
            if made in taken:
                continue
            taken.add(made)
        print(text)
        count -= 1


def main(what, *args):
    if what == "check":
        validator(args[0])
    elif what == "members":
        print(*load(args[0])["properties"], sep="\n")
    elif what == "judge":
        valid = validator(args[0]).is_valid
        print(*(path for path in args[1:] if valid(load(path))), sep="\n")
    elif what == "lines":
        valid = validator(args[0]).is_valid
        with open(args[1], encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not valid(json.loads(line)):
                    print(number)
    elif what == "mutate":
        mutate(int(args[0]), int(args[1]), args[2:])
    else:
        sys.exit(2)


main(*sys.argv[1:])
