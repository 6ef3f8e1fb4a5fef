// Package gitops tests what GitOps tools conclude from a SessionExport and a SessionExportPolicy, with the tools' own code,
// over objects that the operator has left behind in every row of the condition tables. tests/e2e/status_fixtures/ proves
// that it leaves them so.
package gitops

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const early = "-ready-when-accepted"

// kind is one of those that tools judge.
type kind struct {
	name string
	// The table in docs/gitops.md begins after this heading, and ends before the next.
	heading string
	// The example with the expressions for Flux.
	flux string
	// Fewer objects than this are not all.
	least int
}

var (
	export = kind{"SessionExport", "\n## What the tools conclude\n", "flux/exports.yaml", 60}
	policy = kind{"SessionExportPolicy", "\n### A policy\n", "flux/policies.yaml", 14}
	kinds  = []kind{export, policy}
)

func (of kind) folder() string { return "argocd/sessionexport.dev/" + of.name }

// read parses one YAML file as the API server's JSON.
func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func object(t *testing.T, path string) *unstructured.Unstructured {
	t.Helper()
	found := &unstructured.Unstructured{}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := found.UnmarshalJSON(json); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return found
}

// objects are the committed ones, by their files' names without the ending.
func objects(t *testing.T, of kind) map[string]*unstructured.Unstructured {
	t.Helper()
	paths, err := filepath.Glob(of.folder() + "/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < of.least {
		t.Fatalf("only %d objects", len(paths))
	}
	found := map[string]*unstructured.Unstructured{}
	for _, path := range paths {
		found[strings.TrimSuffix(filepath.Base(path), ".yaml")] = object(t, path)
	}
	return found
}

// verdicts is one line of a table in docs/gitops.md.
type verdicts struct{ kstatus, flux, argo string }

var line = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\w+) \\| (\\w+) \\| (\\w+) \\|$")

// documented is the table of a kind: what the tests assert is what people read.
func documented(t *testing.T, of kind) map[string]verdicts {
	t.Helper()
	text, err := os.ReadFile("../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), of.heading)
	section, _, _ = strings.Cut(section, "\n##")
	found := map[string]verdicts{}
	for _, cells := range line.FindAllStringSubmatch(section, -1) {
		found[cells[1]] = verdicts{cells[2], cells[3], cells[4]}
	}
	return found
}

// wanted is the verdict on an object: a line of its own, or that of its row for either readyWhen.
func wanted(t *testing.T, table map[string]verdicts, name string) verdicts {
	t.Helper()
	if own, found := table[name]; found {
		return own
	}
	row, found := table[strings.TrimSuffix(name, early)]
	if !found {
		t.Fatalf("%s has no line in the table of docs/gitops.md", name)
	}
	return row
}

func TestNoLineOfTheTablesIsLeftOver(t *testing.T) {
	for _, of := range kinds {
		all := objects(t, of)
		for name := range documented(t, of) {
			if all[name] == nil {
				t.Errorf("%s %s: no such object", of.name, name)
			}
		}
	}
}

func TestEachRowIsThereForEitherReadyWhen(t *testing.T) {
	for name, object := range objects(t, export) {
		want := "Exported"
		if strings.HasSuffix(name, early) {
			want = "Accepted"
		}
		if got, _, _ := unstructured.NestedString(object.Object, "spec", "readyWhen"); got != want {
			t.Errorf("%s: readyWhen %s", name, got)
		}
	}
}
