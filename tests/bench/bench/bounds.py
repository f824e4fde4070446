"""What is to be reached, as ratios in one run on one machine. A bound whose figure was not measured is not judged."""
REDIS_PEERS = ("bullmq", "bullmq-bun", "asynq", "sidekiq")


def at(*path):
    """A figure by its path in those of its subject."""
    def find(figures):
        for word in path:
            figures = figures[word]
        return figures
    return find


def of_peers(worst, key, names=None):
    """Against the best peer (of those named): the worst of our ratios to them."""
    def find(figures):
        return worst(figures[name][key] for name in figures
                     if name not in ("stampmill", "bare") and (names is None or name in names))
    return find


class Bound:
    def __init__(self, text, subject, find, limit, aim=None, most=False, peers=False, unit=""):
        self.text, self.subject, self.find, self.limit, self.aim = text, subject, find, limit, aim
        self.most, self.peers, self.unit = most, peers, unit

    def figure(self, results):
        try:
            return self.find(results[self.subject])
        except (KeyError, ValueError):
            return None

    def reached(self, figure):
        return figure <= self.limit if self.most else figure >= self.limit

    def grossly_missed(self, figure):
        """Not even half as good."""
        return figure > 2 * self.limit if self.most else figure < self.limit / 2

    def limit_text(self):
        aim = f", aim {self.aim:g}" if self.aim else ""
        return f"{'at most' if self.most else 'at least'} {self.limit:g}{self.unit}{aim}"


BOUNDS = [
    Bound("noop with rows, against the bare reference",
          "noop", at("bare", "stampmill_times"), 0.9),
    Bound("noop with rows, against the best Redis peer without rows",
          "noop", of_peers(min, "stampmill_times", REDIS_PEERS), 7, 9, peers=True),
    Bound("noop with rows, against asynq without rows", "noop", at("asynq", "stampmill_times"), 15, 20, peers=True),
    Bound("noop with rows, against Graphile Worker, batched, without rows",
          "noop", at("graphile", "stampmill_times"), 2.7, peers=True),
    Bound("client's processor time per noop, against the bare client",
          "noop", at("bare", "client_us_times"), 1.5, most=True),
    Bound("json, jobs/s, against the best peer", "json", of_peers(min, "stampmill_times"), 10, peers=True),
    Bound("json, processor time per job, against the Node worker",
          "json", at("bullmq", "client_us_times"), 1 / 12, 1 / 20, most=True, peers=True),
    Bound("burn 20 ms, two stamps against one", "burn", at("20 ms", "2 stamps", "times"), 1.85),
    Bound("burn 5 ms, two stamps against one", "burn", at("5 ms", "2 stamps", "times"), 1.7),
    Bound("latency at 200 jobs/s, p50, against a bare pipeline",
          "latency", at("bare", "stampmill_times_p50"), 1.3, most=True),
    Bound("latency at 200 jobs/s, p99, against a bare pipeline",
          "latency", at("bare", "stampmill_times_p99"), 1.3, most=True),
    Bound("latency at 200 jobs/s, p50, against the best peer",
          "latency", of_peers(max, "stampmill_times_p50"), 0.5, most=True, peers=True),
    Bound("latency at 200 jobs/s, p99, against the best peer",
          "latency", of_peers(max, "stampmill_times_p99"), 0.5, most=True, peers=True),
    Bound("p99 at 50 % of capacity, the best run", "capacity", at("50%", "best_p99_ms"), 10, most=True, unit=" ms"),
    Bound("p99 at 80 % of capacity, the best run", "capacity", at("80%", "best_p99_ms"), 25, most=True, unit=" ms"),
    Bound("idle memory, resident", "footprint", at("idle_rss_mib"), 10, most=True, unit=" MiB"),
    Bound("memory after a million jobs, against after 100,000", "footprint", at("growth"), 1.05, most=True),
    Bound("start to first committed result", "footprint", at("first_result_ms"), 20, most=True, unit=" ms"),
    Bound("processor time per job, deepest backlog against the cheapest",
          "backlog", at("deepest_times_cheapest"), 1.1, most=True),
]


def judged(results):
    """[(bound, figure)] of all that was measured."""
    found = [(bound, bound.figure(results)) for bound in BOUNDS]
    return [(bound, figure) for bound, figure in found if figure is not None]


def gross_losses(results):
    return [bound for bound, figure in judged(results) if not bound.peers and bound.grossly_missed(figure)]
