// A load generator that knows the right answer: every reply is right, an error that was told, or a lie.
//
//	go run judge.go URL KEY MODEL RATE SECONDS
//
// It starts RATE requests a second whatever happens, four of five of them streams and one of five for a person, each with a
// number of its own whose answer only faulty.go's rule gives. Every second it prints a line of counts as JSON, and in the end
// one with "done" and latencies: of errors "before" the first word and "after" it; "silent", an end that looked whole and was
// not; "twice", text that came again; "wrong", text that nobody said; "torn", a connection that ended without a word of why.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const words = 20

type chunk struct {
	Error *struct {
		Code any `json:"code"`
	} `json:"error"`
	Choices []struct {
		Delta   struct{ Content string } `json:"delta"`
		Message struct{ Content string } `json:"message"`
		Finish  any                      `json:"finish_reason"`
	} `json:"choices"`
}

type counts struct {
	sync.Mutex
	Seconds float64        `json:"seconds"`
	Sent    int            `json:"sent"`
	Counts  map[string]int `json:"counts"`
	Kinds   map[string]int `json:"kinds"`
	First   []float64      `json:"-"`
	Done    bool           `json:"done"`
	P50     float64        `json:"p50_ms"`
	P99     float64        `json:"p99_ms"`
	Server  int            `json:"server_errors"`
}

var all = counts{Counts: map[string]int{}, Kinds: map[string]int{}}

func expected(n int) string {
	var b strings.Builder
	for k := 0; k < words; k++ {
		fmt.Fprintf(&b, "a%d-%d ", n, k)
	}
	return b.String()
}

func judge(said, right string, told, ended bool) string {
	switch {
	case !told && ended && said == right:
		return "right"
	case strings.HasPrefix(right, said) && told:
		if said == "" {
			return "before"
		}
		return "after"
	case strings.HasPrefix(right, said) && ended:
		return "silent"
	case strings.HasPrefix(right, said):
		return "torn"
	}
	seen := map[string]bool{}
	for _, word := range strings.Fields(said) {
		if seen[word] {
			return "twice"
		}
		seen[word] = true
	}
	return "wrong"
}

func one(client *http.Client, url, key, model string, n int, due time.Time) {
	stream := n%5 != 0
	body, _ := json.Marshal(map[string]any{"model": model, "stream": stream,
		"messages": []any{map[string]string{"role": "user", "content": "Please tell me what stands under number " + strconv.Itoa(n)}}})
	q, _ := http.NewRequest("POST", url, bytes.NewReader(body))
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Authorization", "Bearer "+key)
	if n%5 == 1 { // one of five is somebody, whose memory is looked through
		q.Header.Set("X-Syntra-User", "user"+strconv.Itoa(n%250))
	}
	verdict, kind, status := "torn", "", 0
	var first float64
	reply, err := client.Do(q)
	if err == nil {
		status = reply.StatusCode
		verdict, kind, first = read(reply, expected(n), stream, due)
		reply.Body.Close()
	} else {
		kind = "no reply: " + errors.Unwrap(err).Error() // without the URL
	}
	all.Lock()
	defer all.Unlock()
	all.Counts[verdict]++
	if kind != "" {
		all.Kinds[kind]++
	}
	if status >= 500 {
		all.Server++
	}
	if verdict == "right" {
		all.First = append(all.First, first)
	}
}

func read(reply *http.Response, right string, stream bool, due time.Time) (string, string, float64) {
	var said strings.Builder
	kind, told, ended, finished, first := "", false, false, false, 0.0
	take := func(data []byte) {
		var c chunk
		if json.Unmarshal(data, &c) != nil {
			return
		}
		if first == 0 {
			first = time.Since(due).Seconds() * 1e3
		}
		if c.Error != nil {
			told, kind = true, fmt.Sprint(c.Error.Code)
		}
		for _, choice := range c.Choices {
			said.WriteString(choice.Delta.Content + choice.Message.Content)
			finished = finished || choice.Finish != nil
		}
	}
	if !stream || reply.StatusCode != 200 {
		b, err := io.ReadAll(reply.Body)
		take(b)
		if err != nil {
			kind = "a broken body: " + err.Error()
		}
		return judge(said.String(), right, told, err == nil && finished), kind, first
	}
	in := bufio.NewReader(reply.Body)
	for {
		line, err := in.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: ")); ok {
			if string(data) == "[DONE]" {
				ended = true
			} else {
				take(data)
			}
		}
		if err != nil {
			if err != io.EOF && !told {
				kind = "a broken stream: " + err.Error()
			}
			break
		}
	}
	return judge(said.String(), right, told, ended || finished), kind, first
}

func tell(start time.Time) {
	all.Lock()
	defer all.Unlock()
	all.Seconds = time.Since(start).Seconds()
	b, _ := json.Marshal(&all)
	fmt.Println(string(b))
}

func main() {
	url, key, model := os.Args[1], os.Args[2], os.Args[3]
	rate, _ := strconv.ParseFloat(os.Args[4], 64)
	seconds, _ := strconv.ParseFloat(os.Args[5], 64)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}, Timeout: 60 * time.Second}
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	go func() {
		for range time.Tick(time.Second) {
			tell(start)
		}
	}()
	var wait sync.WaitGroup
	gap := time.Duration(float64(time.Second) / rate)
	n := 0
	for due := start; due.Before(end); due = due.Add(gap) {
		if d := time.Until(due); d > 0 {
			time.Sleep(d)
		}
		n++
		all.Lock()
		all.Sent++
		all.Unlock()
		wait.Add(1)
		go func(n int, due time.Time) { defer wait.Done(); one(client, url, key, model, n, due) }(n, due)
	}
	wait.Wait()
	all.Lock()
	sort.Float64s(all.First)
	if l := len(all.First); l > 0 {
		all.P50, all.P99 = all.First[l/2], all.First[(l-1)*99/100]
	}
	all.Done = true
	all.Unlock()
	tell(start)
}
