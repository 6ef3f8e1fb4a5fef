package gitops

import (
	"testing"

	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// Argo Workflows' executor matches a resource template's conditions, which are label selectors, against paths into the
// object (its own code can't be had here; these are the libraries that it does it with).
type paths struct{ json []byte }

func (p paths) Has(path string) bool { return gjson.GetBytes(p.json, path).Exists() }
func (p paths) Get(path string) string {
	return gjson.GetBytes(p.json, path).String()
}
func (p paths) Lookup(path string) (string, bool) { return p.Get(path), p.Has(path) }

func matches(t *testing.T, condition string, object *unstructured.Unstructured) bool {
	t.Helper()
	selector, err := labels.Parse(condition)
	if err != nil {
		t.Fatal(err)
	}
	json, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(paths{json})
}

func TestTheStepOfAWorkflowEndsWhenAWSHasPromisedOrTheExportIsLost(t *testing.T) {
	var workflow struct {
		Spec struct {
			Templates []struct {
				Resource struct{ SuccessCondition, FailureCondition string }
			}
		}
	}
	read(t, "../examples/pipelines/argo-workflow.yaml", &workflow)
	step := workflow.Spec.Templates[0].Resource
	ends := 0
	for name, object := range objects(t, export) {
		word, _, _ := unstructured.NestedString(object.Object, "status", "exportStatus")
		success, failure := matches(t, step.SuccessCondition, object), matches(t, step.FailureCondition, object)
		if success != (word == "PENDING" || word == "SUCCEEDED") || failure != (word == "FAILED") {
			t.Errorf("%s: %q succeeds %t, fails %t", name, word, success, failure)
		}
		if success || failure {
			ends++
		}
	}
	if ends < 20 {
		t.Errorf("only %d rows end it", ends)
	}
}
