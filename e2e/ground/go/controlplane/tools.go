//go:build tools

// What the programs in the subfolders of this module need, so that `go mod tidy` keeps it.
package main

import (
	_ "github.com/google/cadvisor/info/v1"
	_ "go.opentelemetry.io/otel/trace/noop"
	_ "k8s.io/api/core/v1"
	_ "k8s.io/apimachinery/pkg/api/resource"
	_ "k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/tools/clientcmd"
	_ "k8s.io/cri-client/pkg"
	_ "k8s.io/cri-client/pkg/fake"
	_ "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	_ "k8s.io/kubernetes/pkg/kubelet/cm"
	_ "k8s.io/kubernetes/pkg/kubemark"
)
