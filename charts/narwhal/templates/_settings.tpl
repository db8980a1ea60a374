{{/* The operator's settings (narwhal_operator/settings.py) from the values; objects ride as JSON. */}}
{{- define "narwhal.settings" -}}
- {name: NARWHAL_LOG_LEVEL, value: {{ upper .Values.operator.logLevel }}}
- {name: NARWHAL_NAMESPACES, value: {{ join "," .Values.operator.watchNamespaces | quote }}}
- {name: NARWHAL_DOWNLOAD_IMAGE, value: {{ include "narwhal.image" (list . "download") | quote }}}
- {name: NARWHAL_TORRENT_IMAGE, value: {{ include "narwhal.image" (list . "torrent") | quote }}}
- {name: NARWHAL_TRANSCODE_IMAGE, value: {{ include "narwhal.image" (list . "transcode") | quote }}}
- {name: NARWHAL_RUNNING_TOTAL, value: {{ int .Values.operator.concurrency.total | quote }}}
- {name: NARWHAL_RUNNING_PER_NAMESPACE, value: {{ int .Values.operator.concurrency.perNamespace | quote }}}
- {name: NARWHAL_PULL_POLICY, value: {{ .Values.images.pullPolicy }}}
- {name: NARWHAL_STORAGE_SECRET, value: {{ .Values.storage.defaultSecret | quote }}}
- {name: NARWHAL_ALLOWED_NETWORKS, value: {{ join "," .Values.download.allowedNetworks | quote }}}
- {name: NARWHAL_ALLOWED_HOSTS, value: {{ join "," .Values.download.allowedHosts | quote }}}
- {name: NARWHAL_CONNECTIONS_PER_HOST, value: {{ int .Values.download.connectionsPerHost | quote }}}
- {name: NARWHAL_PROXY, value: {{ .Values.download.proxy | quote }}}
- {name: NARWHAL_PEER_DISCOVERY, value: {{ .Values.download.peerDiscovery | quote }}}
- {name: NARWHAL_DOWNLOAD_RESOURCES, value: {{ toJson .Values.download.resources | quote }}}
- {name: NARWHAL_DOWNLOAD_SCRATCH, value: {{ .Values.download.scratch | quote }}}
- {name: NARWHAL_DOWNLOAD_MEMORY_CEILING, value: {{ .Values.download.memoryCeiling | quote }}}
- {name: NARWHAL_TORRENT_RESOURCES, value: {{ toJson .Values.torrent.resources | quote }}}
- {name: NARWHAL_TORRENT_SCRATCH, value: {{ .Values.torrent.scratch | quote }}}
- {name: NARWHAL_TORRENT_MEMORY_CEILING, value: {{ .Values.torrent.memoryCeiling | quote }}}
- {name: NARWHAL_TRANSCODE_RESOURCES, value: {{ toJson .Values.transcode.resources | quote }}}
- {name: NARWHAL_TRANSCODE_SCRATCH, value: {{ .Values.transcode.scratch | quote }}}
- {name: NARWHAL_TRANSCODE_MEMORY_CEILING, value: {{ .Values.transcode.memoryCeiling | quote }}}
- {name: NARWHAL_RANGE_SECONDS, value: {{ .Values.transcode.rangeSeconds | quote }}}
{{- end -}}
