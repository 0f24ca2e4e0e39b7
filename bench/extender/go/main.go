// A scheduler extender that decides nothing: it reads what kube-scheduler sends and answers with all of it.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"

	extender "k8s.io/kube-scheduler/extender/v1"
)

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
	http.HandleFunc("POST /filter", verb(func(args extender.ExtenderArgs) any {
		return extender.ExtenderFilterResult{NodeNames: args.NodeNames}
	}))
	http.HandleFunc("POST /prioritize", verb(func(args extender.ExtenderArgs) any {
		scores := make(extender.HostPriorityList, 0, len(*args.NodeNames))
		for _, name := range *args.NodeNames {
			scores = append(scores, extender.HostPriority{Host: name})
		}
		return scores
	}))
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
