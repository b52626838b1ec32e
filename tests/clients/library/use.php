<?php
// A host that disables functions, under a handler that makes each warning an exception.
set_error_handler(function (int $level, string $said) { throw new \ErrorException($said); });
[, $client, $spool, $idle] = $argv;
require $client;
try {
    Queuectl\enqueue($idle, 'taken', ['command' => 'true']);
    exit(1);
} catch (Queuectl\Refused) {
}
[$state] = Queuectl\wait(Queuectl\enqueue($spool, 'library', ['command' => 'true']), 60);
exit($state === 'done' ? 0 : 1);
