// Karpenter's own scheduler on pods and instance types given on stdin: what its Solve would buy, at what price, in
// what time. One JSON document a line in, one a line out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	fakecr "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	kwokoptions "sigs.k8s.io/karpenter/kwok/options"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

type question struct {
	Pods     []*corev1.Pod `json:"pods"`
	NodePool *v1.NodePool  `json:"nodePool"`
}

type answer struct {
	Hourly       float64 `json:"hourly"`
	Nodes        int     `json:"nodes"`
	Unplaced     int     `json:"unplaced"`
	Milliseconds float64 `json:"milliseconds"`
	// CPU time of all threads.
	CPUMilliseconds float64 `json:"cpuMilliseconds"`
	Error           string  `json:"error,omitempty"`
}

// cpuTime is what this process has used of all cores.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func solve(ctx context.Context, types []*cloudprovider.InstanceType, q question) (answer, error) {
	byPool := map[string][]*cloudprovider.InstanceType{q.NodePool.Name: types}
	pools := []*v1.NodePool{q.NodePool}
	provider := fake.NewCloudProvider()
	provider.InstanceTypes = types
	client := fakecr.NewFakeClient()
	realClock := clock.RealClock{}
	cluster := state.NewCluster(realClock, client, provider)
	start, cpuStart := time.Now(), cpuTime()
	concurrency := scheduling.NumConcurrentReconciles(1)
	topology, err := scheduling.NewTopology(ctx, client, cluster, nil, pools, byPool, q.Pods, concurrency)
	if err != nil {
		return answer{}, fmt.Errorf("creating topology, %w", err)
	}
	scheduler := scheduling.NewScheduler(ctx, client, pools, cluster, nil, topology, byPool, nil,
		events.NewRecorder(&record.FakeRecorder{}), realClock, nil, nil, concurrency)
	results, err := scheduler.Solve(ctx, q.Pods)
	if err != nil {
		return answer{}, fmt.Errorf("solving, %w", err)
	}
	out := answer{
		Nodes:           len(results.NewNodeClaims),
		Unplaced:        len(results.PodErrors),
		Milliseconds:    float64(time.Since(start).Microseconds()) / 1000,
		CPUMilliseconds: float64((cpuTime() - cpuStart).Microseconds()) / 1000,
	}
	for _, claim := range results.NewNodeClaims {
		least := math.Inf(1)
		for _, it := range claim.InstanceTypeOptions {
			if offerings := it.Offerings.Available().Compatible(claim.Requirements); len(offerings) > 0 {
				least = math.Min(least, offerings.Cheapest().Price)
			}
		}
		out.Hourly += least
	}
	return out, nil
}

func main() {
	log.SetLogger(logging.NopLogger)
	ctx := injection.WithControllerName(context.Background(), "provisioner")
	ctx = options.ToContext(ctx, &options.Options{
		PreferencePolicy:  options.PreferencePolicyRespect,
		MinValuesPolicy:   options.MinValuesPolicyStrict,
		CPURequests:       1000,
		IgnoreDRARequests: true,
	})
	ctx = kwokoptions.ToContext(ctx, &kwokoptions.Options{InstanceTypesFilePath: os.Args[1]})
	types, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(os.Stdout)
	for {
		var q question
		if err := decoder.Decode(&q); err != nil {
			return
		}
		out, err := solve(ctx, types, q)
		if err != nil {
			out.Error = err.Error()
		}
		if err := encoder.Encode(out); err != nil {
			return
		}
	}
}
