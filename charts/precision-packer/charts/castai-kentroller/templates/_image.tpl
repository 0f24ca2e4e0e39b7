{{/*
The image: by digest where there is one. The digest that the chart was published with counts for the tag of then alone.
*/}}
{{- define "castai-kentroller.image" -}}
{{- $image := mergeOverwrite (deepCopy .Values.image) (.Values.global.image | default dict) -}}
{{- $name := list (trimSuffix "/" .Values.global.registry) $image.repository | compact | join "/" -}}
{{- $published := index (.Chart.Annotations | default dict) "autoscaling.cast.ai/image" | default "@" -}}
{{- $isOther := and (hasSuffix (printf "@%s" $image.digest) $published) (ne (printf "%s@%s" $image.tag $image.digest) $published) -}}
{{- if and $image.digest (not (and $isOther $image.tag)) -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | required "image.tag or image.digest is needed" }}
{{- end -}}
{{- end -}}
