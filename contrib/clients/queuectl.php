#!/usr/bin/env php
<?php
/* queuectl.php: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
 *
 * Needs PHP 8.1 and the spool, not the program queuectl:
 *  1. check the id; done/ID.json or dead/ID.json is there: in use
 *  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
 *  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
 *  4. fsync pending/ (by sync(1), for PHP opens no folder): now the job is acknowledged
 *  5. look for done/ID.json, dead/ID.json or dead/rejected-..., wait, look again
 *
 *     $ticket = Queuectl\enqueue($spool, 'report-42', ['command' => 'make report']);
 *     [$state, $document] = Queuectl\wait($ticket, 60);  // 'done' or 'dead', its text
 *
 * Errors: InvalidArgumentException, JsonException (id, members), Refused, TimedOut
 * (both of this namespace), any other RuntimeException.
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

/** @throws \RuntimeException with what PHP said last, unless $ok */
function must(mixed $ok, string $what): mixed
{
    if ($ok === false) {
        throw new \RuntimeException("$what: " . (error_get_last()['message'] ?? 'failed'));
    }
    return $ok;
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
    error_clear_last();
    $tmp = "$spool/tmp/php-" . getmypid() . '-' . bin2hex(random_bytes(8));
    $out = must(@fopen($tmp, 'xbe'), 'create'); // O_CREAT | O_EXCL | O_CLOEXEC
    try {
        must(@chmod($tmp, 0640), 'chmod'); // whatever the umask: the worker may be of our group
        must(@fwrite($out, $document) === strlen($document), 'write');
        must(@fsync($out), 'fsync');
        must(@fclose($out), 'close');
        $file = must(@fopen($tmp, 'rbe'), 'open');
        if (!@link($tmp, "$spool/pending/$id.json")) {
            $why = error_get_last()['message'] ?? '';
            throw str_ends_with($why, 'File exists')
                ? new Refused("id \"$id\" is in use") : new \RuntimeException($why);
        }
    } finally {
        @unlink($tmp);
    }
    exec('sync -- ' . escapeshellarg("$spool/pending") . ' 2>&1', $said, $status);
    if ($status !== 0) {
        throw new \RuntimeException("sync $spool/pending: " . implode(' ', $said));
    }
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
        $found = @fopen($path, 'rbe');
        if (!$found) {
            // Not there, or gone since: look again later.  There but unreadable: say so.
            must(is_executable(dirname($path)) && !(is_file($path) && !is_readable($path)), $path);
            continue;
        }
        $document = must(stream_get_contents($found), $path);
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
        must(fwrite(STDOUT, $document) === strlen($document), 'stdout');
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

if (realpath($_SERVER['SCRIPT_FILENAME'] ?? '') === __FILE__) {
    exit(main(array_slice($argv, 1)));
}
