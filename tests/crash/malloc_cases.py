"""malloc_cases.py: the commands that malloc.py runs out of memory, and the spools they
are run on.

A row of CASES: (name, what it may leave, exit code, arguments, text on stdin).

    look    nothing may change
    whole   all of it is done or nothing (and nothing where it failed)
    each    each job as before or as it is to be (and all as they are to be where it
            succeeded)

    again   what a try that failed has begun, the same call finishes

In the arguments @ stands for the folder of the case: the spool is @/spool, and what
files() writes lies there too.  A document is one word (no blanks); %bad is the id of
the report about bad.json.  -own and -none in front: no spool is named, and the
user's home is @/home.
"""
import json
import os

BATCH = b"".join(b'{"id":"b%d","command":"true","note":"\\u00fc %d","n":12345678901234567890}\n'
                 % (i, i) for i in range(1, 6))
LINES = b"one\ntwo words\nthree\n"
DOCUMENT = (b'{"id": "n1", "command": "echo $X", "priority": "high", "max_retries": 5,\n'
            b' "timeout": "90s", "env": {"X": "1", "Y": "2"}, "cwd": "/", "backoff_base": 1.5,\n'
            b' "delay": "1h", "on_crash": "dead", "mine": {"a": [1, 2.50, "\\ud83d\\ude00"]}}\n')

CASES = [
    ("help", "look", 0, "help", None),
    ("help of a command", "look", 0, "help enqueue", None),
    ("help --schema", "look", 0, "help --schema", None),
    ("an option --help", "look", 0, "dlq list --help", None),
    ("version", "look", 0, "--version", None),
    ("no command", "look", 2, "", None),
    ("unknown command", "look", 2, "enqeue", None),
    ("unknown option", "look", 2, "list --sate dead", None),

    ("enqueue --command", "whole", 0, "enqueue --id n1 --command true", None),
    ("enqueue, an id made", "whole", 0, "enqueue --command true", None),
    ("enqueue, flags", "whole", 0, "enqueue --id n1 --command true --priority high --max-retries 9"
     " --timeout 5m --delay 1h --backoff-base 3 --cwd / --env A=1 --env B=2 --detach --on-crash"
     " dead --json", None),
    ("enqueue -- argv", "whole", 0, "enqueue --id n1 -- printf %s a b", None),
    ("enqueue document", "whole", 0, 'enqueue {"id":"n1","command":"true"}', None),
    ("enqueue -", "whole", 0, "enqueue -", DOCUMENT),
    ("enqueue @file", "whole", 0, "enqueue @@/job.json --priority 3 --env Z=9", None),
    ("enqueue --dry-run", "look", 0, "enqueue - --dry-run", DOCUMENT),
    ("enqueue, a bad document", "look", 1, "enqueue -", b'{"id":"n1","comand":"true"}'),
    ("enqueue, no JSON", "look", 1, "enqueue -", b'{"id":"n1",'),
    ("enqueue, a bad value", "look", 2, "enqueue --command true --timeout 5x", None),
    ("enqueue, a duplicate", "look", 1, "enqueue --id waits --command true", None),
    ("enqueue --unique, new", "whole", 0, "enqueue --unique --id n1 --command true", None),
    ("enqueue --unique, waits", "look", 0, "enqueue --unique --id waits --command true", None),
    ("enqueue --unique, done", "whole", 0, "enqueue --unique --id done --command true", None),
    ("enqueue --unique, dead", "whole", 0, "enqueue --unique --id dead2 --command true", None),
    ("enqueue --batch", "whole", 0, "enqueue --batch -", BATCH),
    ("enqueue --batch file --json", "whole", 0, "enqueue --batch @/batch.jsonl --json", None),
    ("enqueue --batch, one bad", "look", 1, "enqueue --batch -", BATCH + b'{"id":"b9"}\n'),
    ("enqueue --batch, one there", "look", 1, "enqueue --batch -",
     BATCH + b'{"id":"waits","command":"true"}\n'),
    ("enqueue --batch --skip-bad", "whole", 1, "enqueue --batch - --skip-bad",
     BATCH + b'{"id":"b9"}\n{"id":"waits","command":"true"}\n'),
    ("enqueue --batch --dry-run", "look", 0, "enqueue --batch - --dry-run", BATCH),
    ("enqueue --lines", "whole", 0, "enqueue --lines -- echo {} {}.jpg", LINES),
    ("enqueue --lines -0", "whole", 0, "enqueue --lines -0 -I % --priority 2 -- echo %",
     LINES.replace(b"\n", b"\0")),
    ("enqueue --lines --json", "whole", 0, "enqueue --lines --json --env A=1 -- echo {}", LINES),

    ("list", "look", 0, "list", None),
    ("list --json", "look", 0, "list --json", None),
    ("list --state dead", "look", 0, "list --state dead --limit 1", None),
    ("list --state held", "look", 0, "list --state held --json", None),
    ("list --format", "look", 0, r"list --format {id}\t{state}\t{last_error}\t{mine}", None),
    ("show", "look", 0, "show failed", None),
    ("show --json", "look", 0, "show --json done", None),
    ("show a report", "look", 0, "show %bad", None),
    ("show, unknown", "look", 1, "show nobody", None),
    ("logs", "look", 0, "logs done", None),
    ("logs --json", "look", 0, "logs failed --json", None),
    ("logs --run --tail", "look", 0, "logs failed --run 1 --tail 1", None),
    ("logs --stderr", "look", 0, "logs failed --stderr", None),
    ("logs -f, ended", "look", 0, "logs -f done", None),
    ("logs, not run", "look", 0, "logs waits", None),
    ("wait, done", "look", 0, "wait done", None),
    ("wait, dead", "look", 1, "wait done dead1", None),
    ("wait --json", "look", 0, "wait done --json", None),
    ("wait --timeout", "look", 124, "wait waits --timeout 1ms", None),
    ("wait, unknown", "look", 1, "wait nobody", None),
    ("status", "look", 0, "status", None),
    ("status --json", "look", 0, "status --json", None),
    ("fsck", "look", 0, "fsck", None),
    ("fsck --json", "look", 0, "fsck --json", None),
    ("worker list", "look", 0, "worker list", None),
    ("worker list --json", "look", 0, "worker list --json", None),
    ("worker stop, none", "look", 0, "worker stop", None),

    ("retry", "each", 0, "retry failed done dead1", None),
    ("retry, unknown", "look", 1, "retry nobody", None),
    ("cancel", "each", 0, "cancel waits failed", None),
    ("cancel, done", "look", 1, "cancel done", None),
    ("hold", "each", 0, "hold waits failed", None),
    ("release", "each", 0, "release held", None),
    ("edit flags", "whole", 0, "edit waits --priority high --timeout 9s --env A=1 --delay 2h",
     None),
    ("edit document", "whole", 0, 'edit failed {"command":"false","mine":null,"more":[1]}', None),
    ("edit argv", "whole", 0, "edit waits -- echo a b", None),
    ("edit, done", "look", 1, "edit done --priority 1", None),
    ("edit, a bad value", "look", 1, 'edit waits {"priority":1000}', None),
    ("delete", "each", 0, "delete --yes done waits dead1 %bad", None),
    ("clear", "each", 0, "clear --yes", None),
    ("dlq list", "look", 0, "dlq list", None),
    ("dlq list --json", "look", 0, "dlq list --json", None),
    ("dlq list --by-error", "look", 0, "dlq list --by-error", None),
    ("dlq show", "look", 0, "dlq show dead1", None),
    ("dlq retry", "each", 0, "dlq retry dead1", None),
    ("dlq retry a report", "each", 0, "dlq retry %bad", None),
    ("dlq retry --error", "each", 0, "dlq retry --error exit", None),
    ("dlq retry --all", "each", 0, "dlq retry --all", None),
    ("dlq purge", "each", 0, "dlq purge --yes --older-than 0s", None),
    ("dlq purge a report", "each", 0, "dlq purge --yes %bad", None),

    ("pause", "whole", 0, "pause", None),
    ("resume", "whole", 0, "resume", None),
    ("config get", "look", 0, "config get", None),
    ("config get KEY", "look", 0, "config get max-retries", None),
    ("config list", "look", 0, "config list", None),
    ("config list --json", "look", 0, "config list --json", None),
    ("config set", "whole", 0, "config set timeout 90", None),
    ("config set, there", "whole", 0, "config set max_retries 7", None),
    ("config set allow-users", "whole", 0, "config set allow-users root", None),
    ("config set, bad", "look", 2, "config set max-retries 2.5", None),
    ("config unset", "whole", 0, "config unset max-retries", None),
    ("init, there", "look", 0, "init @/spool", None),
    ("init --adopt", "look", 0, "init --adopt @/spool", None),
    ("init --group", "again", 0, "init --group root @/spool", None),
    ("init, new", "again", 0, "init @/new", None),
    ("init --group, new", "again", 0, "init --group root @/new", None),
    ("enqueue, the user's own spool", "again", 0, "-own enqueue --id n1 --command true", None),
    ("status, no spool", "look", 0, "-none status --json", None),
    ("list, no spool", "look", 0, "-none list", None),
]


def files(folder):
    """What the arguments name."""
    for name, text in (("job.json", DOCUMENT), ("batch.jsonl", BATCH)):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(text)


# How the spool of all cases came to be: its jobs, and what lies in it of them.
JOBS = [
    {"id": "waits", "command": "true", "mine": {"big": 9007199254740993, "text": "\u00fc"}},
    {"id": "held", "command": "true", "delay": "1h"},
    {"id": "later", "command": "true", "delay": "2h"},
    {"id": "done", "command": "echo out; echo err >&2"},
    {"id": "failed", "command": "echo a; echo why >&2; exit 3", "backoff_base": 1000},
    {"id": "dead1", "command": "echo no >&2; exit 4", "max_retries": 0},
    {"id": "dead2", "argv": ["/nowhere/at all"], "max_retries": 0},
]
FOREIGN = {"bad.json": b'{"id": "bad", "comand": "true"}\n'}
SETTINGS = b"; kept\nmax-retries = 3\n\ngrace = 2s ; as well\n"
FATES = {"done": "done", "failed": "failed", "dead1": "dead", "dead2": "dead"}


def documents():
    return [(job["id"], json.dumps(job).encode()) for job in JOBS]
