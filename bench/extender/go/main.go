// A scheduler extender that decides nothing: it reads what kube-scheduler sends and answers with all of it.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	extender "k8s.io/kube-scheduler/extender/v1"
)

// times are the milliseconds of each verb since they were asked for the last time.
var (
	lock  sync.Mutex
	times = []float64{}
)

func timed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		h(w, r)
		took := float64(time.Since(started).Nanoseconds()) / 1e6
		lock.Lock()
		defer lock.Unlock()
		times = append(times, took)
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func verb(reply func(args extender.ExtenderArgs) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var args extender.ExtenderArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.NodeNames == nil {
			http.Error(w, "not as a kube-scheduler extender expects it", http.StatusBadRequest)
			return
		}
		answer(w, reply(args))
	}
}

func main() {
	http.HandleFunc("POST /filter", timed(verb(func(args extender.ExtenderArgs) any {
		return extender.ExtenderFilterResult{NodeNames: args.NodeNames}
	})))
	http.HandleFunc("POST /prioritize", timed(verb(func(args extender.ExtenderArgs) any {
		scores := make(extender.HostPriorityList, 0, len(*args.NodeNames))
		for _, name := range *args.NodeNames {
			scores = append(scores, extender.HostPriority{Host: name})
		}
		return scores
	})))
	http.HandleFunc("GET /times", func(w http.ResponseWriter, _ *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		answer(w, times)
		times = []float64{}
	})
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
