package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	remote "k8s.io/cri-client/pkg"
	fakeremote "k8s.io/cri-client/pkg/fake"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubemark"
)

// runKubelet blocks until the context ends.
func runKubelet(ctx context.Context, spec machineSpec) error {
	client, heartbeats, err := connect(spec.Kubeconfig)
	if err != nil {
		return err
	}
	flags, config := kubemark.GetHollowKubeletConfig(&kubemark.HollowKubeletOptions{
		NodeName:           spec.Name,
		KubeletPort:        spec.Port,
		MaxPods:            spec.MaxPods,
		NodeLabels:         spec.Labels,
		RegisterWithTaints: spec.Taints,
	})
	if err := placeIn(spec.Folder, flags, config); err != nil {
		return err
	}
	// A kubelet refuses to start with labels that it may not give itself; so does this one.
	if err := options.ValidateKubeletFlags(flags); err != nil {
		return err
	}
	config.ProviderID = spec.ProviderID
	config.Address = spec.Address
	// Without it the kubelet asks DNS for its own name at every status update, and waits where there is none.
	flags.NodeIP = spec.Address
	// The kubelet's default; kubemark turns it off.
	config.EnableControllerAttachDetach = true
	// All machines of a ground share one network namespace.
	config.MakeIPTablesUtilChains = false
	// The runtime pulls nothing, but the limit of 5 pulls a second would still hold pods back.
	config.RegistryPullQPS = 0

	endpoint := "unix://" + filepath.Join(spec.Folder, "cri.sock")
	runtime := fakeremote.NewFakeRemoteRuntime()
	if err := runtime.Start(endpoint); err != nil {
		return fmt.Errorf("starting the container runtime: %w", err)
	}
	defer runtime.Stop()
	service, err := remote.NewRemoteRuntimeService(ctx, endpoint, 15*time.Second, noop.NewTracerProvider(), false)
	if err != nil {
		return fmt.Errorf("connecting to the container runtime: %w", err)
	}
	kubelet := kubemark.NewHollowKubelet(flags, config, client, heartbeats,
		newHardware(spec), runtime.ImageService, service, newResources(spec))
	go kubelet.Run(ctx)
	<-ctx.Done()
	return nil
}

// placeIn moves what the kubelet writes from the temporary folder that kubemark has made into the machine's own.
func placeIn(folder string, flags *options.KubeletFlags, config *kubeletconfig.KubeletConfiguration) error {
	temporary := flags.RootDirectory
	flags.RootDirectory = folder
	config.StaticPodPath = filepath.Join(folder, "static")
	config.PodLogsDir = filepath.Join(folder, "logs")
	if err := os.MkdirAll(config.StaticPodPath, 0o700); err != nil {
		return err
	}
	return os.RemoveAll(temporary)
}

func connect(kubeconfig string) (client, heartbeats *clientset.Clientset, err error) {
	rest, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	// The kubelet's own defaults for kubeAPIQPS and kubeAPIBurst.
	rest.QPS, rest.Burst = 50, 100
	if client, err = clientset.NewForConfig(rest); err != nil {
		return nil, nil, err
	}
	unlimited := *rest
	unlimited.QPS = -1
	heartbeats, err = clientset.NewForConfig(&unlimited)
	return client, heartbeats, err
}
