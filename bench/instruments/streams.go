// Holds many slow streams open at once and says how late their chunks come.
//
//	go run streams.go URL KEY MODEL [STREAMS [RAMP_SECONDS]]
//
// MODEL names its pace as upstream.go reads it: "openai/d0-n300-i100-t1" is 300 chunks, 100 ms apart, each stamped with the
// time at which it was sent. Streams are opened evenly over the ramp. It prints one line: whole streams, errors, chunks,
// and two kinds of lateness in ms:
//
//	late  how long after it was sent a chunk was here
//	gap   how much longer than the interval it took from the chunk before, at least 0; the upstream's own sleeps, always a
//	      little too long, are in it
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

func argument(k int, fallback string) string {
	if len(os.Args) > k {
		return os.Args[k]
	}
	return fallback
}

// part is the number behind a letter in the model's name, such as 300 behind n in "d0-n300-i100".
func part(model, letter string) int {
	for _, p := range strings.Split(model[strings.LastIndex(model, "/")+1:], "-") {
		if v, err := strconv.Atoi(strings.TrimPrefix(p, letter)); err == nil && strings.HasPrefix(p, letter) {
			return v
		}
	}
	fmt.Fprintf(os.Stderr, "the model %q does not say %s<number>\n", model, letter)
	os.Exit(2)
	return 0
}

// chunk is when a piece of text was sent and when it was here, in µs since 1970.
type chunk struct{ sent, here int64 }

// stamps finds the times of sending in one line of a stream.
func stamps(line []byte, chunks []chunk) []chunk {
	for here := time.Now().UnixMicro(); ; {
		_, rest, found := bytes.Cut(line, []byte("@"))
		if !found {
			return chunks
		}
		digits := 0
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
			digits++
		}
		sent, _ := strconv.ParseInt(string(rest[:digits]), 10, 64)
		chunks = append(chunks, chunk{sent, here})
		line = rest
	}
}

// read gives the chunks of one stream, which nobody else asks for: the same ones would be one call that all listen to.
func read(client *http.Client, url, key, model string, number, count int) ([]chunk, error) {
	const form = `{"model":%q,"stream":true,"messages":[{"role":"user","content":"Write a short hello %d"}]}`
	body := fmt.Sprintf(form, model, number)
	q, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Authorization", "Bearer "+key)
	reply, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != 200 {
		b, _ := io.ReadAll(reply.Body)
		return nil, fmt.Errorf("%d %s", reply.StatusCode, b)
	}
	chunks := make([]chunk, 0, count)
	in := bufio.NewReaderSize(reply.Body, 4096)
	ended := false
	for {
		line, err := in.ReadSlice('\n')
		chunks = stamps(line, chunks)
		ended = ended || bytes.Contains(line, []byte("[DONE]"))
		if err != nil {
			break
		}
	}
	if !ended || len(chunks) != count {
		return nil, fmt.Errorf("a stream ended with %d of %d stamped chunks, [DONE]: %t", len(chunks), count, ended)
	}
	return chunks, nil
}

func summary(values []float64) string {
	sort.Float64s(values)
	at := func(p float64) float64 { return values[int(float64(len(values)-1)*p)] }
	return fmt.Sprintf("p50=%.2f p99=%.2f max=%.2f", at(.5), at(.99), at(1))
}

func lateness(streams [][]chunk) (out []float64) {
	for _, chunks := range streams {
		for _, c := range chunks {
			out = append(out, float64(c.here-c.sent)/1e3)
		}
	}
	return out
}

func gaps(streams [][]chunk, interval float64) (out []float64) {
	for _, chunks := range streams {
		for k := 1; k < len(chunks); k++ {
			out = append(out, math.Max(0, float64(chunks[k].here-chunks[k-1].here)/1e3-interval))
		}
	}
	return out
}

func main() {
	url, key, model := os.Args[1], os.Args[2], os.Args[3]
	count, _ := strconv.Atoi(argument(4, "1000"))
	ramp, _ := strconv.ParseFloat(argument(5, "1"), 64)
	chunks, interval := part(model, "n"), float64(part(model, "i"))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: count, DisableCompression: true}}
	var lock sync.Mutex
	var wait sync.WaitGroup
	var streams [][]chunk
	errors, example := 0, ""
	start := time.Now()
	for k := 0; k < count; k++ {
		time.Sleep(time.Until(start.Add(time.Duration(ramp * float64(k) / float64(count) * float64(time.Second)))))
		wait.Add(1)
		go func(number int) {
			defer wait.Done()
			came, err := read(client, url, key, model, number, chunks)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				errors++
				example = err.Error()
				return
			}
			streams = append(streams, came)
		}(k)
	}
	wait.Wait()
	if chunks < 2 || len(streams) == 0 {
		fmt.Printf("ok=0 err=%d\nfirst error: %s\n", errors, example)
		os.Exit(1)
	}
	fmt.Printf("ok=%d err=%d chunks=%d late_ms %s gap_ms %s\n",
		len(streams), errors, len(streams)*chunks, summary(lateness(streams)), summary(gaps(streams, interval)))
	if errors > 0 {
		fmt.Println("first error:", example)
	}
}
