// Package gitops tests what GitOps tools conclude from a SessionExport, with the tools' own code, over objects that the
// operator has left behind in every row of the condition table. tests/e2e/status_fixtures/ proves that it leaves them so.
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

const (
	kindFolder = "argocd/sessionexport.dev/SessionExport"
	early      = "-ready-when-accepted"
)

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
func objects(t *testing.T) map[string]*unstructured.Unstructured {
	t.Helper()
	paths, err := filepath.Glob(kindFolder + "/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 60 {
		t.Fatalf("only %d objects", len(paths))
	}
	found := map[string]*unstructured.Unstructured{}
	for _, path := range paths {
		found[strings.TrimSuffix(filepath.Base(path), ".yaml")] = object(t, path)
	}
	return found
}

// verdicts is one line of the table in docs/gitops.md.
type verdicts struct{ kstatus, flux, argo string }

var line = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\w+) \\| (\\w+) \\| (\\w+) \\|$")

// documented is that table: what the tests assert is what people read.
func documented(t *testing.T) map[string]verdicts {
	t.Helper()
	text, err := os.ReadFile("../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]verdicts{}
	for _, cells := range line.FindAllStringSubmatch(string(text), -1) {
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

func TestNoLineOfTheTableIsLeftOver(t *testing.T) {
	all := objects(t)
	for name := range documented(t) {
		if all[name] == nil {
			t.Errorf("%s: no such object", name)
		}
	}
}

func TestEachRowIsThereForEitherReadyWhen(t *testing.T) {
	for name, object := range objects(t) {
		want := "Exported"
		if strings.HasSuffix(name, early) {
			want = "Accepted"
		}
		if got, _, _ := unstructured.NestedString(object.Object, "spec", "readyWhen"); got != want {
			t.Errorf("%s: readyWhen %s", name, got)
		}
	}
}
