#!/usr/bin/env perl
# queuectl.pl: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
#
# Needs Perl 5.14 and the spool, not the program queuectl:
#  1. check the id; done/ID.json or dead/ID.json is there: in use
#  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
#  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
#  4. fsync pending/: now the job is acknowledged
#  5. look for done/ID.json, dead/ID.json or dead/rejected-..., wait, look again
#
#   require './queuectl.pl';
#   my $ticket = Queuectl::enqueue($spool, 'report-42', {command => 'make report'});
#   my ($state, $document) = Queuectl::wait($ticket, 60);    # 'done' or 'dead', bytes
#
# Errors: die with an object that has {code} (2 id or members, 3 refused, 124 timeout,
# 1 system) and {message}, and reads as its message.  Integers up to 64 bits survive.
# Strings are decoded text (`use utf8`, Encode::decode): bytes would be encoded twice.
# A ticket keeps the file open, for reading: so its inode number, which names the
# report, is not used again, and its link count tells when the queue has taken it in.
package Queuectl::Error;
use overload '""' => sub { "$_[0]{message}\n" }, fallback => 1;

package Queuectl;
use strict;
use warnings;
use Errno qw(EEXIST ENOENT);
use Fcntl qw(O_CREAT O_EXCL O_RDONLY O_WRONLY);
use IO::Handle;
use JSON::PP;
use List::Util qw(min);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $json = JSON::PP->new->utf8->canonical;

sub fail { my ($code, $message) = @_; die bless {code => $code, message => $message}, 'Queuectl::Error' }

sub enqueue {
    my ($spool, $id, $members) = @_;
    $id =~ /\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z/
        or fail(2, "\"$id\" is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first");
    my $document = $json->encode({%$members, id => $id});
    for my $state (qw(done dead)) {
        fail(3, "id \"$id\" is in use") if lstat "$spool/$state/$id.json";
    }
    my $tmp = sprintf '%s/tmp/pl-%d-%.9f-%08x', $spool, $$, Time::HiRes::time(), rand 2**32;
    sysopen my $out, $tmp, O_WRONLY | O_CREAT | O_EXCL, 0640
        or fail(1, $! == ENOENT ? "no spool at $spool" : "create $tmp: $!");
    my $file;
    my $ok = eval {
        # Whatever the umask: the worker may be of our group.
        chmod 0640, $out or fail(1, "chmod $tmp: $!");
        (syswrite($out, $document) // -1) == length $document or fail(1, "write $tmp: $!");
        $out->sync or fail(1, "fsync $tmp: $!");
        close $out or fail(1, "close $tmp: $!");
        sysopen $file, $tmp, O_RDONLY or fail(1, "open $tmp: $!");
        link $tmp, "$spool/pending/$id.json"
            or fail($! == EEXIST ? (3, "id \"$id\" is in use") : (1, "link $tmp: $!"));
        1;
    };
    my $error = $@;
    unlink $tmp or fail(1, "unlink $tmp: $!");
    die $error unless $ok;
    sysopen my $folder, "$spool/pending", O_RDONLY or fail(1, "open $spool/pending: $!");
    $folder->sync or fail(1, "fsync $spool/pending: $!");
    return {spool => $spool, id => $id, file => $file};
}

# (state, document), or nothing if it has not ended.
sub look {
    my ($ticket) = @_;
    my ($spool, $id) = @$ticket{qw(spool id)};
    my ($inode, $links) = (stat $ticket->{file})[1, 3] or fail(1, "stat: $!");
    my $report = sprintf 'rejected-%.80s-%x', "$id.json", $inode;
    for (['dead', $report], ['done', $id], ['dead', $id]) {
        my ($state, $name) = @$_;
        my $path = "$spool/$state/$name.json";
        if (!open my $found, '<:raw', $path) {
            fail(1, "open $path: $!") if $! != ENOENT;
        } else {
            my $document = do { local $/; readline $found };
            my $same = (stat $found)[1] == $inode;
            close $found or fail(1, "read $path: $!");
            fail(3, $json->decode($document)->{last_error}) if $name eq $report;
            # Not taken in yet: then what lies there is another's, or ours moved by hand.
            return ($state, $document) if $links == 0 || $same;
        }
    }
    return;
}

sub wait {
    my ($ticket, $timeout) = @_;
    my $deadline = clock_gettime(CLOCK_MONOTONIC) + ($timeout // 'inf');
    my $nap = 0.01;
    while (1) {
        my @ended = look($ticket);
        return @ended if @ended;
        my $left = $deadline - clock_gettime(CLOCK_MONOTONIC);
        fail(124, "job \"$ticket->{id}\" has not ended after $timeout s") if $left <= 0;
        Time::HiRes::sleep(min($left, $nap));
        $nap = min(2 * $nap, 0.25);
    }
}

sub main {
    my ($spool, $id, $text, $timeout, @more) = @_;
    fail(2, 'usage: queuectl.pl SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]')
        if !defined $text || @more || ($timeout // 0) !~ /\A[0-9]{1,9}\z/;
    my $members = eval { $json->decode($text) };
    fail(2, 'MEMBERS_JSON must be a JSON object') if ref $members ne 'HASH';
    my ($state, $document) = Queuectl::wait(enqueue($spool, $id, $members), $timeout);
    print {*STDOUT} $document and STDOUT->flush or fail(1, "stdout: $!");
    return $state eq 'done' ? 0 : 1;
}

if (!caller) {
    my $code = eval { main(@ARGV) };
    if (my $error = $@) {
        $error = {code => 1, message => $error =~ s/\s+\z//r} if !ref $error;
        utf8::encode(my $message = "queuectl.pl: $error->{message}\n");
        print {*STDERR} $message;
        $code = $error->{code};
    }
    exit $code;
}
1;
