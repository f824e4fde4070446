# fill JOBS | pace RATE JOBS; PEER_WORK says of what.
require_relative "common"

Sidekiq.configure_client { |config| config.redis = { **REDIS, size: 2 } }

def fill(jobs)
  data = payloads
  (0...jobs).each_slice(1000) do |numbers|
    Sidekiq::Client.push_bulk("class" => "PeerJob", "retry" => 5, "args" => numbers.map { |n| [n, data.(n)] })
  end
end

# Job n at began + n / rate, whatever became of those before; prints began, and how late the last was sent.
def pace(rate, jobs)
  data = payloads
  began = now_us + 100_000
  due = ->(n) { began + n * 1e6 / rate }
  jobs.times do |n|
    wait = (due.(n) - now_us) / 1e6
    sleep(wait) if wait > 0
    Sidekiq::Client.push("class" => "PeerJob", "retry" => 5, "args" => [n, data.(n)])
  end
  puts "#{began} #{(now_us - due.(jobs - 1)).round}"
end

if ARGV[0] == "fill"
  fill(Integer(ARGV[1]))
else
  pace(Float(ARGV[1]), Integer(ARGV[2]))
end
