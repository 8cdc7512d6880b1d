// A fake provider that fails, for `make chaos`: a share of its calls meets one of the faults below, each as often as any other.
//
//	go run faulty.go 127.0.0.1:9200 0.2
//
// POST /share/0.1 changes the share, POST /tail/0.05 makes first words take 30 to 70 ms and in 5 % of the calls 1.5 s. The right answer follows from the last number in the prompt, so that whoever asks knows whether it is right. Who is
// shown the last words of an answer that was cut (between <<< and >>>) says them again and goes on. GET /stats tells the calls, the whole answers, their tokens and
// the faults; both are for who measures.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const words = 20

var faults = []string{
	// before the first word
	"reset", "empty", "silent", "429", "500", "502 html", "503", "529", "error first", "html", "gzip", "redirect",
	// after it
	"reset later", "end later", "cut later", "half", "silent later", "error later", "malformed", "bad utf-8", "giant", "no end",
	// forgiven
	"no done", "twice done", "no usage",
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type request struct {
	Stream   bool      `json:"stream"`
	Messages []message `json:"messages"`
}

type stats struct {
	sync.Mutex
	Calls  int            `json:"calls"`
	Whole  int            `json:"whole"`
	Tokens int            `json:"tokens"`
	Faults map[string]int `json:"faults"`
}

var seen = stats{Faults: map[string]int{}}
var number = regexp.MustCompile(`number (\d+)`)
var shown = regexp.MustCompile(`(?s)<<<(.+)>>>`)

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	json.Unmarshal(raw, &parts)
	for _, p := range parts {
		s += p.Text
	}
	return s
}

func pieces(q request) []string {
	which, last := "0", ""
	for _, m := range q.Messages {
		if m.Role == "user" {
			said := text(m.Content)
			if found := number.FindAllStringSubmatch(said, -1); found != nil {
				which = found[len(found)-1][1]
			}
			last = ""
			if found := shown.FindStringSubmatch(said); found != nil {
				last = found[1]
			}
		}
	}
	out := make([]string, words)
	for k := range out {
		out[k] = fmt.Sprintf("a%s-%d ", which, k)
	}
	whole := strings.Join(out, "")
	if at := strings.Index(whole, last); last != "" && at >= 0 {
		left := strings.SplitAfter(whole[at:], " ")
		return left[:len(left)-1] // behind the last space is nothing
	}
	return out
}

func chunk(delta map[string]any, finish any) string {
	b, _ := json.Marshal(map[string]any{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}}})
	return "data: " + string(b) + "\n\n"
}

func take(w http.ResponseWriter) net.Conn {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return c
}

func reset(w http.ResponseWriter) {
	c := take(w)
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func fail(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("content-type", "application/json")
	if status == 429 {
		w.Header().Set("retry-after", "1")
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"message":"prose of a provider","type":"%s","code":null}}`, kind)
}

func before(fault string, w http.ResponseWriter, r *http.Request) bool {
	switch fault {
	case "reset":
		reset(w)
	case "empty":
		take(w).Close()
	case "silent":
		<-r.Context().Done()
	case "429", "500", "503", "529":
		status, _ := strconv.Atoi(fault)
		fail(w, status, "server_error")
	case "502 html":
		w.Header().Set("content-type", "text/html")
		w.WriteHeader(502)
		io.WriteString(w, "<html>Bad Gateway</html>")
	case "html":
		w.Header().Set("content-type", "text/html")
		io.WriteString(w, "<html>Welcome</html>")
	case "gzip":
		w.Header().Set("content-type", "text/event-stream")
		w.Header().Set("content-encoding", "gzip")
		w.Write([]byte{31, 139, 8, 0, 0})
	case "redirect":
		w.Header().Set("location", "/elsewhere")
		w.WriteHeader(307)
	case "error first":
		w.Header().Set("content-type", "text/event-stream")
		io.WriteString(w, `data: {"error":{"message":"prose of a provider","type":"server_error"}}`+"\n\n")
	default:
		return false
	}
	return true
}

func handle(w http.ResponseWriter, r *http.Request, share, tail float64) {
	var q request
	body, _ := io.ReadAll(r.Body)
	json.Unmarshal(body, &q)
	fault := ""
	if rand.Float64() < share {
		fault = faults[rand.Intn(len(faults))]
	}
	seen.Lock()
	seen.Calls++
	seen.Faults[fault]++
	seen.Unlock()
	if before(fault, w, r) {
		return
	}
	if tail > 0 { // a first word that takes its time, and in some calls much of it
		wait := time.Duration(30+rand.Intn(40)) * time.Millisecond
		if rand.Float64() < tail {
			wait = 1500 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
	}
	said := pieces(q)
	usage := map[string]int{"prompt_tokens": 10, "completion_tokens": len(said), "total_tokens": 10 + len(said)}
	if !q.Stream {
		whole(w, r, fault, strings.Join(said, ""), usage)
		return
	}
	w.Header().Set("content-type", "text/event-stream")
	flush := func(s string) { io.WriteString(w, s); w.(http.Flusher).Flush() }
	flush(chunk(map[string]any{"role": "assistant", "content": ""}, nil))
	for k, piece := range said {
		if k == len(said)/2 && later(fault, w, r, flush) {
			return
		}
		flush(chunk(map[string]any{"content": piece}, nil))
	}
	if fault == "no end" {
		return
	}
	flush(chunk(map[string]any{}, "stop"))
	if fault != "no usage" {
		b, _ := json.Marshal(usage)
		flush(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":` + string(b) + "}\n\n")
	}
	if fault != "no done" {
		flush("data: [DONE]\n\n")
	}
	if fault == "twice done" {
		flush(chunk(map[string]any{"content": "AFTER THE END"}, nil) + "data: [DONE]\n\n")
	}
	finished(usage["total_tokens"])
}

func later(fault string, w http.ResponseWriter, r *http.Request, flush func(string)) bool {
	switch fault {
	case "reset later":
		time.Sleep(5 * time.Millisecond)
		reset(w)
	case "end later":
	case "cut later":
		panic(http.ErrAbortHandler)
	case "half":
		flush(`data: {"id":"c","choices":[{"index":0,"del`)
	case "silent later":
		<-r.Context().Done()
	case "error later":
		flush(`data: {"error":{"message":"prose of a provider","type":"server_error"}}` + "\n\n")
	case "malformed":
		flush("data: {\"id\";\"c\"}\n\n")
	case "bad utf-8":
		flush("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n")
	case "giant":
		flush(chunk(map[string]any{"content": strings.Repeat("x", 2<<20)}, nil))
	default:
		return false
	}
	return true
}

func whole(w http.ResponseWriter, r *http.Request, fault, said string, usage map[string]int) {
	b, _ := json.Marshal(map[string]any{"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
		"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": said}}}})
	w.Header().Set("content-type", "application/json")
	switch fault {
	case "reset later", "end later", "cut later", "half", "malformed", "giant", "no end", "error later", "bad utf-8":
		w.Header().Set("content-length", strconv.Itoa(len(b)))
		w.Write(b[:len(b)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "silent later":
		w.Write(b[:len(b)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	w.Write(b)
	finished(usage["total_tokens"])
}

func finished(tokens int) {
	seen.Lock()
	seen.Whole++
	seen.Tokens += tokens
	seen.Unlock()
}

func main() {
	var share, tail atomic.Value
	set := func(of *atomic.Value, text string) {
		value, _ := strconv.ParseFloat(text, 64)
		of.Store(value)
	}
	set(&share, os.Args[2])
	set(&tail, "0")
	http.HandleFunc("/share/", func(w http.ResponseWriter, r *http.Request) { set(&share, r.URL.Path[len("/share/"):]) })
	http.HandleFunc("/tail/", func(w http.ResponseWriter, r *http.Request) { set(&tail, r.URL.Path[len("/tail/"):]) })
	http.HandleFunc("/stats", func(w http.ResponseWriter, r *http.Request) {
		seen.Lock()
		defer seen.Unlock()
		w.Header().Set("content-type", "application/json")
		json.NewEncoder(w).Encode(&seen)
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, share.Load().(float64), tail.Load().(float64))
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], nil))
	os.Exit(2)
}
