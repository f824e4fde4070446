# The worker, loaded by the program `sidekiq`: PEER_WORK, PEER_ROWS, PEER_LOG say which jobs and what is kept.
require_relative "common"
require "connection_pool"
require "pg"

INSERT = "INSERT INTO bench.results (id, type, state, attempt, started_at, finished_at, result)" \
  " VALUES ($1, $2, 'succeeded', 1, to_timestamp($3), now(), $4)".freeze

def connect
  PG.connect.tap { |pg| pg.prepare("insert", INSERT) }
end

POOL = ENV["PEER_ROWS"] == "rows" ? ConnectionPool.new(size: setting("POOL"), timeout: 60) { connect } : nil
CLOCK = ENV["PEER_LOG"] && File.open(ENV["PEER_LOG"], "a").tap { |file| file.sync = true }
LOCK = Mutex.new
$jobs = $first = $last = 0

class PeerJob
  include Sidekiq::Worker
  sidekiq_options retry: 5

  def aggregate(records)
    totals = Hash.new(0)
    records.each { |record| totals[record["region"]] += record["amount"] }
    totals.map { |region, total| { region: region, total: total } }
  end

  def perform(number, data)
    started = now_us
    result = WORK == "json" ? JSON.generate(aggregate(data)) : nil
    POOL&.with { |pg| pg.exec_prepared("insert", [number, WORK, started / 1e6, result]) }
    now = now_us
    CLOCK&.write("#{number} #{now}\n")
    LOCK.synchronize do
      $first = started if $first.zero?
      $last = now
      $jobs += 1
    end
  end
end

# "JOBS FIRST_US LAST_US" ten times a second.
def tell
  told = 0
  loop do
    sleep 0.1
    line, jobs = LOCK.synchronize { ["#{$jobs} #{$first} #{$last}\n", $jobs] }
    next if jobs == told
    told = jobs
    $stdout.write(line)
    $stdout.flush
  end
end

Sidekiq.configure_server do |config|
  config.redis = { **REDIS, size: setting("CONCURRENCY") + 5 }
  config.logger.level = Logger::ERROR
  config.on(:startup) do
    Thread.new { tell }
    $stdout.write("ready\n")
    $stdout.flush
  end
end
