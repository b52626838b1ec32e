"""line.py: one line of the result, and what a row is given."""
import tempfile
from typing import NamedTuple, Optional


class Line(NamedTuple):
    what: str
    value: Optional[float]  # None: could not be measured here
    unit: str
    bound: str = ""         # ">= 1.25", "<= 60"; empty: told, not demanded
    note: str = ""

    def holds(self):
        if self.value is None or not self.bound:
            return None
        relation, limit = self.bound.split()
        return self.value >= float(limit) if relation == ">=" else self.value <= float(limit)


class Bench(NamedTuple):
    kind: str     # "tmpfs", "ext4" or "disk"
    place: str    # a folder there
    rounds: int
    scale: float  # of the numbers of jobs; 1 for figures that count

    def jobs(self, n):
        return max(20, int(n * self.scale))

    def folder(self):
        return tempfile.TemporaryDirectory(prefix="bench.", dir=self.place,
                                           ignore_cleanup_errors=True) # a server may be writing
