package gitops

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"sigs.k8s.io/yaml"
)

func TestTheHelmReleaseHasNoFieldThatFluxDoesNotKnow(t *testing.T) {
	text, err := os.ReadFile("flux/operator.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, release, found := strings.Cut(string(text), "\n---\n")
	var parsed helmv2.HelmRelease
	if err := yaml.UnmarshalStrict([]byte(release), &parsed); !found || err != nil {
		t.Fatal(found, err)
	}
	if parsed.GroupVersionKind() != helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind) {
		t.Error(parsed.GroupVersionKind())
	}
	renders(t, parsed.GetValues())
}

func TestTheApplicationsValuesAreThoseOfTheChart(t *testing.T) {
	var application struct {
		Spec struct {
			Source struct {
				Helm struct {
					ValuesObject map[string]any `json:"valuesObject"`
				} `json:"helm"`
			} `json:"source"`
		} `json:"spec"`
	}
	read(t, "argocd/application.yaml", &application)
	renders(t, application.Spec.Source.Helm.ValuesObject)
}

// renders lets Helm judge values by the chart's strict schema.
func renders(t *testing.T, values map[string]any) {
	t.Helper()
	helm, err := exec.Command("../tools/helm.sh").Output()
	if err != nil {
		t.Fatalf("no helm: %v", err)
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	chart := "../charts/session-export-operator"
	command := exec.Command(strings.TrimSpace(string(helm)), "template", chart, "--kube-version", "1.33.0", "-f", "-")
	command.Stdin = strings.NewReader(string(text))
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "s3://exports/team-a/") {
		t.Fatalf("%v: %s", err, output)
	}
}

func TestWhatTheDocumentShowsIsInTheFilesThatAreTested(t *testing.T) {
	document, err := os.ReadFile("../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{
		"python": {"../examples/backend/python/export.py"},
		"go":     {"../examples/backend/go/main.go"},
		"yaml":   {"flux/operator-rendered.yaml", "flux/exports.yaml", "flux/policies.yaml"},
	}
	for language, sources := range files {
		blocks := strings.Split(string(document), "```"+language+"\n")[1:]
		if len(blocks) != len(sources) {
			t.Fatalf("%d blocks of %s", len(blocks), language)
		}
		for n, rest := range blocks {
			block, _, _ := strings.Cut(rest, "```")
			text, err := os.ReadFile(sources[n])
			if err != nil || !strings.Contains(string(text), block) {
				t.Errorf("%s holds no such lines (%v):\n%s", sources[n], err, block)
			}
		}
	}
}
