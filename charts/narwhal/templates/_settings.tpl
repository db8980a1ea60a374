{{/* The operator's settings (narwhal_operator/settings.py) from the values; objects ride as JSON. */}}
{{- define "narwhal.settings" -}}
- name: NARWHAL_LOG_LEVEL
  value: {{ .Values.operator.logLevel }}
{{- end -}}
