"""What partitioning the table of results costs: the bare reference on the partitioned table against a plain one."""
from . import drain
from .sides import Bare
from .throughput import NOOP

OTHER = {"partitioned": "plain", "plain": "partitioned"}


class BareOn(Bare):
    """The table of this name is called `results` while it runs; the other one waits under its own."""

    def __init__(self, world, name):
        super().__init__(world)
        self.name = name

    def clear(self):
        servers = self.world.servers
        if servers.sql(f"SELECT to_regclass('stampmill.{self.name}') IS NOT NULL") == [("t",)]:
            servers.sql(f"ALTER TABLE stampmill.results RENAME TO {OTHER[self.name]};"
                        f"ALTER TABLE stampmill.{self.name} RENAME TO results")
        super().clear()


def partitions(world):
    """The bare reference on the partitioned table against a plain one."""
    world.servers.sql("CREATE TABLE stampmill.plain (LIKE stampmill.results INCLUDING ALL)")
    sides = [(BareOn(world, name), world.size(NOOP)) for name in ("partitioned", "plain")]
    runs = drain.rounds(world, sides, world.works.noop())
    sides[0][0].clear()
    world.servers.sql("DROP TABLE stampmill.plain")
    return {**drain.medians(runs), "ratio": drain.ratio(runs, "partitioned", "plain")}
