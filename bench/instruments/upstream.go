// A fast fake provider for measuring. It speaks the OpenAI, Anthropic and Gemini wires, streaming and not.
//
//	go run upstream.go 127.0.0.1:9100
//
// The model's name sets what it does: "d<ms>" waits before the first byte, "n<count>" sets the number of text chunks,
// "i<ms>" waits between them, and "echo" answers with the last user message, word for word, cut into pieces of
// "s<bytes>" bytes; "t1" makes each chunk the time of its sending, "@" and the microseconds since 1970. Examples: "d0-n50",
// "d150-n100-i10", "echo-s3". Whatever stands before the last "/" is ignored.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Parts   json.RawMessage `json:"parts"`
}

type request struct {
	Model    string    `json:"model"`
	Stream   bool      `json:"stream"`
	Messages []message `json:"messages"`
	Contents []message `json:"contents"`
	Options  struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type behaviour struct {
	delay, chunks, interval, size int
	echo, stamp                   bool
}

func behaviourOf(model string) behaviour {
	b := behaviour{chunks: 20, size: 8}
	if k := strings.LastIndex(model, "/"); k >= 0 {
		model = model[k+1:]
	}
	for _, part := range strings.Split(model, "-") {
		if part == "echo" {
			b.echo = true
			continue
		}
		if len(part) < 2 {
			continue
		}
		v, err := strconv.Atoi(part[1:])
		if err != nil {
			continue
		}
		switch part[0] {
		case 'd':
			b.delay = v
		case 'n':
			b.chunks = v
		case 'i':
			b.interval = v
		case 's':
			b.size = v
		case 't':
			b.stamp = v > 0
		}
	}
	return b
}

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

// pieces gives the text deltas of an answer. An echo is cut at byte boundaries that never split a character.
func (b behaviour) pieces(q request) []string {
	if !b.echo {
		out := make([]string, b.chunks)
		for k := range out {
			out[k] = " word" + strconv.Itoa(k)
		}
		return out
	}
	last := ""
	for _, m := range append(q.Messages, q.Contents...) {
		if m.Role == "user" {
			if len(m.Parts) > 0 {
				last = text(m.Parts)
			} else {
				last = text(m.Content)
			}
		}
	}
	var out []string
	cur := ""
	for _, r := range last {
		cur += string(r)
		if len(cur) >= b.size {
			out = append(out, cur)
			cur = ""
		}
	}
	if cur != "" {
		out = append(out, cur)
	}
	return out
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

var calls, open, left atomic.Int64

func main() {
	http.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"calls":%d,"open":%d,"left_early":%d}`+"\n", calls.Load(), open.Load(), left.Load())
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		open.Add(1)
		defer open.Add(-1)
		body, _ := io.ReadAll(r.Body)
		var q request
		json.Unmarshal(body, &q)
		path := r.URL.Path
		gemini := strings.Contains(path, ":generateContent") || strings.Contains(path, ":streamGenerateContent")
		anthropic := strings.HasSuffix(path, "/messages")
		if gemini {
			q.Stream = strings.Contains(path, ":stream")
			q.Model = strings.SplitN(path[strings.LastIndex(path, "/")+1:], ":", 2)[0]
		}
		b := behaviourOf(q.Model)
		if b.delay > 0 {
			time.Sleep(time.Duration(b.delay) * time.Millisecond)
		}
		pieces := b.pieces(q)
		flush := func() {}
		if f, ok := w.(http.Flusher); ok && q.Stream {
			flush = f.Flush
		}
		w.Header().Set("Content-Type", "application/json")
		if q.Stream {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		gone := false
		each := func(write func(string)) {
			for _, p := range pieces {
				if r.Context().Err() != nil {
					if !gone {
						left.Add(1)
						gone = true
					}
					return
				}
				if b.stamp {
					p = " @" + strconv.FormatInt(time.Now().UnixMicro(), 10)
				}
				write(p)
				flush()
				if b.interval > 0 {
					time.Sleep(time.Duration(b.interval) * time.Millisecond)
				}
			}
		}
		all := quote(strings.Join(pieces, ""))
		switch {
		case anthropic && !q.Stream:
			fmt.Fprintf(w, `{"id":"msg_1","type":"message","role":"assistant","model":%q,"content":[{"type":"text","text":%s}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":%d}}`, q.Model, all, len(pieces))
		case anthropic:
			fmt.Fprintf(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":%q,\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n", q.Model)
			io.WriteString(w, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n")
			flush()
			each(func(p string) {
				fmt.Fprintf(w, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":%s}}\n\n", quote(p))
			})
			fmt.Fprintf(w, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", len(pieces))
		case gemini && !q.Stream:
			fmt.Fprintf(w, `{"candidates":[{"content":{"role":"model","parts":[{"text":%s}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":%q}`, all, len(pieces), 12+len(pieces), q.Model)
		case gemini:
			each(func(p string) {
				fmt.Fprintf(w, "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":%s}]},\"index\":0}],\"modelVersion\":%q}\r\n\r\n", quote(p), q.Model)
			})
			fmt.Fprintf(w, "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":12,\"candidatesTokenCount\":%d,\"totalTokenCount\":%d},\"modelVersion\":%q}\r\n\r\n", len(pieces), 12+len(pieces), q.Model)
		case !q.Stream:
			fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":%s,"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":%d,"total_tokens":%d},"system_fingerprint":"fp_x"}`, q.Model, all, len(pieces), 12+len(pieces))
		default:
			head := fmt.Sprintf(`"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":%q,"system_fingerprint":"fp_x"`, q.Model)
			each(func(p string) {
				fmt.Fprintf(w, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{\"content\":%s},\"logprobs\":null,\"finish_reason\":null}]}\n\n", head, quote(p))
			})
			fmt.Fprintf(w, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", head)
			if q.Options.IncludeUsage {
				fmt.Fprintf(w, "data: {%s,\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n", head, len(pieces), 12+len(pieces))
			}
			io.WriteString(w, "data: [DONE]\n\n")
		}
		flush()
	})
	fmt.Println("fake provider on", os.Args[1])
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
