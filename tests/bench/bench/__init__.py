"""The benchmark, one subject a file.

  machine      what /proc says: processor time, stolen time, memory; what this machine is
  servers      a private Redis and PostgreSQL, and their processor time
  works        the jobs: type, arguments, inputs
  sides        what drains a queue: the daemon, the bare reference, a peer
  drain        one drain measured; rounds of several sides in turn, and their medians
  throughput   noop, json, csv: rounds of drains
  burn         stamps on jobs that use the processor
  scale        daemons, payload, backlog
  latency      open loop, from the intended start to the committer's clock
  footprint    memory, idle processor time, start, sizes
  partitions   what a partitioned table costs; by name alone
  settings     the peers by the settings that were tried; by name alone
  peers        other job systems: installing and running our small programs for them
  bounds       what is to be reached, and whether it is
  report       table, JSON; picture: SVG; readme: the README's part
"""
