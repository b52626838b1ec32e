#!/usr/bin/env ruby
# frozen_string_literal: true

# queuectl.rb: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
#
# Needs Ruby 2.5 and the spool, not the program queuectl:
#  1. check the id; done/ID.json or dead/ID.json is there: in use
#  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
#  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
#  4. fsync pending/: now the job is acknowledged
#  5. look for done/ID.json, dead/ID.json or dead/rejected-..., wait, look again
#
#   ticket = Queuectl.enqueue(spool, "report-42", "command" => "make report")
#   state, document = Queuectl.wait(ticket, timeout: 60)   # "done" or "dead", its text in UTF-8
#
# Errors: ArgumentError, JSON::JSONError (id, members), Queuectl::Refused,
# Queuectl::TimedOut, any SystemCallError.
# A ticket keeps the file open, for reading: so its inode number, which names the
# report, is not used again, and its link count tells when the queue has taken it in.
require "json"
require "securerandom"

module Queuectl
  Refused = Class.new(StandardError)
  TimedOut = Class.new(StandardError)
  Ticket = Struct.new(:spool, :id, :file)

  module_function

  def enqueue(spool, id, members)
    unless id.match?(/\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z/)
      raise ArgumentError, "#{id.inspect} is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first"
    end
    document = JSON.generate(members.transform_keys(&:to_s).merge("id" => id))
    raise Refused, %(id "#{id}" is in use) if %w[done dead].any? { |state| File.exist?("#{spool}/#{state}/#{id}.json") }

    tmp = "#{spool}/tmp/rb-#{Process.pid}-#{SecureRandom.hex(8)}"
    out = create(tmp, spool)
    begin
      write(out, document)
      file = File.new(tmp, "rb")
      link(tmp, spool, id)
    ensure
      File.unlink(tmp)
    end
    File.open("#{spool}/pending", &:fsync)
    Ticket.new(spool, id, file)
  end

  def create(tmp, spool)
    File.new(tmp, File::WRONLY | File::CREAT | File::EXCL, 0o640)
  rescue Errno::ENOENT
    raise Errno::ENOENT, "no spool at #{spool}"
  end

  def write(out, document)
    out.chmod(0o640) # whatever the umask: the worker may be of our group
    out.write(document)
    out.fsync
  ensure
    out.close
  end

  def link(tmp, spool, id)
    File.link(tmp, "#{spool}/pending/#{id}.json")
  rescue Errno::EEXIST
    raise Refused, %(id "#{id}" is in use)
  end

  # [state, document], or nil if it has not ended.
  def look(ticket)
    own = ticket.file.stat
    report = format("rejected-%<stem>s-%<inode>x", stem: "#{ticket.id}.json"[0, 80], inode: own.ino)
    [["dead", report], ["done", ticket.id], ["dead", ticket.id]].each do |state, name|
      document, inode = File.open("#{ticket.spool}/#{state}/#{name}.json", "rb") { |f| [f.read, f.stat.ino] }
      document.force_encoding(Encoding::UTF_8)
      raise Refused, JSON.parse(document)["last_error"] if name == report
      # Not taken in yet: then what lies there is another's, or ours moved by hand.
      return [state, document] if own.nlink.zero? || own.ino == inode
    rescue Errno::ENOENT
      next
    end
    nil
  end

  def wait(ticket, timeout: Float::INFINITY)
    clock = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
    deadline = clock.call + timeout
    nap = 0.01
    until (ended = look(ticket))
      left = deadline - clock.call
      raise TimedOut, %(job "#{ticket.id}" has not ended after #{timeout} s) if left <= 0

      sleep([left, nap].min)
      nap = [2 * nap, 0.25].min
    end
    ended
  end

  def main(words)
    spool, id, members, timeout = words.map { |word| word.dup.force_encoding(Encoding::UTF_8) }
    unless [3, 4].include?(words.size) && (timeout.nil? || timeout.match?(/\A[0-9]{1,9}\z/))
      raise ArgumentError, "usage: queuectl.rb SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]"
    end
    members = JSON.parse(members)
    raise ArgumentError, "MEMBERS_JSON must be an object" unless members.is_a?(Hash)

    state, document = wait(enqueue(spool, id, members), timeout: timeout ? timeout.to_i : Float::INFINITY)
    $stdout.write(document)
    $stdout.flush
    state == "done" ? 0 : 1
  end
end

if __FILE__ == $PROGRAM_NAME
  begin
    exit Queuectl.main(ARGV)
  rescue ArgumentError, JSON::JSONError, Queuectl::Refused, Queuectl::TimedOut, SystemCallError => e
    warn "queuectl.rb: #{e.message}"
    exit({ Queuectl::Refused => 3, Queuectl::TimedOut => 124 }.fetch(e.class, e.is_a?(SystemCallError) ? 1 : 2))
  end
end
