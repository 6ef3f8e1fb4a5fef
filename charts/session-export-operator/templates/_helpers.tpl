{{- /* Gives each value that is null its default: Helm removes such a value. Every template begins with this.
       files/values.yaml is a copy of values.yaml, which a template can't read. */}}
{{- define "seo.restoreDefaults" -}}
{{- include "seo.restoreSection" (dict "values" .Values "defaults" (.Files.Get "files/values.yaml" | fromYaml)) -}}
{{- end }}

{{- /* One section and those below it. In a map as Kubernetes has it, null removes an entry. */}}
{{- define "seo.restoreSection" -}}
{{- $values := .values -}}
{{- range $key, $default := .defaults -}}
{{- if kindIs "invalid" (index $values $key) -}}
{{- $_ := set $values $key $default -}}
{{- else if and (kindIs "map" $default) (not (has $key (list "resources" "labels" "nodeSelector" "podSecurityContext" "securityContext"))) -}}
{{- include "seo.restoreSection" (dict "values" (index $values $key) "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* Several maps of strings as one, with each key once: the last map that has a key wins. Keys and values are quoted,
       because 123, on, null and others are no strings in YAML. */}}
{{- define "seo.mergedStrings" -}}
{{- $merged := dict -}}
{{- range . }}{{ range $key, $value := . }}{{ $_ := set $merged $key $value }}{{ end }}{{ end -}}
{{- $lines := list -}}
{{- range $key, $value := $merged }}{{ $lines = append $lines (printf "%s: %s" (quote $key) (quote $value)) }}{{ end -}}
{{- join "\n" $lines -}}
{{- end }}

{{- define "seo.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* 50: room for the endings that the objects' names get. */}}
{{- define "seo.fullname" -}}
{{- $name := printf "%s-%s" .Release.Name (include "seo.name" .) -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains (include "seo.name" .) .Release.Name -}}
{{- $name = .Release.Name -}}
{{- end -}}
{{- regexReplaceAll "[.-]+$" (trunc 50 $name) "" -}}
{{- end }}

{{- define "seo.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- /* The name of a Service begins with a letter and has no dot, unlike all others. */}}
{{- define "seo.serviceName" -}}
{{- $name := include "seo.fullname" . -}}
{{- ternary (print $name "-metrics") (printf "metrics-%s" $name | replace "." "-") (regexMatch "^[a-z][a-z0-9-]*$" $name) -}}
{{- end }}

{{- /* What a Deployment selects by: it may never change. */}}
{{- define "seo.selectorLabels" -}}
"app.kubernetes.io/name": {{ include "seo.name" . | quote }}
"app.kubernetes.io/instance": {{ .Release.Name | quote }}
{{- end }}

{{- /* What the ServiceMonitor selects by. A key of the chart's own, because Kustomize and Argo CD may set the others to
       values of theirs. */}}
{{- define "seo.serviceLabels" -}}
"sessionexport.dev/metrics-service": {{ include "seo.fullname" . | quote }}
{{- end }}

{{- /* The metadata of an object, from a map: root; name; namespace (left out: cluster-wide); labels, which something
       selects by, and annotations of the chart; userLabels and userAnnotations, for this kind of object. */}}
{{- define "seo.metadata" -}}
{{- with .name -}}
name: {{ . | quote }}
{{- end }}
{{- with .namespace }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- include "seo.labels" . | nindent 2 }}
{{- with include "seo.mergedStrings" (list .root.Values.commonAnnotations .userAnnotations .annotations) }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "seo.labels" -}}
{{- with .root -}}
{{- range $key, $_ := .Values.commonLabels -}}
{{- if hasPrefix "rbac.authorization.k8s.io/" $key -}}
{{- fail (printf "commonLabels.%s: would add the operator's own rights to other roles: leave it out. rbac.aggregateToView, aggregateToEdit and aggregateToAdmin add those for users" $key) -}}
{{- end -}}
{{- end -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "seo.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
}}
{{- include "seo.mergedStrings" (list .Values.commonLabels $.userLabels $own $.labels) }}
{{- end }}
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
{{- $repository := .Values.image.repository -}}
{{- with .Values.global.imageRegistry -}}
{{- /* As in all references of images: the first part is a registry if it has a dot or a port, or is localhost. */ -}}
{{- $repository = regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "" | printf "%s/%s" (trimSuffix "/" .) -}}
{{- end -}}
{{- with .Values.image -}}
{{ $repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{- /* The names of the Secrets for the image, each once, as a list in JSON. */}}
{{- define "seo.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.imagePullSecrets -}}
{{- $names = append $names (ternary . (get (ternary dict . (kindIs "string" .)) "name") (kindIs "string" .)) -}}
{{- end -}}
{{- uniq $names | toJson -}}
{{- end }}

{{- define "seo.leaseName" -}}
{{ .Values.config.lease.name | default (include "seo.fullname" .) }}
{{- end }}

{{- define "seo.leaseNamespace" -}}
{{ .Values.config.lease.namespace | default (include "seo.namespace" .) }}
{{- end }}

{{- /* The operator's configuration file. */}}
{{- define "seo.config" -}}
{{- include "seo.checkRules" . -}}
{{- $aws := dict -}}
{{- with .Values.aws.region }}{{ $_ := set $aws "region" . }}{{ end -}}
{{- with .Values.aws.accountId }}{{ $_ := set $aws "accountId" . }}{{ end -}}
{{- $lease := dict "namespace" (include "seo.leaseNamespace" .) "name" (include "seo.leaseName" .) -}}
{{- dict "aws" $aws "rules" .Values.config.rules "quota" .Values.config.quota "watch" .Values.watch "lease" $lease
  "policies" (dict "enabled" .Values.policies.enabled) "timing" .Values.config.timing | toYaml }}
{{- end }}

{{- /* A Region or an ARN, given by its path and value, is in the only partition that ARNs of the service know. */}}
{{- define "seo.checkPartition" -}}
{{- $other := "(cn-|us-gov-|us-iso|eu-iso|eusc-)" -}}
{{- if regexMatch (printf "^(%s|arn:aws-|arn:aws:gameliftstreams:%s)" $other $other) .value -}}
{{- fail (printf "%s: %q is not in AWS's partition aws, as us-west-2 is. ARNs of Amazon GameLift Streams know no other, so that Regions of cn-, us-gov-, us-iso, eu-iso and eusc- are refused" .path .value) -}}
{{- end -}}
{{- end }}

{{- /* What the schema can't say of aws and config.rules together. */}}
{{- define "seo.checkRules" -}}
{{- $aws := .Values.aws -}}
{{- include "seo.checkPartition" (dict "path" "aws.region" "value" $aws.region) -}}
{{- if and .Values.config.rules (not $aws.accountId) -}}
{{- fail "aws.accountId: is required when there are config.rules: the account of the operator's role, 12 digits in quotes" -}}
{{- end -}}
{{- range $r, $rule := .Values.config.rules -}}
{{- range $n, $region := $rule.regions -}}
{{- include "seo.checkPartition" (dict "path" (printf "config.rules[%d].regions[%d]" $r $n) "value" $region) -}}
{{- end -}}
{{- range $g, $group := $rule.streamGroups -}}
{{- include "seo.checkPartition" (dict "path" (printf "config.rules[%d].streamGroups[%d]" $r $g) "value" $group) -}}
{{- end -}}
{{- $inRegions := false -}}
{{- range $g, $group := $rule.streamGroups -}}
{{- if not (hasPrefix "arn:" $group) -}}
{{- $inRegions = true -}}
{{- else if ne (index (splitList ":" $group) 4) $aws.accountId -}}
{{- fail (printf "config.rules[%d].streamGroups[%d]: is of another account than aws.accountId (%s), so that the rule could never match" $r $g $aws.accountId) -}}
{{- end -}}
{{- end -}}
{{- if and $rule.policies (not (dig "exports" true $rule)) -}}
{{- fail (printf "config.rules[%d].policies: must not be true in a rule with exports: false, under which nothing more is requested" $r) -}}
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

{{- /* The variables that both fences judge by; the variables rules and arn come before them. */}}
{{- define "seo.fenceVariables" -}}
- name: group
  expression: object.spec.streamGroupIdentifier.find('[A-Za-z0-9-]+$')
# Of the stream group. Empty: the operator's own, which aws.region doesn't tell.
- name: region
  expression: >-
    has(object.spec.region) ? object.spec.region :
    variables.arn.size() > 0 ? variables.arn[0].split(':')[3] : '{{ .Values.aws.region }}'
- name: account
  expression: >-
    variables.arn.size() > 0 ? variables.arn[0].split(':')[4] : '{{ .Values.aws.accountId }}'
# The end of the ARNs that name the stream group: without the Region where it is not known.
- name: groupArn
  expression: >-
    (variables.region == '' ? '' : 'arn:aws:gameliftstreams:' + variables.region) + ':' + variables.account +
    ':streamgroup/' + variables.group
# The rules for the object's namespace.
- name: mine
  expression: >-
    variables.rules.filter(rule, rule.namespaces.exists(n, n == request.namespace ||
    (n.endsWith('*') && request.namespace.startsWith(n.substring(0, n.size() - 1)))))
# Each stream group with its Regions. The account that an ARN names is not shown to users.
- name: allowed
  expression: >-
    variables.mine.map(rule, 'stream group ' + rule.streamGroups.map(g, g.contains(':') ?
    g.split('/')[1] + ' (' + g.split(':')[3] + ')' : has(rule.regions) ?
    g + ' (' + rule.regions.join(', ') + ')' : g{{ with .Values.aws.region }} + ' ({{ . }})'{{ end }}).join(' or ') +
    ' to ' + rule.outputPrefixes.join(' or ')).join('; ')
{{- end }}

{{- /* The objects that the fences judge: what this operator doesn't work on is none of its business. */}}
{{- define "seo.fenceScope" -}}
{{- if or .Values.watch.namespaces .Values.watch.labelSelector }}
matchResources:
  {{- with .Values.watch.namespaces }}
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ toJson . }}
  {{- end }}
  {{- if .Values.watch.labelSelector }}
  objectSelector:
    matchExpressions: {{ include "seo.matchExpressions" . }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* The rules that allow policies, as JSON. */}}
{{- define "seo.policyRules" -}}
{{- $rules := list -}}
{{- range include "seo.exportingRules" . | fromJsonArray }}{{ if .policies }}{{ $rules = append $rules . }}{{ end }}{{ end -}}
{{- toJson $rules -}}
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

{{- /* Without a value the default of Kubernetes; on the network of the node that would not resolve names of Services. */}}
{{- define "seo.dnsPolicy" -}}
{{- if and (eq .Values.dnsPolicy "None") (not .Values.dnsConfig.nameservers) -}}
{{- fail "dnsPolicy: None needs at least one entry of dnsConfig.nameservers" -}}
{{- end -}}
{{ .Values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork) }}
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
{{- if .Values.policies.enabled }}
- apiGroups: [sessionexport.dev]
  resources: [sessionexports]
  # One for each session that a SessionExportPolicy selects.
  verbs: [create]
- apiGroups: [sessionexport.dev]
  resources: [sessionexportpolicies]
  verbs: [list, watch]
- apiGroups: [sessionexport.dev]
  resources: [sessionexportpolicies/status]
  # The only thing that the operator ever writes to a SessionExportPolicy.
  verbs: [patch]
{{- end }}
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
  name: {{ include "seo.serviceAccountName" . | quote }}
  namespace: {{ include "seo.namespace" . | quote }}
{{- end }}

{{- /* The labels of this release's series, as a ServiceMonitor or a PodMonitor makes them. */}}
{{- define "seo.series" -}}
{{- $namespace := include "seo.namespace" . -}}
{{- $podMonitor := printf "(%s/)?%s" (.Values.podMonitor.namespace | default $namespace) (include "seo.fullname" .) -}}
{{- $own := printf "namespace=\"%s\",job=~\"%s|%s\"" $namespace $podMonitor (include "seo.serviceName" .) -}}
{{ .Values.prometheusRule.selector | default $own }}
{{- end }}

{{- define "seo.monitorEndpoint" -}}
- port: metrics
  path: /metrics
  interval: {{ .interval | quote }}
  scrapeTimeout: {{ .scrapeTimeout | quote }}
  {{- with .relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* A value with the templates in its strings evaluated, as {"value": ...} in JSON. Each string by itself, so that its
       result is a string, whatever it looks like. */}}
{{- define "seo.evaluated" -}}
{{- $root := .root -}}
{{- $result := .value -}}
{{- if kindIs "map" .value -}}
{{- $result = dict -}}
{{- range $key, $below := .value -}}
{{- $_ := set $result (tpl $key $root) (include "seo.evaluated" (dict "root" $root "value" $below) | fromJson).value -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- $result = list -}}
{{- range .value -}}
{{- $result = append $result (include "seo.evaluated" (dict "root" $root "value" .) | fromJson).value -}}
{{- end -}}
{{- else if kindIs "string" .value -}}
{{- $result = tpl .value $root -}}
{{- end -}}
{{- dict "value" $result | toJson -}}
{{- end }}
