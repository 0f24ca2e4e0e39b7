// machine is one virtual machine of the cloud: a kubelet that registers, admits and reports as on a real
// one, over a container runtime that runs nothing. One process a machine.
//
//	machine run SPEC.json
//	machine credentials CA.crt CA.key SERVER NODE FOLDER
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "machine: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "run":
		spec, err := readSpec(args[1])
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return runKubelet(ctx, spec)
	case len(args) == 6 && args[0] == "credentials":
		return writeCredentials(credentials{caCert: args[1], caKey: args[2], server: args[3], node: args[4], folder: args[5]})
	default:
		return fmt.Errorf("usage: machine run SPEC.json | machine credentials CA.crt CA.key SERVER NODE FOLDER")
	}
}
