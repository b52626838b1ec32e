package library;

import java.nio.file.Path;
import java.time.Duration;

/** The client with a package line; the longest of timeouts. */
final class Use {
    public static void main(String[] words) throws Exception {
        var longest = Duration.ofSeconds(Long.MAX_VALUE);
        try {
            Queuectl.enqueue(Path.of(words[1]), "taken", "{}").await(longest);
        } catch (Queuectl.Refused e) {
            try (var ticket = Queuectl.enqueue(Path.of(words[0]), "library", "{\"command\":\"true\"}")) {
                System.exit(ticket.await(longest).state().equals("done") ? 0 : 1);
            }
        }
        System.exit(1);
    }
}
