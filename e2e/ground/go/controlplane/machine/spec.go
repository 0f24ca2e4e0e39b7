package main

import (
	"encoding/json"
	"fmt"
	"os"

	v1 "k8s.io/api/core/v1"
)

// machineSpec is what a machine knows of itself when it boots: its hardware, and the settings in its user data.
type machineSpec struct {
	// Name of the Node: the instance's private DNS name.
	Name       string `json:"name"`
	ProviderID string `json:"providerID"`
	Kubeconfig string `json:"kubeconfig"`
	// Folder for all that the kubelet writes. Short: a socket's path has at most 107 bytes.
	Folder string `json:"folder"`
	// Address is the machine's own: its Node's InternalIP, and where its kubelet listens.
	Address string `json:"address"`
	Port    int    `json:"port"`

	Cores        int    `json:"cores"`
	MemoryBytes  uint64 `json:"memoryBytes"`
	StorageBytes int64  `json:"storageBytes"`
	MaxPods      int    `json:"maxPods"`
	// Reserved is, all together, taken off the capacity to get what pods may use.
	Reserved []v1.ResourceList `json:"reserved"`
	// Devices appear DevicesAfterSeconds after the kubelet started, as when their plugin's pod has come up.
	Devices             v1.ResourceList `json:"devices"`
	DevicesAfterSeconds int             `json:"devicesAfterSeconds"`

	Labels map[string]string `json:"labels"`
	Taints []v1.Taint        `json:"taints"`
}

func readSpec(path string) (machineSpec, error) {
	var spec machineSpec
	raw, err := os.ReadFile(path)
	if err != nil {
		return spec, err
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		return spec, fmt.Errorf("reading %s: %w", path, err)
	}
	if spec.Name == "" || spec.Cores < 1 || spec.MemoryBytes == 0 || spec.MaxPods < 1 {
		return spec, fmt.Errorf("%s names no machine: name, cores, memoryBytes and maxPods are needed", path)
	}
	return spec, nil
}
