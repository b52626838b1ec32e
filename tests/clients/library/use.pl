# Decoded text goes in and comes out; then an exception that nobody catches.
use strict;
use warnings;
use utf8;
my ($client, $spool, $idle) = @ARGV;
require $client;
my $ticket = Queuectl::enqueue($spool, 'library', {command => 'echo Grüße'});
my ($state) = Queuectl::wait($ticket, 60);
print "$state\n";
Queuectl::enqueue($idle, 'taken', {command => 'true'});
