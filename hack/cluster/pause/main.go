// Command pause holds a pod's namespaces open until it is told to end. It is in Go, not C: the Go
// toolchain is needed for the rest of the cluster anyway, a C compiler for nothing else.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// With SIGCHLD ignored the kernel reaps what is orphaned to us (pods that share a process namespace).
	signal.Ignore(syscall.SIGCHLD)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
