"""tap.py: what the Python harnesses share to report and to wait."""
import time


class Tap:
    """One line a test; the plan at the end."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, what, wrong):
        """wrong: what is, as a text or a list of lines; empty if all is well."""
        self.count += 1
        lines = [wrong] if isinstance(wrong, str) else list(wrong)
        lines = [line for line in lines if line]
        print("%sok %d - %s" % ("not " if lines else "", self.count, what), flush=True)
        for line in lines[:20]:
            print("# " + "".join(c if c.isprintable() else "\\x%02x" % ord(c)
                                 for c in str(line)[:400]), flush=True)
        self.failed += bool(lines)

    def skip(self, what, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, what, why))

    def note(self, text):
        print("# " + text, flush=True)

    def end(self):
        print("1..%d" % self.count)
        return 1 if self.failed else 0


def wait_until(holds, seconds, pause=0.02):
    """True once holds() is true, False after so many seconds; asked after each pause."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True
