"""The fault campaign: real servers, real daemons, faults by seed, and a checker of the history.

    run          words, budget, the last line
    campaign/
      world      one run: builds everything, runs the plan, heals, drains, checks
      servers    private Redis and PostgreSQL, and what can be done to their processes
      fleet      daemons as real processes, restarted when they end, their counters summed
      proxy      the proxy's commands
      resp, pg   the two wire protocols, as little of them as is needed
      msgpack    envelopes as the producer libraries write them
      jobs       kinds of jobs: what is enqueued and what row must come of it
      producers  enqueue, and remember what Redis said of each
      plan       which fault when, from the seed
      faults     the faults, one class each
      effects    what a fault did, as seen in counters
      watch      samples while it runs: rates, memory, how long Redis's file is
      record     what Redis did, by its append-only file
      history    what PostgreSQL did, by triggers
      checks     the history, after the drain
"""
