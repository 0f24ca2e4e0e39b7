{{/* The image: by digest where there is one. */}}
{{- define "castai-pod-pinner.image" -}}
{{- $image := mergeOverwrite (deepCopy .Values.image) (.Values.global.image | default dict) -}}
{{- $name := list (trimSuffix "/" .Values.global.registry) $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | required "image.tag or image.digest is needed" }}
{{- end -}}
{{- end -}}
