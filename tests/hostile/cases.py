"""cases.py: what people, programs and enemies put into a spool, and its fate.

A table.  hostile.py makes each case in a folder beside the spool, drops it with
one rename while workers run, and holds its end against the row.

Fates
  done        it runs (`runs` times), and what it carries along is kept
  quarantine  it does not run; it lies in quarantine/ as it was dropped, and one
              report in dead/ names it and says `text`: what is wrong, and where
  left        it is not the queue's, and stays where it was put
  waits       it is a job that nobody runs yet

In a document @ID@ is the case's name and @CMD@ a command that writes a line to
WORK/ran/NAME, so that a run of what must not run is seen.
"""
import os
import pwd
import shutil
import socket
import stat

CANONICAL = "20200101T000000.000000Z.p0.a0.%s.json"
MIB = 1 << 20
STORED_MAX = 2 * MIB  # under a name of the queue's own: history adds to a document


class Case:
    """One thing dropped: name, place, bytes or maker, fate, text."""

    def __init__(self, name, make, fate, text="", **more):
        self.name = name
        self.make = make          # bytes, or make(path, case, work)
        self.fate = fate
        self.text = text          # in last_error
        self.place = more.get("place", "pending")
        self.file = more.get("file")  # bytes; None: NAME.json
        self.runs = more.get("runs", 1)
        self.kept = more.get("kept", [])  # bytes that the document in done/ holds
        self.prep = more.get("prep")  # the state a job is brought to first
        self.source = more.get("source")  # source(case, work): moved, not made
        self.stays = more.get("stays")  # the state in which the job prepared is then
        self.special = more.get("special")  # a writer that goes on after the drop
        self.root = more.get("root", False)  # can be made by root only
        self.harmful = more.get("harmful", False)  # leads to a file of the system
        self.changes = more.get("changes", False)  # is not what was dropped any more
        if self.file is None:
            self.file = os.fsencode(self.name + ".json")

    def bytes(self, work):
        command = "echo ran >>%s/ran/%s" % (work, self.name)
        return self.make.replace(b"@ID@", self.name.encode()).replace(
            b"@CMD@", command.encode())


CASES = []


def add(name, make, fate, text="", **more):
    CASES.append(Case(name, make, fate, text, **more))


def add_canonical(name, make, fate, text="", place="pending", **more):
    add(name, make, fate, text, place=place, file=os.fsencode(CANONICAL % name), **more)


def doc(more=b""):
    """A good job and something else."""
    return b'{"id":"@ID@","command":"@CMD@"' + (b"," if more else b"") + more + b"}"


def mine(value, name=b'"mine"'):
    return doc(name + b":" + value)


# --- what a file holds ------------------------------------------------------------

ENDS = "the text ends here, in the middle of the document"
AT = "invalid JSON at byte "

NO_JOB = [
    # cut
    ("empty", b"", "invalid JSON: the text is empty"),
    ("blank", b" \r\n\t\n", AT + "6: " + ENDS),
    ("cut-after-brace", b"{", AT + "2: " + ENDS),
    ("cut-in-name", b'{"comm', AT + "7: " + ENDS),
    ("cut-before-colon", b'{"command"', AT + "11: " + ENDS),
    ("cut-after-colon", b'{"command":', AT + "12: " + ENDS),
    ("cut-in-value", b'{"command":"tr', AT + "15: " + ENDS),
    ("cut-after-value", b'{"command":"true"', AT + "18: " + ENDS),
    ("cut-after-comma", b'{"command":"true",', AT + "19: " + ENDS),
    ("cut-in-escape", b'{"command":"true\\', ENDS),
    ("cut-in-unicode-escape", b'{"command":"true\\u00', ENDS),
    ("cut-in-surrogates", b'{"command":"true\\ud83d', ENDS),
    ("cut-in-character", '{"command":"tr\u00e9'.encode()[:-1], ENDS),
    ("cut-in-number", b'{"command":"true","priority":1', ENDS),
    ("cut-in-word", b'{"command":"true","detach":tr', ENDS),
    ("cut-in-nesting", b'{"command":"true","mine":[{"a":[', ENDS),
    ("cut-last-brace", doc()[:-1], ENDS),
    # another encoding, or none
    ("binary", bytes(range(256)), AT + "1: a NUL byte"),
    ("elf", b"\x7fELF\x02\x01\x01" + bytes(64), AT + "1: "),
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(range(128, 256)), AT + "1: "),
    ("utf16le-bom", b"\xff\xfe" + doc().decode().encode("utf-16-le"), "UTF-16"),
    ("utf16be-bom", b"\xfe\xff" + doc().decode().encode("utf-16-be"), "UTF-16"),
    ("utf16le", b"{\0}\0", "UTF-16"),
    ("utf16be", b"\0{\0}", "UTF-16"),
    ("utf8-bom", b"\xef\xbb\xbf" + doc(), "byte order mark"),
    ("nul-first", b"\0" + doc(), AT + "1: a NUL byte"),
    ("nul-alone", b"\0", AT + "1: a NUL byte"),
    ("nul-in-string", mine(b'"a\0b"'), "a NUL byte"),
    ("nul-between", b'{"command":"true",\0"mine":1}', AT + "19: a NUL byte"),
    ("nul-at-end", doc() + b"\0", ": a NUL byte"),
    ("nuls-at-end", doc() + b"\n" + bytes(512), "a NUL byte"),
    ("nuls-a-page", bytes(4096), AT + "1: a NUL byte"),
    # not UTF-8
    ("overlong-2", mine(b'"\xc0\xaf"'), "not UTF-8"),
    ("overlong-3", mine(b'"\xe0\x80\xaf"'), "not UTF-8"),
    ("overlong-nul", mine(b'"\xc0\x80"'), "not UTF-8"),
    ("overlong-4", mine(b'"\xf0\x80\x80\xaf"'), "not UTF-8"),
    ("surrogate-bytes", mine(b'"\xed\xa0\x80"'), "not UTF-8"),
    ("cesu8-pair", mine(b'"\xed\xa0\xbd\xed\xb8\x80"'), "not UTF-8"),
    ("lone-continuation", mine(b'"\x80"'), "not UTF-8"),
    ("beyond-unicode", mine(b'"\xf4\x90\x80\x80"'), "not UTF-8"),
    ("byte-f5", mine(b'"\xf5\x80\x80\x80"'), "not UTF-8"),
    ("byte-ff", mine(b'"\xff"'), "not UTF-8"),
    ("character-cut-by-quote", mine(b'"\xe2\x82"'), "not UTF-8"),
    ("latin1", mine(b'"caf\xe9"'), "not UTF-8"),
    ("key-overlong", mine(b"1", b'"\xc0\xaf"'), "not UTF-8"),
    ("key-surrogate", mine(b"1", b'"\xed\xa0\x80"'), "not UTF-8"),
    ("key-continuation", mine(b"1", b'"\x80"'), "not UTF-8"),
    ("key-beyond", mine(b"1", b'"\xf4\x90\x80\x80"'), "not UTF-8"),
    ("not-utf8-outside-strings", doc() + b"\xff", "not UTF-8"),
    ("c1-bytes-outside", b"\x9b2J" + doc(), AT + "1: not UTF-8"),
    # strings
    ("line-break-in-string", mine(b'"a\nb"'), "a line break in a string"),
    ("tab-in-string", mine(b'"a\tb"'), "control character 0x09"),
    ("escape-in-string", mine(b'"\x1b[2J"'), "control character 0x1b"),
    ("unknown-escape", mine(b'"\\x41"'), "unknown escape"),
    ("bad-hex", mine(b'"\\u12g4"'), "four hex digits"),
    ("lone-high-surrogate", mine(b'"\\ud800"'), "half a surrogate pair"),
    ("lone-low-surrogate", mine(b'"\\udc00"'), "half a surrogate pair"),
    ("high-high-surrogate", mine(b'"\\ud800\\ud800"'), "half a surrogate pair"),
    ("escaped-nul-in-name", mine(b"1", b'"a\\u0000b"'), "\\u0000 in a member's name"),
    # members twice
    ("twice-id", doc(b'"id":"other"'), 'duplicate member "id"'),
    ("twice-id-escaped", doc(b'"\\u0069d":"other"'), 'duplicate member "'),
    ("twice-command", doc(b'"command":"true"'), 'duplicate member "command"'),
    ("twice-same", doc(b'"id":"@ID@"'), 'duplicate member "id"'),
    ("twice-mine", doc(b'"a":1,"a":1'), 'duplicate member "a"'),
    ("twice-no-name", doc(b'"":1,"":2'), 'duplicate member ""'),
    ("twice-nested", mine(b'{"a":1,"b":2,"a":3}'), 'duplicate member "a"'),
    ("twice-in-list", mine(b'[1,[{"a":1,"\\u0061":2}]]'), 'duplicate member "'),
    ("twice-long-name", doc(b'"%s":1,"%s":2' % (b"n" * 500, b"n" * 500)), "duplicate member"),
    ("twice-hidden-name", doc('"\u202ea\u009b":1,"\u202ea\u009b":2'.encode()),
     "duplicate member"),
    # names that are almost members
    ("capital", b'{"id":"@ID@","Command":"@CMD@"}', "case-sensitive"),
    ("all-capitals", b'{"id":"@ID@","COMMAND":"@CMD@"}', "case-sensitive"),
    ("capital-argv", b'{"id":"@ID@","Argv":["true"]}', "case-sensitive"),
    ("misspelt", b'{"id":"@ID@","comand":"@CMD@"}', '(found "comand"; did you mean "command"?)'),
    ("blank-in-name", b'{"id":"@ID@","command ":"@CMD@"}', '(found "command "; did'),
    ("nested-command", b'{"job":{"id":"@ID@","command":"@CMD@"}}', 'needs "command" or "argv"'),
    ("null-command", b'{"id":"@ID@","command":null}', 'needs "command" or "argv"'),
    ("nothing", b"{}", 'needs "command" or "argv"'),
    ("only-an-id", b'{"id":"@ID@"}', 'needs "command" or "argv"'),
    # numbers that are none, in the user's own members
    ("number-hex", mine(b"0x10"), "expected ',' or '}'"),
    ("number-dot-end", mine(b"1."), "expected a digit"),
    ("number-dot-start", mine(b".5"), "expected a value"),
    ("number-plus", mine(b"+1"), "expected a value"),
    ("number-zero-start", mine(b"01"), "leading zero"),
    ("number-minus", mine(b"-"), "expected a digit"),
    ("number-e", mine(b"1e"), "expected a digit"),
    ("number-nan", mine(b"NaN"), "expected a value"),
    ("number-infinity", mine(b"Infinity"), "expected a value"),
    ("number-minus-infinity", mine(b"-Infinity"), "expected a digit"),
    ("number-underscore", mine(b"1_000"), "expected ',' or '}'"),
    # deep
    ("deep-lists", mine(b"[" * 100000 + b"]" * 100000), "nested deeper than 64 levels"),
    ("deep-objects", mine(b'{"a":' * 100000 + b"1" + b"}" * 100000), "nested deeper than 64"),
    ("deep-open", mine(b"[" * 100000), "nested deeper than 64 levels"),
    ("deep-65", mine(b"[" * 64 + b"]" * 64), "nested deeper than 64 levels"),
    ("deep-document", b"[" * 100000, AT + "1: expected '{'"),
    ("deep-env", doc(b'"env":' + b'{"a":' * 100000 + b"1" + b"}" * 100000), "nested deeper"),
    # documents that are none
    ("list", b"[]", AT + "1: expected '{'"),
    ("list-of-jobs", b"[" + doc() + b"]", AT + "1: expected '{'"),
    ("string", b'"@CMD@"', AT + "1: expected '{'"),
    ("number", b"1", AT + "1: expected '{'"),
    ("null", b"null", AT + "1: expected '{'"),
    ("true", b"true", AT + "1: expected '{'"),
    ("two-documents", doc() + b"\n" + doc(), "something follows the document's last '}'"),
    ("trailing-garbage", doc() + b" x", "something follows the document's last '}'"),
    ("trailing-comma", b'{"id":"@ID@","command":"@CMD@",}', "a comma before '}'"),
    ("trailing-comma-list", mine(b"[1,]"), "a comma before ']'"),
    ("two-commas", b'{"id":"@ID@",,"command":"@CMD@"}', "expected a name in double quotes"),
    ("comma-first", b'{,"command":"@CMD@"}', AT + "2: expected a name in double quotes"),
    ("no-comma", b'{"id":"@ID@" "command":"@CMD@"}', "expected ',' or '}'"),
    ("no-colon", b'{"command" "@CMD@"}', "expected ':'"),
    ("comment-slashes", b"// a job\n" + doc(), AT + "1: expected '{'"),
    ("comment-inside", b"{/* a job */" + doc()[1:], AT + "2: expected a name in double quotes"),
    ("comment-hash", doc() + b"# a job", "something follows"),
    ("single-quotes", b"{'id':'@ID@','command':'@CMD@'}", "expected a name in double quotes"),
    ("no-quotes", b"{id:@ID@,command:true}", "expected a name in double quotes"),
    ("closed-wrongly", b'{"command":"@CMD@"]', "expected ',' or '}'"),
    ("shell-script", b"#!/bin/sh\n@CMD@\n", AT + "1: expected '{'"),
    ("yaml", b"id: @ID@\ncommand: @CMD@\n", AT + "1: expected '{'"),
    ("html", b"<html>502 Bad Gateway</html>", AT + "1: expected '{'"),
    # known members with bad values
    ("priority-101", doc(b'"priority":101'), "priority: 101 is no"),
    ("priority-minus-101", doc(b'"priority":-101'), "priority: -101 is no"),
    ("priority-urgent", doc(b'"priority":"urgent"'), 'priority: "urgent" is no'),
    ("priority-fraction", doc(b'"priority":1.5'), "priority: 1.5 is no"),
    ("priority-huge", doc(b'"priority":18446744073709551616'), "priority: 18446744073709551616"),
    ("priority-1e999", doc(b'"priority":1e999'), "priority: 1e999 is no"),
    ("priority-list", doc(b'"priority":[1]'), "priority: [1] is no"),
    ("priority-hidden-text", doc('"priority":"\u202e\u009b31m"'.encode()), "priority: "),
    ("retries-minus", doc(b'"max_retries":-1'), "max_retries: -1 is no"),
    ("retries-fraction", doc(b'"max_retries":2.5'), "max_retries: 2.5 is no"),
    ("retries-1001", doc(b'"max_retries":1001'), "max_retries: 1001 is no"),
    ("retries-text", doc(b'"max_retries":"3"'), 'max_retries: "3" is no'),
    ("backoff-zero", doc(b'"backoff_base":0'), "backoff_base: 0 is no"),
    ("backoff-1e999", doc(b'"backoff_base":1e999'), "backoff_base: 1e999 is no"),
    ("backoff-long", doc(b'"backoff_base":1.' + b"0" * 300), "backoff_base: 1.0000"),
    ("timeout-parsecs", doc(b'"timeout":"5 parsecs"'), 'timeout: "5 parsecs" is no duration'),
    ("timeout-minus", doc(b'"timeout":-1'), "timeout: -1 is no duration"),
    ("timeout-1e999", doc(b'"timeout":1e999'), "timeout: 1e999 is no duration"),
    ("timeout-true", doc(b'"timeout":true'), "timeout: true is no duration"),
    ("timeout-twice", doc(b'"timeout":1,"timeout_ms":1000'),
     '"timeout" and "timeout_ms" exclude each other'),
    ("timeout-ms-fraction", doc(b'"timeout_ms":1.5'), "timeout_ms: 1.5 is no"),
    ("run-at-garbage", doc(b'"run_at":"tomorrow-ish"'), 'run_at: "tomorrow-ish" is no time'),
    ("run-at-month-13", doc(b'"run_at":"2026-13-01T00:00:00Z"'), "run_at: "),
    ("run-at-1e999", doc(b'"run_at":1e999'), "run_at: 1e999 is no time"),
    ("run-at-minus", doc(b'"run_at":-5'), "run_at: -5 is no time"),
    ("run-at-and-delay", doc(b'"run_at":0,"delay":1'), '"run_at" and "delay" exclude each other'),
    ("delay-minus", doc(b'"delay":-1'), "delay: -1 is no duration"),
    ("delay-list", doc(b'"delay":[]'), "delay: [] is no duration"),
    ("cwd-relative", doc(b'"cwd":"tmp"'), 'cwd: "tmp" is no absolute path'),
    ("cwd-number", doc(b'"cwd":1'), "cwd: 1 is no absolute path"),
    ("cwd-nul", doc(b'"cwd":"/tmp\\u0000x"'), "cwd: holds \\u0000"),
    ("env-list", doc(b'"env":["A=b"]'), "env: "),
    ("env-equals", doc(b'"env":{"A=B":"c"}'), 'env "A=B": "c" does'),
    ("env-no-name", doc(b'"env":{"":"c"}'), 'env "": "c" does'),
    ("env-number", doc(b'"env":{"A":1}'), 'env "A": 1 does'),
    ("env-nul", doc(b'"env":{"A":"b\\u0000c"}'), "env: holds \\u0000"),
    ("env-nul-in-name", doc(b'"env":{"A\\u0000B":"c"}'), "env: holds \\u0000"),
    ("argv-empty", b'{"id":"@ID@","argv":[]}', "argv: [] is no list of arguments"),
    ("argv-numbers", b'{"id":"@ID@","argv":[1,2]}', "argv[0]: 1 does"),
    ("argv-mixed", b'{"id":"@ID@","argv":["true",2]}', "argv[1]: 2 does"),
    # Which of many it is, must be said.
    ("argv-far", b'{"id":"@ID@","argv":[' + b'"a word",' * 50 + b"4711]}", "argv[50]: 4711 does"),
    ("env-far", doc(b'"env":{' + b"".join(b'"NAME%d":"text",' % i for i in range(50)) +
                    b'"BAD=NAME":"x"}'), 'env "BAD=NAME": "x" does'),
    ("argv-first-empty", b'{"id":"@ID@","argv":["","x"]}', 'argv[0]: "" does'),
    ("argv-string", b'{"id":"@ID@","argv":"true"}', 'argv: "true" is no list'),
    ("argv-nul", b'{"id":"@ID@","argv":["true\\u0000false"]}', "argv: holds \\u0000"),
    ("argv-and-command", doc(b'"argv":["true"]'), '"command" and "argv" exclude each other'),
    ("command-empty", b'{"id":"@ID@","command":""}', 'command: "" is no command'),
    ("command-number", b'{"id":"@ID@","command":1}', "command: 1 is no command"),
    ("command-list", b'{"id":"@ID@","command":["true"]}', 'command: ["true"] is no command'),
    ("command-nul", b'{"id":"@ID@","command":"@CMD@\\u0000x"}', "command: holds \\u0000"),
    ("id-129", b'{"id":"' + b"i" * 129 + b'","command":"@CMD@"}', "id: "),
    ("id-dots", b'{"id":"../x","command":"@CMD@"}', 'id: "../x" is no id'),
    ("id-dot", b'{"id":".","command":"@CMD@"}', 'id: "." is no id'),
    ("id-slash", b'{"id":"a/b","command":"@CMD@"}', 'id: "a/b" is no id'),
    ("id-empty", b'{"id":"","command":"@CMD@"}', 'id: "" is no id'),
    ("id-number", b'{"id":7,"command":"@CMD@"}', "id: 7 is no id"),
    ("id-nul", b'{"id":"a\\u0000b","command":"@CMD@"}', "id: holds \\u0000"),
    ("id-dash", b'{"id":"-rf","command":"@CMD@"}', 'id: "-rf" is no id'),
    ("id-token", b'{"id":"w00000000-1-1-00000000.x","command":"@CMD@"}', "id: "),
    ("on-crash-maybe", doc(b'"on_crash":"maybe"'), 'on_crash: "maybe" is no policy'),
    ("on-crash-true", doc(b'"on_crash":true'), "on_crash: true is no policy"),
    ("detach-yes", doc(b'"detach":"yes"'), 'detach: "yes" is no truth value'),
    ("detach-1", doc(b'"detach":1'), "detach: 1 is no truth value"),
    ("report", b'{"id":"@ID@","quarantined":"x.json","last_error":"x"}',
     "it is a report about a file, and no job"),
]

JOBS = [
    # name, document, what is kept of it
    ("plain", doc(), []),
    ("argv", b'{"id":"@ID@","argv":["/bin/sh","-c","@CMD@"]}', [b'"argv": ["/bin/sh","-c",']),
    ("crlf", doc(b'"mine":1').replace(b",", b",\r\n") + b"\r\n", [b'"mine": 1']),
    ("priority-minus-zero", doc(b'"priority":-0'), [b'"priority": -0']),
    ("mine-1e999", mine(b"1e999"), [b'"mine": 1e999']),
    ("mine-2-64", mine(b"18446744073709551616"), [b'"mine": 18446744073709551616']),
    ("mine-minus-zero", mine(b"[-0,-0.0,-0e-0]"), [b'"mine": [-0,-0.0,-0e-0]']),
    ("mine-digits", mine(b"9" * 400), [b'"mine": ' + b"9" * 400]),
    ("mine-spellings", mine(b"[1E+05,0.10,1e-400,1.0]"), [b'"mine": [1E+05,0.10,1e-400,1.0]']),
    ("mine-escapes", mine(b'"\\/\\u0041\\u00e9\\ud83d\\ude00\\b"'),
     [b'"mine": "\\/\\u0041\\u00e9\\ud83d\\ude00\\b"']),
    ("mine-nul-escaped", mine(b'"a\\u0000b"'), [b'"mine": "a\\u0000b"']),
    ("mine-blanks", mine(b'[ 1 ,\t{ "a" : 2 } ]'), [b'"mine": [ 1 ,\t{ "a" : 2 } ]']),
    ("mine-hidden", mine('"\u202e\u009b2J\u0085\x7f\u2028\ufeff"'.encode()),
     ['"mine": "\u202e\u009b2J\u0085\x7f\u2028\ufeff"'.encode()]),
    ("mine-beyond-bmp", mine('"\U0001f600\U0010ffff"'.encode()),
     ['"\U0001f600\U0010ffff"'.encode()]),
    ("mine-noncharacters", mine(b'"\xef\xbf\xbe\xef\xbf\xbf\\ufffe"'),
     [b'"\xef\xbf\xbe\xef\xbf\xbf\\ufffe"']),
    ("mine-escaped-name", mine(b"1", b'"m\\u0069ne"'), [b'"m\\u0069ne": 1']),
    ("mine-no-name", mine(b"1", b'""'), [b'"": 1']),
    ("mine-64-deep", mine(b"[" * 63 + b"]" * 63), [b"[" * 63 + b"]" * 63]),
    ("mine-5000", doc(b",".join(b'"m%d":%d' % (i, i) for i in range(5000))),
     [b'"m0": 0', b'"m4999": 4999']),
    ("mine-95000", doc(b",".join(b'"%05x":1' % i for i in range(95000))),
     [b'"00000": 1', b'"17317": 1']),
    ("mine-capitals", doc(b'"Priority":"urgent","ID":7'), [b'"Priority": "urgent"', b'"ID": 7']),
    ("mine-state", doc(b'"state":"dead"'), [b'"state": "dead"']),
    ("mine-hidden-name", mine(b"1", '"\u202e\u009b31m"'.encode()),
     ['"\u202e\u009b31m": 1'.encode()]),
    ("nulls", doc(b'"priority":null,"timeout":null,"env":null,"mine":null'), [b'"mine": null']),
    ("escaped-members", b'{"\\u0069d":"@ID@","comm\\u0061nd":"@CMD@"}', []),
    ("recorded", doc(b'"runs":"x","exit_code":99999,"history":7,"worker":{},"attempts":-1'), []),
    ("quarantined-and-command", doc(b'"quarantined":"../../etc/passwd"'), []),
    ("odd-env", doc('"env":{"A B":"\u00e9\\u001b[2J\u202e"}'.encode()), []),
    ("odd-command", b'{"id":"@ID@","command":": \\u001b[2J\\u0007 \xc2\x9b2J \xe2\x80\xae; @CMD@"}',
     []),
    ("stderr-escapes", b'{"id":"@ID@","command":"@CMD@; printf \'\\\\033[2J\\\\233\\\\377\' >&2"}',
     []),
    ("rewrites-itself", b'{"id":"@ID@","command":"@CMD@; echo rubbish >$QUEUECTL_JOB","mine":1.0}',
     [b'"mine": 1.0']),
    ("appends-to-itself", b'{"id":"@ID@","command":"@CMD@; echo , >>$QUEUECTL_JOB","mine":1.0}',
     [b'"mine": 1.0']),
]


def sized(total, name):
    """A good job of so many bytes once its id is in it."""
    def make(path, case, work):
        text = case.bytes(work) if isinstance(case.make, bytes) else None
        text = Case(name, mine(b'"@"'), "done").bytes(work)
        pad = total - len(text) + 1
        with open(path, "wb") as f:
            f.write(text.replace(b'"@"', b'"' + b"x" * pad + b'"'))
    return make


for _name, _text, _why in NO_JOB:
    add(_name, _text, "quarantine", _why)
    # Under a name of the queue's own a document is read at the claim.
    add_canonical(_name + ".claim", _text, "quarantine", _why)
for _name, _text, _why in NO_JOB[::12]:
    add_canonical(_name + ".failed", _text, "quarantine", _why, place="failed")
for _name, _text, _kept in JOBS:
    add(_name, _text, "done", kept=_kept)
    add_canonical(_name + ".claim", _text, "done", kept=_kept)
for _name, _text, _kept in JOBS[::6]:
    add_canonical(_name + ".failed", _text, "done", kept=_kept, place="failed")

add("mib", sized(MIB, "mib"), "done")
add("mib-and-a-byte", sized(MIB + 1, "mib-and-a-byte"), "quarantine",
    "it has 1048577 bytes; a job has at most 1048576")
add_canonical("mib.claim", sized(MIB, "mib.claim"), "done")
add_canonical("mib-and-a-byte.claim", sized(MIB + 1, "mib-and-a-byte.claim"), "done")
add_canonical("stored-and-a-byte.claim", sized(STORED_MAX + 1, "stored-and-a-byte.claim"),
              "quarantine", "it has 2097153 bytes; a job has at most 2097152")

# --- what is no file ------------------------------------------------------------------


def link(target):
    """A symbolic link; @ is the folder beside the spool."""
    def make(path, case, work):
        os.symlink(target.replace("@", work), path)
    return make


def outside_job(path, case, work):
    target = work + "/outside/" + case.name
    with open(target, "wb") as f:
        f.write(Case(case.name, doc(), "").bytes(work))
    os.symlink(target, path)


def hard_link(text):
    def make(path, case, work):
        target = work + "/outside/" + case.name
        with open(target, "wb") as f:
            f.write(Case(case.name, text, "").bytes(work))
        os.link(target, path)
    return make


def fifo(path, case, work):
    os.mkfifo(path, 0o640)


def sock(path, case, work):
    # A socket's path is short: made beside, then moved.
    short = work + "/s"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(short)
    os.rename(short, path)


def device(kind, major, minor):
    def make(path, case, work):
        os.mknod(path, kind | 0o600, os.makedev(major, minor))
    return make


def folder(mode=0o700, names=(), deep=0):
    def make(path, case, work):
        os.mkdir(path)
        at = path
        for _ in range(deep):
            at += b"/" + b"d" * 50
            os.mkdir(at)
        for name in names:
            with open(os.path.join(path, os.fsencode(name)), "wb") as f:
                f.write(Case(case.name, doc(), "").bytes(work))
        os.chmod(path, mode)
    return make


def folder_with_links(path, case, work):
    """Whoever removes it must not follow what is in it."""
    folder(names=["file"])(path, case, work)
    os.symlink(work + "/outside/tree", path + b"/to-a-tree")
    os.symlink(work + "/outside/canary", path + b"/to-a-file")
    os.symlink("..", path + b"/up")
    os.mkfifo(path + b"/pipe")


def sparse(size):
    def make(path, case, work):
        with open(path, "wb") as f:
            f.truncate(size)
    return make


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def written(text, mode=0o600, owner=None):
    def make(path, case, work):
        with open(path, "wb") as f:
            f.write(Case(case.name, text, "").bytes(work))
        os.chmod(path, mode)
        if owner is not None:
            os.chown(path, owner, owner)
    return make


LINK, FOLDER, PIPE = "it is a symbolic link", "it is a folder", "it is a named pipe"

ODD = [
    ("link-absolute", link("@/outside/canary"), LINK),
    ("link-relative", link("../../outside/canary"), LINK),
    ("link-to-a-job", outside_job, LINK),
    ("link-dangling", link("/nowhere/at/all"), LINK),
    ("link-to-a-folder", link("@/outside"), LINK),
    ("link-to-itself", lambda path, case, work: os.symlink(os.path.basename(path), path), LINK),
    ("link-to-dot", link("."), LINK),
    ("link-to-a-pipe", link("@/outside/pipe"), LINK),
    ("link-to-a-pipe-read", link("@/outside/pipe-read"), LINK),
    ("link-odd-target", link("\x1b[2J\n\u202e"), LINK),
    ("pipe", fifo, PIPE),
    ("pipe-with-a-writer", fifo, PIPE),
    ("socket", sock, "it is a socket"),
    ("folder", folder(), FOLDER),
    ("folder-full", folder(names=["a.json", "x.json", "b c"]), FOLDER),
    ("folder-deep", folder(deep=20), FOLDER),
    ("folder-odd-names", folder(names=["-rf", "\x1b[2J", "..json"]), FOLDER),
    ("folder-with-links", folder_with_links, FOLDER),
    ("sparse-1T", sparse(1 << 40), "it has 1099511627776 bytes; a job has at most"),
    ("sparse-4G", sparse((1 << 32) + 100), "it has 4294967396 bytes; a job has at most"),
    ("sparse-zeros", sparse(5000), AT + "1: a NUL byte"),
]
# A fault that follows a link would, as root, change the system this runs on: so root
# leaves these out.  The links above lead to files of the test, and take the same way.
ODD_HARMFUL = [
    ("link-to-passwd", link("/etc/passwd"), LINK),
    ("link-to-shadow", link("/etc/shadow"), LINK),
    ("link-to-zeros", link("/dev/zero"), LINK),
    ("link-through-proc", link("/proc/self/fd/0"), LINK),
]
OWNED = "it belongs to user %s, whose jobs"
ODD_ROOT = [
    ("folder-no-mode", folder(mode=0), FOLDER),  # nobody else can move one
    ("link-to-a-device", link("@/outside/zeros"), LINK),
    ("device-null", device(stat.S_IFCHR, 1, 3), "it is a device"),
    ("device-zero", device(stat.S_IFCHR, 1, 5), "it is a device"),
    ("device-none", device(stat.S_IFCHR, 250, 250), "it is a device"),
    ("device-block", device(stat.S_IFBLK, 7, 0), "it is a device"),
    ("other-owner", written(doc(), owner=65534), OWNED % user_name(65534)),
    ("other-owner-open", written(doc(), 0o666, 65534), OWNED % user_name(65534)),
    ("other-owner-rubbish", written(b"rubbish", owner=1), OWNED % user_name(1)),
]
for _row in ODD + ODD_ROOT + ODD_HARMFUL:
    _name, _make, _why = _row
    _needs = {"root": _row in ODD_ROOT, "harmful": _row in ODD_HARMFUL}
    add(_name, _make, "quarantine", _why, **_needs)
    add_canonical(_name + ".claim", _make, "quarantine", _why, **_needs)
for _name, _make, _why in ODD[::4]:
    add_canonical(_name + ".failed", _make, "quarantine", _why, place="failed")

add("second-name", hard_link(doc()), "quarantine", "it has a second name (hard link)")
add("second-name-rubbish", hard_link(b"rubbish"), "quarantine", "it has a second name")
# A backup made of hard links must not stop its jobs; the run has bytes of its own.
add_canonical("second-name.claim", hard_link(doc()), "done")
add_canonical("second-name-rubbish.claim", hard_link(b"rubbish"), "quarantine", AT + "1: ")
add("mode-0444", written(doc(), 0o444), "done")
add("mode-0777", written(doc(), 0o777), "done")
add("mode-setuid", written(doc(), 0o4755), "done")

# --- names -----------------------------------------------------------------------------------

# @ is what makes a name one of its own.
NAMES = [
    ("newline", b"a\nb@"), ("carriage-return", b"a\rb@"), ("tab", b"a\tb@"),
    ("escape", b"\x1b[2J@"), ("title", b"\x1b]0;owned\x07@"), ("bell", b"\x07@"),
    ("delete", b"\x7f@"), ("dash", b"-rf@"), ("dashes", b"--help@"),
    ("right-to-left", "a\u202egpj@".encode()), ("isolate", "\u2066x@".encode()),
    ("c1", "\u009b2J@".encode()), ("c1-byte", b"\x9b2J@"), ("line-separator", "a\u2028@".encode()),
    ("bom", "\ufeff@".encode()), ("not-utf8", b"\xff\xfe\xc0\xaf@"), ("overlong", b"\xc0\xae@"),
    ("half-character", b"@\xe2\x82"), ("latin1", b"caf\xe9@"), ("japanese", "\u65e5\u672c@".encode()),
    ("blank", b"a b@"), ("blanks-first", b"  @"), ("blanks-last", b"@  "),
    ("single-quote", b"it's@"), ("double-quote", b'"@"'), ("backslash", b"a\\n@"),
    ("dollar", b"$(touch canary)@"), ("backticks", b"`touch canary`@"),
    ("semicolon", b"a;touch canary;@"), ("pipe", b"a|b@"), ("star", b"*@"), ("tilde", b"~@"),
    ("percent", b"%s%n@"), ("hash", b"#@#"), ("braces", b"{}@"), ("equals", b"PATH=@"),
    ("dots-inside", b"a..b@"), ("dots-last", b"@.."), ("suffix-twice", b"@.json"),
    ("underscore", b"_@"), ("digits", b"0@"),
    ("200-bytes", b"@" + b"n" * 192), ("200-bytes-utf8", b"@" + "\u00e9".encode() * 96),
]
for _i, (_name, _text) in enumerate(NAMES):
    _good = _text.replace(b"@", b"%03d" % _i) + b".json"
    _bad = _text.replace(b"@", b"%03d" % (500 + _i)) + b".json"
    add("name." + _name, b'{"command":"@CMD@"}', "done", file=_good)
    add("name." + _name + ".rubbish", b"{'command':'@CMD@'}", "quarantine",
        AT + "2: expected a name in double quotes", file=_bad)

LONG = "its name is longer than 200 bytes"
add("name.201", doc(), "quarantine", LONG, file=b"L" + b"n" * 195 + b".json")
add("name.255", doc(), "quarantine", LONG, file=b"M" + b"n" * 249 + b".json")
add("name.255-not-utf8", doc(), "quarantine", LONG, file=b"\xff" * 250 + b".json")
add("name.255-escapes", doc(), "quarantine", LONG, file=b"\x1b[2J" * 62 + b"xx.json")
add("name.254-utf8", doc(), "quarantine", LONG, file="\u00e9".encode() * 124 + b"x.json")
add("name.255-fifo", fifo, "quarantine", LONG, file=b"F" + b"n" * 249 + b".json")
add("name.255-folder", folder(names=["x"]), "quarantine", LONG, file=b"D" + b"n" * 249 + b".json")

for _name, _file in [
        ("dot-json", b".json"), ("two-dots", b"..json"), ("three-dots", b"...json"),
        ("hidden", b".hidden.json"), ("vim", b".x.json.swp"), ("vim-probe", b"4913"),
        ("emacs", b"#x.json#"), ("backup", b"x.json~"), ("capitals", b"x.JSON"),
        ("tmp", b"x.json.tmp"), ("part", b"x.json.part"), ("no-stem", b"json"),
        ("blank-behind", b"x.json "), ("newline-behind", b"x.json\n"), ("jsonl", b"x.jsonl"),
        ("almost-a-taker", b".00000000-1-x-00000000.x.json"), ("rsync", b".x.json.Xy12Zq")]:
    add("left." + _name, doc(), "left", file=_file)
add("left.hidden-fifo", fifo, "left", file=b".pipe.json")
add("left.hidden-link", link("@/outside/canary"), "left", file=b".link.json")
add("left.folder", folder(names=["x.json"]), "left", file=b"folder")
for _name, _file in [("foreign", b"x.json"), ("escape", b"\x1b[2J.json"),
                     ("almost", b"20200101T000000.000000Z.p101.a0.x.json"),
                     ("processing-name",
                      b"20200101T000000.000000Z.p0.a1.w00000000-1-1-00000000.x.json")]:
    # Nobody would look at it there: it is taken in as if it were in pending/.
    add("failed-foreign." + _name, doc(), "done", place="failed", file=_file)
for _name, _make, _why in [("rubbish", b"no", AT + "1: "), ("fifo", fifo, "it is a named pipe"),
                           ("link", link("@/outside/canary"), LINK),
                           ("cut", b'{"command":"tr', AT + "15: " + ENDS)]:
    add("failed-foreign." + _name, _make, "quarantine", _why, place="failed")
add("left.failed-hidden", doc(), "left", place="failed", file=b".x.json")
add("left.failed-suffix", doc(), "left", place="failed", file=b"x.json.tmp")

# Names that are almost the queue's own are foreign ones.
for _i, (_name, _file) in enumerate([
        ("month-13", "20201301T000000.000000Z.p0.a0.%s.json"),
        ("february-30", "20200230T000000.000000Z.p0.a0.%s.json"),
        ("hour-24", "20200101T240000.000000Z.p0.a0.%s.json"),
        ("no-micros", "20200101T000000Z.p0.a0.%s.json"),
        ("small-letters", "20200101t000000.000000z.p0.a0.%s.json"),
        ("no-zone", "20200101T000000.000000.p0.a0.%s.json"),
        ("p101", "20200101T000000.000000Z.p101.a0.%s.json"),
        ("p-101", "20200101T000000.000000Z.p-101.a0.%s.json"),
        ("p-plus", "20200101T000000.000000Z.p+1.a0.%s.json"),
        ("p-zeros", "20200101T000000.000000Z.p00.a0.%s.json"),
        ("p-minus-zero", "20200101T000000.000000Z.p-0.a0.%s.json"),
        ("p-empty", "20200101T000000.000000Z.p.a0.%s.json"),
        ("a-minus", "20200101T000000.000000Z.p0.a-1.%s.json"),
        ("a-huge", "20200101T000000.000000Z.p0.a99999999999999999999.%s.json"),
        ("no-a", "20200101T000000.000000Z.p0.%s.json"),
        ("no-p", "20200101T000000.000000Z.a0.%s.json"),
        ("swapped", "20200101T000000.000000Z.a0.p0.%s.json"),
        ("held-capital", "Held.p0.a0.%s.json"),
        ("held-only", "held.%s.json"),
        ("with-owner", "20200101T000000.000000Z.p0.a1.w00000000-1-1-00000000.%s.json"),
        ("id-blank", "20200101T000000.000000Z.p0.a0.%s x.json"),
        ("id-underscore", "20200101T000000.000000Z.p0.a0._%s.json"),
        ("id-dot", "20200101T000000.000000Z.p0.a0..%s.json"),
        ("id-129", "20200101T000000.000000Z.p0.a0." + "i" * 125 + "%s.json")]):
    add("almost." + _name, b'{"command":"@CMD@"}', "done", file=os.fsencode(_file % ("k%03d" % _i)))
add("almost.id-empty", b'{"command":"@CMD@"}', "done",
    file=b"20200101T000000.000000Z.p0.a0..json")

for _name, _head in [("p100", "20200101T000000.000000Z.p100.a0"),
                     ("p-100", "20200101T000000.000000Z.p-100.a0"),
                     ("a999", "20200101T000000.000000Z.p0.a999"),
                     ("year-1970", "19700101T000000.000000Z.p0.a0"),
                     ("leap-day", "20200229T235959.999999Z.p0.a0")]:
    add("own." + _name, doc(), "done", file=os.fsencode("%s.own.%s.json" % (_head, _name)))
add_canonical("own.no-id", b'{"command":"@CMD@"}', "done")
add_canonical("own.other-id", b'{"id":"another","command":"@CMD@"}', "quarantine",
              'its name says id "own.other-id", its document "another"')
add_canonical("own.other-id-failed", b'{"id":"another","command":"@CMD@"}', "quarantine",
              'its name says id "own.other-id-failed", its document "another"', place="failed")
# Ids that look like something else.
for _i, _id in enumerate([
        "held", "p0.a0.x", "x.json", "i" * 128, "0", "a..b", "CASE", "case", "a.r1", "a.r1.out",
        "held.p0.a0", "20200101T000000.000000Z", "rejected-x", "w", "w1-2-3", "x-", "nul."]):
    _text = b'{"id":"%s","command":"@CMD@"}'
    add("id.%d" % _i, _text.replace(b"%s", _id.encode()), "done")
    add("id.%d.claim" % _i, _text.replace(b"%s", (_id + "-c").encode()[-128:]), "done",
        file=os.fsencode(CANONICAL % (_id + "-c")[-128:]))
# Ids whose ID.json would be another job's name.
for _i, _id in enumerate(["20200101T000000.000000Z.p0.a0.x", "held.p0.a0.x",
                          "w00000000-1-1-00000000.x"]):
    _text = b'{"id":"%s","command":"@CMD@"}' % _id.encode()
    add("id.like-ours-%d" % _i, _text, "quarantine", 'id: "%s" is no id' % _id)
    add_canonical("id.like-ours-%d.claim" % _i, _text, "quarantine", 'id: "%s" is no id' % _id)
for _name, _text in [("held", doc()), ("held-rubbish", b"rubbish")]:
    add("waits." + _name, _text, "waits", file=os.fsencode("held.p0.a0.waits.%s.json" % _name))
add("waits.held-fifo", fifo, "waits", file=b"held.p0.a0.waits.held-fifo.json")
add("waits.year-9999", doc(), "waits",
    file=b"99991231T235959.999999Z.p0.a0.waits.year-9999.json")
add("waits.scheduled-rubbish", b"rubbish", "waits",
    file=b"20990101T000000.000000Z.p0.a0.waits.scheduled-rubbish.json")
add("waits.failed-held", doc(), "waits", place="failed", file=b"held.p0.a0.waits.failed-held.json")
add("waits.run-at", doc(b'"run_at":"2099-01-01T00:00:00Z"'), "waits", changes=True)
add("waits.delay", doc(b'"delay":"1d"'), "waits", changes=True)

# --- writers that go on ------------------------------------------------------------------------

TOO_LARGE = "a job has at most"
add("grows-for-ever", b'{"mine":"', "quarantine", TOO_LARGE, special="grow", changes=True)
add_canonical("grows-for-ever.claim", b'{"mine":"', "quarantine", TOO_LARGE, special="grow",
              changes=True)
add("grows-a-while", doc(), "done", special="pieces")
add_canonical("grows-a-while.claim", doc(), "done", special="pieces")
add("grows-reopened", doc(), "done", special="reopen")
add_canonical("rewritten-after-claim.claim", doc().replace(b"@CMD@", b"@CMD@; sleep 2"), "done",
              special="rewrite")

# --- moved and copied by hand ------------------------------------------------------------------------


def from_state(state, name=None):
    """The job prepared, where it lies in this state; as an operator's mv finds it."""
    def source(case, work):
        wanted = "%s.json" % (name or case.name)
        for file in os.listdir(work + "/spool/" + state):
            if file == wanted or file.endswith("." + wanted):
                return os.fsencode("%s/spool/%s/%s" % (work, state, file))
        raise FileNotFoundError("%s in %s/" % (wanted, state))
    return source


def copy_of(state, name=None):
    def make(path, case, work):
        shutil.copyfile(from_state(state, name)(case, work), path)
    return make


def linked_to(state):
    def make(path, case, work):
        os.link(from_state(state)(case, work), path)
    return make


for _state in ("done", "dead", "failed"):
    for _what, _file in [("foreign", None), ("own", CANONICAL)]:
        _name = "from-%s.%s" % (_state, _what)
        add(_name, None, "done", prep=_state, source=from_state(_state), runs=2,
            file=_file and os.fsencode(_file % _name))
add("from-done.other-state", None, "done", prep="done", source=from_state("done"), runs=2,
    place="failed", file=os.fsencode(CANONICAL % "from-done.other-state"))
add("from-failed.due", None, "done", prep="failed", source=from_state("failed"), runs=2,
    place="failed", file=os.fsencode(CANONICAL % "from-failed.due"))
add("from-waiting.foreign", None, "waits", prep="waiting", source=from_state("pending"),
    changes=True)
add("from-waiting.due", None, "done", prep="waiting", source=from_state("pending"),
    file=os.fsencode(CANONICAL % "from-waiting.due"))
add("from-held.due", None, "done", prep="held", source=from_state("pending"),
    file=os.fsencode(CANONICAL % "from-held.due"))
# An operator takes the file of a run: it is run again, once the run has ended.
add("from-running.foreign", None, "done", prep="running", source=from_state("processing"), runs=2)
add("from-running.own", None, "done", prep="running", source=from_state("processing"), runs=2,
    file=os.fsencode(CANONICAL % "from-running.own"))
# ... under the very name it had in processing/, which is a foreign one here.
add("from-running.same", None, "done", prep="running", source=from_state("processing"), runs=2,
    file=b"20200101T000000.000000Z.p0.a1.w00000000-1-1-00000000.from-running.same.json")
add("from-tmp", doc(), "done", place="by way of tmp")
add("from-quarantine.same", None, "quarantine", AT + "1: expected '{'", prep="rejected",
    source=from_state("quarantine"))
add("from-quarantine.due", None, "quarantine", AT + "1: expected '{'", prep="rejected",
    source=from_state("quarantine"), file=os.fsencode(CANONICAL % "from-quarantine.due"))


def mended(case, work):
    path = from_state("quarantine")(case, work)
    with open(path, "wb") as f:
        f.write(Case(case.name, doc(), "").bytes(work))
    return path


add("from-quarantine.mended", None, "done", prep="rejected", source=mended)
add("report-moved", None, "quarantine", "it is a report about a file, and no job",
    prep="rejected", source="report")

IN_USE = 'id "%s" is in use'
for _state in ("done", "dead", "failed", "waiting", "held", "running"):
    _stays = {"waiting": "pending", "held": "pending", "running": "done"}.get(_state, _state)
    _where = {"waiting": "pending", "held": "pending", "running": "processing"}.get(_state, _state)
    _name = "taken-%s" % _state
    add(_name, doc(), "quarantine", IN_USE % _name, prep=_state, stays=_stays,
        file=os.fsencode("other-%s.json" % _name))
    _name = "copy-%s" % _state
    add(_name, copy_of(_where), "quarantine", IN_USE % _name, prep=_state, stays=_stays,
        file=os.fsencode("copy-of-%s.json" % _name))
for _state in ("done", "dead", "running"):
    _where = {"running": "processing"}.get(_state, _state)
    _name = "copy-own-%s" % _state
    add_canonical(_name, copy_of(_where), "quarantine",
                  IN_USE % _name + ": %s/%s.json is there" % (
                      "done" if _state == "running" else _state, _name),
                  prep=_state, stays="done" if _state == "running" else _state)
# A copy of a waiting job under a second of the queue's names is the job: whoever is due
# first runs, the other is put aside when its time comes.
add_canonical("copy-own-waiting", copy_of("pending"), "done", prep="waiting", stays="pending")
add("link-to-done", linked_to("done"), "quarantine", "it has a second name (hard link)",
    prep="done", stays="done", file=b"second-link-to-done.json")
add("link-to-waiting", linked_to("pending"), "quarantine", "it has a second name (hard link)",
    prep="waiting", stays="pending", file=b"second-link-to-waiting.json")

_seen = set()
for _case in CASES:
    assert _case.name not in _seen, _case.name
    _seen.add(_case.name)
