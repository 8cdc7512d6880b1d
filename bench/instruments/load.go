// A load generator that times the first and the last byte of each reply.
//
//	go run load.go URL CONNECTIONS SECONDS BODYFILE [KEY [RATE [HEADER:VALUE ...]]]
//
// RATE 0 is a closed loop of CONNECTIONS; a RATE above 0 starts that many requests a second whatever happens, and counts
// each wait from the moment at which the request was due. "@SEQ@" in the body becomes a number that no other request has.
// It prints one line: replies, errors, replies/s, data lines/s, and the time to the first data and to the end in ms.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How a stream says that it is over: chat completions, Messages, Responses.
var ends = [][]byte{[]byte("[DONE]"), []byte(`"message_stop"`), []byte(`"response.completed"`)}

func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*p)]
}

func argument(k int, fallback string) string {
	if len(os.Args) > k {
		return os.Args[k]
	}
	return fallback
}

func main() {
	url := os.Args[1]
	connections, _ := strconv.Atoi(os.Args[2])
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)
	body, err := os.ReadFile(os.Args[4])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	key := argument(5, "sk-none")
	rate, _ := strconv.ParseFloat(argument(6, "0"), 64)
	var extra []string
	if len(os.Args) > 7 {
		extra = os.Args[7:]
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections + 64, DisableCompression: true}}
	var lock sync.Mutex
	var first, total []float64
	var errors, lines, sequence atomic.Int64
	var example atomic.Value
	fail := func(why string) {
		errors.Add(1)
		example.CompareAndSwap(nil, why)
	}
	one := func(due time.Time) {
		number := strconv.FormatInt(sequence.Add(1), 10)
		q, _ := http.NewRequest("POST", url, bytes.NewReader(bytes.ReplaceAll(body, []byte("@SEQ@"), []byte(number))))
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("Authorization", "Bearer "+key)
		for _, h := range extra {
			kv := strings.SplitN(h, ":", 2)
			q.Header.Set(kv[0], strings.TrimSpace(kv[1]))
		}
		reply, err := client.Do(q)
		if err != nil {
			fail(err.Error())
			return
		}
		defer reply.Body.Close()
		if reply.StatusCode != 200 {
			b, _ := io.ReadAll(reply.Body)
			fail(fmt.Sprint(reply.StatusCode, " ", string(b)))
			return
		}
		in := bufio.NewReaderSize(reply.Body, 65536)
		var began float64
		n := int64(0)
		ended := !strings.HasPrefix(reply.Header.Get("Content-Type"), "text/event-stream")
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 1 && began == 0 {
				began = time.Since(due).Seconds() * 1e3
			}
			if bytes.HasPrefix(line, []byte("data:")) {
				n++
				for _, end := range ends {
					ended = ended || bytes.Contains(line, end)
				}
			}
			if err != nil {
				break
			}
		}
		if !ended {
			fail("a stream ended without its end event")
			return
		}
		took := time.Since(due).Seconds() * 1e3
		lines.Add(n)
		lock.Lock()
		first = append(first, began)
		total = append(total, took)
		lock.Unlock()
	}
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	var wait sync.WaitGroup
	if rate > 0 {
		gap := time.Duration(float64(time.Second) / rate)
		for due := start; due.Before(end); due = due.Add(gap) {
			if d := time.Until(due); d > 0 {
				time.Sleep(d)
			}
			wait.Add(1)
			go func(due time.Time) { defer wait.Done(); one(due) }(due)
		}
	} else {
		for k := 0; k < connections; k++ {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for time.Now().Before(end) {
					one(time.Now())
				}
			}()
		}
	}
	wait.Wait()
	elapsed := time.Since(start).Seconds()
	sort.Float64s(first)
	sort.Float64s(total)
	fmt.Printf("ok=%d err=%d rps=%.0f lines/s=%.0f first_ms p50=%.2f p95=%.2f p99=%.2f total_ms p50=%.2f p99=%.2f\n",
		len(total), errors.Load(), float64(len(total))/elapsed, float64(lines.Load())/elapsed,
		percentile(first, .5), percentile(first, .95), percentile(first, .99), percentile(total, .5), percentile(total, .99))
	if why := example.Load(); why != nil {
		s := why.(string)
		if len(s) > 300 {
			s = s[:300]
		}
		fmt.Println("first error:", s)
	}
}
