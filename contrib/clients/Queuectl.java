// Queuectl.java: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
//
// Needs Java 17, a Unix and the spool, not the program queuectl:
//  1. check the id; done/ID.json or dead/ID.json is there: in use
//  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
//  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
//  4. fsync pending/: now the job is acknowledged
//  5. watch done/ and dead/, look, wait, look: ID.json there, or dead/rejected-...
//
//     try (var ticket = Queuectl.enqueue(spool, "report-42", "{\"command\":\"make report\"}")) {
//         var ended = ticket.await(Duration.ofSeconds(60));   // .state() "done" or "dead", .document()
//     }
// In a package of yours add a package line.
// Errors: IllegalArgumentException (id, members), Refused, TimeoutException, any other IOException.
//
// The members are text, in which the id is set: one of its own in there would be a
// second one, which the queue refuses.  Words of the command line are decoded by the locale.
// A ticket keeps the file open, for reading: so its inode number, which names the
// report, is not used again.  Close it.
import static java.nio.file.StandardOpenOption.*;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Pattern;

public final class Queuectl {
    /** The id is in use, or the file was no job. */
    @SuppressWarnings("serial")
    public static final class Refused extends IOException {
        Refused(String why) { super(why); }
    }

    public record Ended(String state, byte[] document) {}

    public record Ticket(Path spool, String id, Object inode, FileChannel file) implements AutoCloseable {
        /** Looks after the watch is armed and after each event, and every 2 s since events are hints;
            without a watch after 10 ms at first, 250 ms at last. */
        public Ended await(Duration timeout) throws IOException, InterruptedException, TimeoutException {
            long start = System.nanoTime(), limit = nanos(timeout), nap = 10_000_000;
            try (var watch = watch()) {
                while (true) {
                    var ended = look();
                    if (ended != null) return ended;
                    long left = limit - (System.nanoTime() - start);
                    if (left <= 0) throw new TimeoutException(
                        "job \"" + id + "\" has not ended after " + seconds(limit) + " s");
                    if (watch == null) TimeUnit.NANOSECONDS.sleep(Math.min(left, nap));
                    nap = Math.min(2 * nap, 250_000_000);
                    var key = watch == null ? null : watch.poll(Math.min(left, 2_000_000_000L), TimeUnit.NANOSECONDS);
                    for (; key != null; key = watch.poll()) {
                        key.pollEvents();
                        key.reset();
                    }
                }
            }
        }

        /** Null where the system has none left. */
        private WatchService watch() throws IOException {
            WatchService watch = null;
            try {
                watch = spool.getFileSystem().newWatchService();
                for (var folder : List.of("done", "dead"))
                    spool.resolve(folder).register(watch, StandardWatchEventKinds.ENTRY_CREATE);
                return watch;
            } catch (IOException e) {
                if (watch != null) watch.close();
                return null;
            }
        }

        private Ended look() throws IOException {
            String stem = id + ".json", report = "rejected-%.80s-%x".formatted(stem, inode);
            for (var at : List.of("dead/" + report, "done/" + id, "dead/" + id)) {
                byte[] document;
                try {
                    document = Files.readAllBytes(spool.resolve(at + ".json"));
                } catch (NoSuchFileException e) {
                    continue;
                }
                if (at.endsWith(report)) throw new Refused(reason(document));
                if (!waits()) return new Ended(at.substring(0, 4), document);
            }
            return null;
        }

        /** Not taken in yet?  Then what lies in done/ or dead/ is another's. */
        private boolean waits() throws IOException {
            try {
                return inode.equals(inodeOf(spool.resolve("pending").resolve(id + ".json")));
            } catch (NoSuchFileException e) {
                return false;
            }
        }

        @Override
        public void close() throws IOException { file.close(); }
    }

    /** 292 years where it is more. */
    private static long nanos(Duration d) {
        if (d.isNegative()) return 0;
        return d.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0 ? d.toNanos() : Long.MAX_VALUE;
    }

    private static String seconds(long nanos) {
        return BigDecimal.valueOf(nanos, 9).stripTrailingZeros().toPlainString();
    }

    private static Object inodeOf(Path path) throws IOException {
        return Files.getAttribute(path, "unix:ino", LinkOption.NOFOLLOW_LINKS);
    }

    /** The queue's own report: its last_error. */
    private static String reason(byte[] report) {
        var text = new String(report, StandardCharsets.UTF_8);
        var found = Pattern.compile("\"last_error\": \"((?:[^\"\\\\]|\\\\.)*)\"").matcher(text);
        return found.find() ? found.group(1).replaceAll("\\\\([\"\\\\])", "$1") : text;
    }

    private static byte[] document(String id, String members) {
        if (!id.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,127}"))
            throw new IllegalArgumentException(
                "\"" + id + "\" is no id: 1 to 128 of A-Za-z0-9._-, a letter or digit first");
        var text = members.strip();
        if (!text.startsWith("{")) throw new IllegalArgumentException("the members must be a JSON object");
        var rest = text.substring(1).stripLeading();
        return ("{\"id\":\"" + id + (rest.startsWith("}") ? "\"" : "\",") + rest).getBytes(StandardCharsets.UTF_8);
    }

    public static Ticket enqueue(Path spool, String id, String members) throws IOException {
        var document = ByteBuffer.wrap(document(id, members));
        for (var state : List.of("done", "dead"))
            if (Files.exists(spool.resolve(state).resolve(id + ".json"), LinkOption.NOFOLLOW_LINKS))
                throw new Refused("id \"" + id + "\" is in use");
        var mode = PosixFilePermissions.fromString("rw-r-----");
        var tmp = spool.resolve("tmp/java-" + ProcessHandle.current().pid() + "-" + UUID.randomUUID());
        FileChannel out, file = null;
        try {
            out = FileChannel.open(tmp, Set.of(CREATE_NEW, WRITE), PosixFilePermissions.asFileAttribute(mode));
        } catch (NoSuchFileException e) {
            throw new IOException("no spool at " + spool, e);
        }
        try {
            try (out) {
                Files.setPosixFilePermissions(tmp, mode); // whatever the umask: the worker may be of our group
                while (document.hasRemaining()) out.write(document);
                out.force(true);
            }
            file = FileChannel.open(tmp, READ);
            var ticket = new Ticket(spool, id, inodeOf(tmp), file);
            Files.createLink(spool.resolve("pending").resolve(id + ".json"), tmp);
            Files.delete(tmp);
            try (var folder = FileChannel.open(spool.resolve("pending"), READ)) {
                folder.force(true);
            }
            return ticket;
        } catch (IOException e) {
            if (file != null) file.close();
            Files.deleteIfExists(tmp);
            throw e instanceof FileAlreadyExistsException ? new Refused("id \"" + id + "\" is in use") : e;
        }
    }

    public static void main(String[] words) {
        int code = 1;
        String why = null;
        try {
            if (words.length < 3 || words.length > 4 || words.length == 4 && !words[3].matches("[0-9]{1,9}"))
                throw new IllegalArgumentException("usage: Queuectl SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]");
            var timeout = Duration.ofSeconds(words.length == 4 ? Long.parseLong(words[3]) : 1L << 32);
            try (var ticket = enqueue(Path.of(words[0]), words[1], words[2])) {
                var ended = ticket.await(timeout);
                System.out.write(ended.document());
                System.out.flush();
                code = ended.state().equals("done") && !System.out.checkError() ? 0 : 1;
            }
        } catch (IllegalArgumentException e) {
            code = 2;
            why = e.getMessage();
        } catch (Refused e) {
            code = 3;
            why = e.getMessage();
        } catch (TimeoutException e) {
            code = 124;
            why = e.getMessage();
        } catch (IOException | InterruptedException e) {
            why = e.toString();
        }
        if (why != null) System.err.println("Queuectl: " + why);
        System.exit(code);
    }
}
