"""Commands at a cluster: top, watch, suspend, resume, retry, cancel, logs. They act as the user of the kubeconfig."""
