{{/* The name of the release's objects. */}}
{{- define "narwhal.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels that select the operator's pod: never changed after installation. */}}
{{- define "narwhal.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* The labels of every object. */}}
{{- define "narwhal.labels" -}}
{{ include "narwhal.selectorLabels" . }}
app.kubernetes.io/part-of: narwhal
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "narwhal.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "narwhal.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The reference of an image: call with (list $ "operator"). */}}
{{- define "narwhal.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- $registry := ternary "" (printf "%s/" $root.Values.images.registry) (empty $root.Values.images.registry) -}}
{{- $version := ternary (printf ":%s" (default $root.Chart.AppVersion $image.tag)) (printf "@%s" $image.digest) (empty $image.digest) -}}
{{- printf "%s%s%s" $registry $image.repository $version -}}
{{- end -}}
