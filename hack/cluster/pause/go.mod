// Builds the pause program, the container that holds a pod's namespaces.
module narwhal.invalid/hack/cluster/pause

go 1.25.0
