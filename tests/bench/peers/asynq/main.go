// asynq: fill WORK JOBS | work WORK rows|bare [LOG] | pace WORK RATE JOBS
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"
)

type record struct {
	Region string  `json:"region"`
	Amount float64 `json:"amount"`
}

type job struct {
	N       int      `json:"n"`
	Records []record `json:"records"`
}

type total struct {
	Region string  `json:"region"`
	Total  float64 `json:"total"`
}

const insert = `INSERT INTO bench.results (id, type, state, attempt, started_at, finished_at, result)
 VALUES ($1, $2, 'succeeded', 1, $3, now(), $4)`

var redis = asynq.RedisClientOpt{Network: "unix", Addr: os.Getenv("PEER_REDIS"), PoolSize: setting("REDIS_POOL")}

// setting is PEER_<NAME>.
func setting(name string) int {
	n, err := strconv.Atoi(os.Getenv("PEER_" + name))
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// payloads gives what job number n carries: 200 bytes, or a document of 4 KiB.
func payloads(work string) func(n int) []byte {
	if work == "noop" {
		pad := strings.Repeat("0", 185)
		return func(n int) []byte { return fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, pad) }
	}
	var documents []string
	for _, path := range strings.Fields(os.Getenv("PEER_INPUTS")) {
		text, err := os.ReadFile(path)
		check(err)
		documents = append(documents, string(text))
	}
	return func(n int) []byte { return fmt.Appendf(nil, `{"n":%d,"records":%s}`, n, documents[n%len(documents)]) }
}

func fill(work string, jobs int) {
	client, payload := asynq.NewClient(redis), payloads(work)
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < jobs; n = int(next.Add(1)) - 1 {
				_, err := client.Enqueue(asynq.NewTask(work, payload(n)))
				check(err)
			}
		})
	}
	all.Wait()
	check(client.Close())
}

// pace enqueues job n at began + n / rate, whatever became of those before; it prints began, and how late the last was sent.
func pace(work string, words []string) {
	rate, _ := strconv.ParseFloat(words[0], 64)
	jobs, _ := strconv.Atoi(words[1])
	client, payload := asynq.NewClient(redis), payloads(work)
	var all sync.WaitGroup
	began := time.Now().UnixMicro() + 100000
	due := func(n int) time.Time { return time.UnixMicro(began + int64(float64(n)*1e6/rate)) }
	for n := range jobs {
		time.Sleep(time.Until(due(n)))
		all.Go(func() {
			_, err := client.Enqueue(asynq.NewTask(work, payload(n)))
			check(err)
		})
	}
	all.Wait()
	fmt.Println(began, time.Since(due(jobs-1)).Microseconds())
	check(client.Close())
}

func aggregate(records []record) []total {
	at := map[string]int{}
	var totals []total
	for _, r := range records {
		i, known := at[r.Region]
		if !known {
			i = len(totals)
			at[r.Region] = i
			totals = append(totals, total{Region: r.Region})
		}
		totals[i].Total += r.Amount
	}
	return totals
}

type worker struct {
	work              string
	rows              *pgxpool.Pool
	clock             *os.File
	jobs, first, last atomic.Int64
}

// ProcessTask is the handler of both kinds of jobs.
func (w *worker) ProcessTask(ctx context.Context, task *asynq.Task) error {
	started := time.Now()
	w.first.CompareAndSwap(0, started.UnixMicro())
	var j job
	var result []byte
	if err := json.Unmarshal(task.Payload(), &j); err != nil {
		return err
	}
	if w.work == "json" {
		result, _ = json.Marshal(aggregate(j.Records))
	}
	if w.rows != nil {
		if _, err := w.rows.Exec(ctx, insert, j.N, w.work, started, result); err != nil {
			return err
		}
	}
	now := time.Now().UnixMicro()
	w.last.Store(now)
	if w.clock != nil {
		fmt.Fprintf(w.clock, "%d %d\n", j.N, now)
	}
	w.jobs.Add(1)
	return nil
}

// tell prints "JOBS FIRST_US LAST_US" ten times a second.
func (w *worker) tell() {
	told := int64(0)
	for range time.Tick(100 * time.Millisecond) {
		if jobs := w.jobs.Load(); jobs != told {
			told = jobs
			fmt.Println(jobs, w.first.Load(), w.last.Load())
		}
	}
}

func serve(work string, words []string) {
	w := &worker{work: work}
	if words[0] == "rows" {
		config, err := pgxpool.ParseConfig("")
		check(err)
		config.MaxConns = int32(setting("POOL"))
		w.rows, err = pgxpool.NewWithConfig(context.Background(), config)
		check(err)
	}
	if len(words) > 1 {
		var err error
		w.clock, err = os.OpenFile(words[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		check(err)
	}
	server := asynq.NewServer(redis, asynq.Config{
		Concurrency: setting("CONCURRENCY"), LogLevel: asynq.FatalLevel,
		TaskCheckInterval: time.Duration(setting("CHECK_MS")) * time.Millisecond})
	check(server.Start(w))
	go w.tell()
	fmt.Println("ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	server.Shutdown()
}

func main() {
	verb, work, rest := os.Args[1], os.Args[2], os.Args[3:]
	switch verb {
	case "fill":
		jobs, _ := strconv.Atoi(rest[0])
		fill(work, jobs)
	case "work":
		serve(work, rest)
	default:
		pace(work, rest)
	}
}
