<?php
/* queuectl.php: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
 *
 * Needs PHP 8.1 and the spool, not the program queuectl:
 *  1. check the id; done/ID.json or dead/ID.json is there: in use
 *  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
 *  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
 *  4. fsync pending/: now the job is acknowledged
 *  5. look for done/ID.json, dead/ID.json or dead/rejected-..., wait, look again
 * As a program: php queuectl.php.  No #! line: a web server's PHP would send it on.
 *
 *     $ticket = Queuectl\enqueue($spool, 'report-42', ['command' => 'make report']);
 *     [$state, $document] = Queuectl\wait($ticket, 60);  // 'done' or 'dead', its text
 *
 * Errors: InvalidArgumentException, JsonException (id, members), Refused, TimedOut
 * (both of this namespace), any other RuntimeException.  An error handler of the
 * caller's is not asked; exec() and its like, which many hosts disable, are not needed.
 * An integer beyond 64 bits becomes a double here and loses digits; pass it as a string.
 * A ticket keeps the file open, for reading: so its inode number, which names the
 * report, is not used again, and its link count tells when the queue has taken it in.
 */
declare(strict_types=1);

namespace Queuectl;

final class Refused extends \RuntimeException {}
final class TimedOut extends \RuntimeException {}

final class Ticket
{
    public function __construct(
        public readonly string $spool, public readonly string $id, public readonly mixed $file) {}
}

/** @return array{mixed, string} what $call gives, and what PHP said: neither printed nor thrown */
function attempt(callable $call): array
{
    $said = 'failed';
    set_error_handler(function (int $level, string $message) use (&$said): bool {
        $said = $message;
        return true;
    });
    try {
        $result = $call();
        return [$result, $said];
    } finally {
        restore_error_handler();
    }
}

/** @throws \RuntimeException with what PHP said, where $call gives false */
function must(string $what, callable $call): mixed
{
    [$result, $said] = attempt($call);
    if ($result === false) {
        throw new \RuntimeException("$what: $said");
    }
    return $result;
}

/** Step 3.  The words are the system's, perhaps translated: so the name is looked at too. */
function give_name(string $tmp, string $path, string $id): void
{
    [$linked, $said] = attempt(fn () => link($tmp, $path));
    clearstatcache();
    if (!$linked) {
        throw str_ends_with($said, 'File exists') || file_exists($path)
            ? new Refused("id \"$id\" is in use") : new \RuntimeException("link $path: $said");
    }
}

/** Steps 2 and 3. @return resource the file, for reading */
function publish(string $spool, string $id, string $document): mixed
{
    $tmp = "$spool/tmp/php-" . getmypid() . '-' . bin2hex(random_bytes(8));
    [$out, $said] = attempt(fn () => fopen($tmp, 'xbe')); // O_CREAT | O_EXCL | O_CLOEXEC
    if (!$out) {
        throw new \RuntimeException(
            str_ends_with($said, 'No such file or directory') ? "no spool at $spool" : $said);
    }
    try {
        // Whatever the umask: the worker may be of our group.
        must("chmod $tmp", fn () => chmod($tmp, 0640));
        must("write $tmp", fn () => fwrite($out, $document) === strlen($document));
        must("fsync $tmp", fn () => fsync($out));
        must("close $tmp", fn () => fclose($out));
        $file = must("open $tmp", fn () => fopen($tmp, 'rbe'));
        give_name($tmp, "$spool/pending/$id.json", $id);
    } finally {
        attempt(fn () => unlink($tmp));
    }
    return $file;
}

/** @param array<string, mixed>|object $members */
function enqueue(string $spool, string $id, array|object $members): Ticket
{
    if (!preg_match('/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/D', $id)) {
        throw new \InvalidArgumentException(
            "\"$id\" is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first");
    }
    $document = json_encode(['id' => $id] + (array) $members, JSON_THROW_ON_ERROR
        | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION);
    clearstatcache();
    if (file_exists("$spool/done/$id.json") || file_exists("$spool/dead/$id.json")) {
        throw new Refused("id \"$id\" is in use");
    }
    $file = publish($spool, $id, $document);
    $folder = must("open $spool/pending", fn () => fopen("$spool/pending", 'rbe'));
    must("fsync $spool/pending", fn () => fsync($folder));
    return new Ticket($spool, $id, $file);
}

/** @return ?array{string, string} state and document, null if it has not ended */
function look(Ticket $ticket): ?array
{
    $own = fstat($ticket->file);
    $report = sprintf('rejected-%s-%x', substr("$ticket->id.json", 0, 80), $own['ino']);
    foreach ([['dead', $report], ['done', $ticket->id], ['dead', $ticket->id]] as [$state, $name]) {
        $path = "$ticket->spool/$state/$name.json";
        clearstatcache();
        [$found, $said] = attempt(fn () => fopen($path, 'rbe'));
        if (!$found) {
            // Not there, or gone since: look again later.  There but unreadable: say so.
            if (!is_executable(dirname($path)) || is_file($path) && !is_readable($path)) {
                throw new \RuntimeException("$path: $said");
            }
            continue;
        }
        $document = must($path, fn () => stream_get_contents($found));
        if ($name === $report) {
            throw new Refused(json_decode($document, flags: JSON_THROW_ON_ERROR)->last_error);
        }
        // Not taken in yet: then what lies there is another's, or ours moved by hand.
        if ($own['nlink'] === 0 || $own['ino'] === fstat($found)['ino']) {
            return [$state, $document];
        }
    }
    return null;
}

/** @return array{string, string} state ('done' or 'dead') and document */
function wait(Ticket $ticket, float $timeout = INF): array
{
    $deadline = hrtime(true) / 1e9 + $timeout;
    for ($nap = 0.01; !($ended = look($ticket)); $nap = min(2 * $nap, 0.25)) {
        $left = $deadline - hrtime(true) / 1e9;
        if ($left <= 0) {
            throw new TimedOut("job \"$ticket->id\" has not ended after $timeout s");
        }
        usleep((int) ceil(1e6 * min($left, $nap)));
    }
    return $ended;
}

/** @param list<string> $words */
function main(array $words): int
{
    try {
        if (!in_array(count($words), [3, 4]) || !preg_match('/^[0-9]{1,9}$/D', $words[3] ?? '0')) {
            throw new \InvalidArgumentException('usage: queuectl.php SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]');
        }
        $members = json_decode($words[2], flags: JSON_THROW_ON_ERROR);
        if (!is_object($members)) {
            throw new \InvalidArgumentException('MEMBERS_JSON must be an object');
        }
        [$state, $document] = wait(enqueue($words[0], $words[1], $members), (float) ($words[3] ?? INF));
        must('stdout', fn () => fwrite(STDOUT, $document) === strlen($document));
        return $state === 'done' ? 0 : 1;
    } catch (\Exception $e) {
        fwrite(STDERR, 'queuectl.php: ' . $e->getMessage() . "\n");
        return match (true) {
            $e instanceof \InvalidArgumentException, $e instanceof \JsonException => 2,
            $e instanceof Refused => 3,
            $e instanceof TimedOut => 124,
            default => 1,
        };
    }
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME'] ?? '') === __FILE__) {
    exit(main(array_slice($argv, 1)));
}
