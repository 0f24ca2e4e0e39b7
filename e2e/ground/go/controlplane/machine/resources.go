package main

import (
	"time"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
)

// hardware is what the kernel would say of the machine.
type hardware struct {
	cadvisortest.Fake
	info cadvisorapi.MachineInfo
	arch string
}

func newHardware(spec machineSpec) *hardware {
	arch := "x86_64"
	if spec.Labels[v1.LabelArchStable] == "arm64" {
		arch = "aarch64"
	}
	return &hardware{
		arch: arch,
		Fake: cadvisortest.Fake{NodeName: spec.Name},
		info: cadvisorapi.MachineInfo{
			NumCores:       spec.Cores,
			MemoryCapacity: spec.MemoryBytes,
			InstanceID:     cadvisorapi.InstanceID(spec.Name),
			MachineID:      spec.Name,
			SystemUUID:     spec.ProviderID,
		},
	}
}

func (h *hardware) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	info := h.info
	return &info, nil
}

func (h *hardware) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	return &cadvisorapi.VersionInfo{
		KernelVersion:      "6.12.58-82.121.amzn2023." + h.arch,
		ContainerOsVersion: "Amazon Linux 2023.9.20261101",
	}, nil
}

// resources is a container manager that knows the machine's disk, what is kept for the system, and its devices.
type resources struct {
	cm.ContainerManager
	withDevices cm.ContainerManager
	devicesFrom time.Time
	spec        machineSpec
}

func newResources(spec machineSpec) *resources {
	return &resources{
		ContainerManager: cm.NewStubContainerManager(),
		withDevices:      cm.NewStubContainerManagerWithDevicePluginResource(spec.Devices),
		devicesFrom:      time.Now().Add(time.Duration(spec.DevicesAfterSeconds) * time.Second),
		spec:             spec,
	}
}

func (r *resources) GetCapacity(bool) v1.ResourceList {
	return v1.ResourceList{v1.ResourceEphemeralStorage: *resource.NewQuantity(r.spec.StorageBytes, resource.BinarySI)}
}

func (r *resources) GetNodeAllocatableReservation() v1.ResourceList {
	sum := v1.ResourceList{}
	for _, part := range r.spec.Reserved {
		for name, quantity := range part {
			total := sum[name]
			total.Add(quantity)
			sum[name] = total
		}
	}
	return sum
}

func (r *resources) GetDevicePluginResourceCapacity() (capacity, allocatable v1.ResourceList, removed []string) {
	if time.Now().Before(r.devicesFrom) {
		return r.ContainerManager.GetDevicePluginResourceCapacity()
	}
	return r.withDevices.GetDevicePluginResourceCapacity()
}
