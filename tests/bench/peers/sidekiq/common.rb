# What producer and worker share: the connection, the job, what it carries.
require "json"
require "sidekiq"

Redis.silence_deprecations = true # Debian's redis-rb is newer than its Sidekiq, and says so at each call

# PEER_<NAME>.
def setting(name) = Integer(ENV.fetch("PEER_#{name}"))

def now_us = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)

REDIS = { path: ENV.fetch("PEER_REDIS") }.freeze
WORK = ENV.fetch("PEER_WORK")

# 200 bytes, or a document of 4 KiB.
def payloads
  return ->(_) { "0" * 185 } if WORK == "noop"
  documents = ENV.fetch("PEER_INPUTS").split.map { |path| JSON.parse(File.read(path)) }
  ->(n) { documents[n % documents.size] }
end
