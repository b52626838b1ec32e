# The document is text.
client, spool, idle = ARGV
require client
ticket = Queuectl.enqueue(spool, "library", command: "true", text: "Grüße")
state, document = Queuectl.wait(ticket, timeout: 60)
begin
  Queuectl.enqueue(idle, "taken", command: "true")
rescue Queuectl::Refused
  exit state == "done" && document.match?(/Grüße/)
end
exit false
