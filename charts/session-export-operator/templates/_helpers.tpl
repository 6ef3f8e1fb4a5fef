{{- define "seo.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* 50: room for the endings that the objects' names get. */}}
{{- define "seo.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "seo.name" .) .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "seo.name" .) | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* What a Deployment selects by: it may never change. */}}
{{- define "seo.selectorLabels" -}}
app.kubernetes.io/name: {{ include "seo.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "seo.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "seo.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
}}
{{- merge $own .Values.commonLabels | toYaml }}
{{- end }}

{{- define "seo.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}
{{ include "seo.fullname" . }}
{{- else -}}
{{ fail "serviceAccount.name: is required when serviceAccount.create is false" }}
{{- end -}}
{{- end }}

{{- define "seo.image" -}}
{{- with .Values.image -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{- define "seo.leaseName" -}}
{{ .Values.config.lease.name | default (include "seo.fullname" .) }}
{{- end }}

{{- /* The operator's configuration file. */}}
{{- define "seo.config" -}}
{{- include "seo.checkRules" . -}}
{{- $aws := dict -}}
{{- with .Values.aws.region }}{{ $_ := set $aws "region" . }}{{ end -}}
{{- with .Values.aws.accountId }}{{ $_ := set $aws "accountId" . }}{{ end -}}
{{- $lease := dict "namespace" .Release.Namespace "name" (include "seo.leaseName" .) -}}
{{- dict "aws" $aws "rules" .Values.config.rules "quota" .Values.config.quota "watch" .Values.watch "lease" $lease
  "timing" .Values.config.timing | toYaml }}
{{- end }}

{{- /* What the schema can't say of aws and config.rules together. */}}
{{- define "seo.checkRules" -}}
{{- $aws := .Values.aws -}}
{{- if and .Values.config.rules (not $aws.accountId) -}}
{{- fail "aws.accountId: is required when there are config.rules: the account of the operator's role, 12 digits in quotes" -}}
{{- end -}}
{{- range $r, $rule := .Values.config.rules -}}
{{- $inRegions := false -}}
{{- range $g, $group := $rule.streamGroups -}}
{{- if not (hasPrefix "arn:" $group) -}}
{{- $inRegions = true -}}
{{- else if ne (index (splitList ":" $group) 4) $aws.accountId -}}
{{- fail (printf "config.rules[%d].streamGroups[%d]: is of another account than aws.accountId (%s), so that the rule could never match" $r $g $aws.accountId) -}}
{{- end -}}
{{- end -}}
{{- if and $rule.regions (not $inRegions) -}}
{{- fail (printf "config.rules[%d].regions: is for stream groups by id or *, and this rule has ARNs only, which name their Regions themselves: leave it out" $r) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* watch.labelSelector as a list of matchExpressions, in JSON. */}}
{{- define "seo.matchExpressions" -}}
{{- $all := list -}}
{{- range regexFindAll "[^,(]+([(][^)]*[)])?" .Values.watch.labelSelector -1 -}}
{{- $text := trim . -}}
{{- /* Blanks between a parenthesis and a comma are no requirement. */ -}}
{{- if $text -}}
{{- $one := dict "key" $text "operator" "Exists" -}}
{{- if hasPrefix "!" $text -}}
{{- $one = dict "key" (trimPrefix "!" $text | trim) "operator" "DoesNotExist" -}}
{{- else if contains "!=" $text -}}
{{- $parts := splitList "!=" $text -}}
{{- $one = dict "key" (index $parts 0 | trim) "operator" "NotIn" "values" (list (index $parts 1 | trim)) -}}
{{- else if contains "=" $text -}}
{{- $parts := regexSplit "==?" $text 2 -}}
{{- $one = dict "key" (index $parts 0 | trim) "operator" "In" "values" (list (index $parts 1 | trim)) -}}
{{- else if contains "(" $text -}}
{{- $head := regexSplit "\\s+" (regexFind "^[^(]*" $text | trim) 2 -}}
{{- $values := list -}}
{{- range regexFind "[(].*[)]$" $text | trimPrefix "(" | trimSuffix ")" | splitList "," -}}
{{- $values = append $values (trim .) -}}
{{- end -}}
{{- $one = dict "key" (index $head 0) "operator" (ternary "In" "NotIn" (eq (index $head 1) "in")) "values" $values -}}
{{- end -}}
{{- $all = append $all $one -}}
{{- end -}}
{{- end -}}
{{- toJson $all -}}
{{- end }}

{{- /* The rules that are not retired (exports: false), as JSON. */}}
{{- define "seo.exportingRules" -}}
{{- $rules := list -}}
{{- range .Values.config.rules }}{{ if dig "exports" true . }}{{ $rules = append $rules . }}{{ end }}{{ end -}}
{{- toJson $rules -}}
{{- end }}

{{- /* Over plain HTTP, whatever is between the Pod and the endpoint can read the answers (session data) and change them. */}}
{{- define "seo.checkEndpoint" -}}
{{- with .Values.aws -}}
{{- $octet := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{- $loopback := printf `^http://(localhost|127(\.%s){3}|\[::1\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$` $octet -}}
{{- if not (or .allowInsecureEndpoint (eq .endpointUrl "") (hasPrefix "https://" .endpointUrl) (regexMatch $loopback .endpointUrl)) -}}
{{- fail (printf "aws.endpointUrl: %q would send calls over plain HTTP. Accepted are https:// and, to the Pod itself, http://localhost, http://127.x.x.x and http://[::1], each with or without a port and a path. For a simulator that is reached over the network set aws.allowInsecureEndpoint=true" .endpointUrl) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* Whether an object is created with labels that watch.labelSelector selects (the binding selects those), or gets
       them by an edit, as CEL. Keys and values hold nothing that CEL's quotes would have to hide. */}}
{{- define "seo.isCreatedOrLabelled" -}}
{{- $keys := list -}}
{{- $met := list -}}
{{- range include "seo.matchExpressions" . | fromJsonArray -}}
{{- $keys = append $keys (squote .key) -}}
{{- $label := printf "object.metadata.?labels[?'%s']" .key -}}
{{- $values := list -}}
{{- range .values }}{{ $values = append $values (squote .) }}{{ end -}}
{{- $listed := printf "%s.optMap(v, v in [%s]).orValue(false)" $label (join ", " $values) -}}
{{- $by := dict "Exists" (print $label ".hasValue()") "DoesNotExist" (printf "!%s.hasValue()" $label)
  "In" $listed "NotIn" (print "!" $listed) -}}
{{- $met = append $met (get $by .operator) -}}
{{- end -}}
request.operation == 'CREATE' || (
[{{ $keys | uniq | join ", " }}].exists(key, object.metadata.?labels[?key] != oldObject.metadata.?labels[?key]) &&
{{ $met | uniq | join " &&\n" }})
{{- end }}

{{- /* The chart's own variables, but for those that extraEnv replaces: a name may be there once only. */}}
{{- define "seo.env" -}}
{{- include "seo.checkEndpoint" . -}}
{{- $own := list
  (dict "name" "POD_UUID" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.uid")))
  (dict "name" "AWS_EC2_METADATA_DISABLED" "value" "true")
-}}
{{- with .Values.aws.endpointUrl -}}
{{- $own = append $own (dict "name" "AWS_ENDPOINT_URL_GAMELIFTSTREAMS" "value" .) -}}
{{- end -}}
{{- $replaced := list -}}
{{- range .Values.extraEnv }}{{ $replaced = append $replaced .name }}{{ end -}}
{{- $all := list -}}
{{- range $own -}}
{{- if not (has .name $replaced) }}{{ $all = append $all . }}{{ end -}}
{{- end -}}
{{- concat $all .Values.extraEnv | toYaml }}
{{- end }}

{{- /* What the operator asks the API server for, each with its reason. */}}
{{- define "seo.workRules" -}}
- apiGroups: [sessionexport.dev]
  resources: [sessionexports]
  # get: the newest copy after a conflict. list, watch: what is asked for. delete: ttlSecondsAfterFinished.
  verbs: [get, list, watch, delete]
- apiGroups: [sessionexport.dev]
  resources: [sessionexports/status]
  # The only thing that the operator ever writes to a SessionExport.
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  # One Event for each transition that a person should know of.
  verbs: [create]
{{- end }}

{{- /* What it needs in all namespaces, whichever it watches. */}}
{{- define "seo.recordRules" -}}
- apiGroups: [sessionexport.dev]
  resources: [sessionexports/status]
  # No request: the policy that keeps others from writing statuses asks for this verb.
  verbs: [record]
{{- end }}

{{- define "seo.subjects" -}}
- kind: ServiceAccount
  name: {{ include "seo.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* The labels of this release's series, as a ServiceMonitor or a PodMonitor makes them. */}}
{{- define "seo.series" -}}
{{- $own := printf "namespace=\"%s\",job=~\"(%s/)?%s(-metrics)?\"" .Release.Namespace .Release.Namespace (include "seo.fullname" .) -}}
{{ .Values.prometheusRule.selector | default $own }}
{{- end }}

{{- define "seo.monitorEndpoint" -}}
- port: metrics
  path: /metrics
  interval: {{ .interval }}
  scrapeTimeout: {{ .scrapeTimeout }}
{{- end }}
